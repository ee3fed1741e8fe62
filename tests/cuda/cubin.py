"""What the kernels of a CUBIN take: registers, bytes of local memory, bytes of shared memory.

A CUBIN is an ELF file; the numbers lie in its sections ``.nv.info`` (attributes of a function:
0x2f the registers, 0x11 the frame) and ``.nv.shared.NAME``.
"""

import struct

REGISTERS, FRAME = 0x2F, 0x11


def resources(cubin):
    """{kernel: (registers, local, shared)} of the bytes of a 64-bit CUBIN."""
    sections = _sections(cubin)
    names = _symbols(sections)
    found = {}
    for attribute, symbol, value in _attributes(sections[".nv.info"][0]):
        if attribute in (REGISTERS, FRAME) and f".text.{names[symbol]}" in sections:
            found.setdefault(names[symbol], {})[attribute] = value
    return {
        name: (
            values[REGISTERS],
            values.get(FRAME, 0),
            sections.get(f".nv.shared.{name}", (b"", 0))[1],
        )
        for name, values in found.items()
    }


def _sections(cubin):
    """{name: (bytes, size)}; a section of zeros has a size and no bytes."""
    assert cubin[:4] == b"\x7fELF"
    assert cubin[4] == 2
    (start,) = struct.unpack_from("<Q", cubin, 0x28)
    each, count, strings = struct.unpack_from("<HHH", cubin, 0x3A)
    heads = [struct.unpack_from("<IIQQQQIIQQ", cubin, start + i * each) for i in range(count)]
    text = heads[strings][4]
    found = {}
    for name, kind, _, _, offset, size, *_ in heads:
        end = cubin.index(b"\0", text + name)
        body = b"" if kind == 8 else cubin[offset : offset + size]
        found[cubin[text + name : end].decode()] = (body, size)
    return found


def _symbols(sections):
    table, strings = sections[".symtab"][0], sections[".strtab"][0]
    names = []
    for at in range(0, len(table), 24):
        (first,) = struct.unpack_from("<I", table, at)
        names.append(strings[first : strings.index(b"\0", first)].decode())
    return names


def _attributes(info):
    """(attribute, symbol, value) of all entries that hold a symbol and a number."""
    at = 0
    while at < len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form == 4:
            if size == 8:
                yield (attribute, *struct.unpack_from("<II", info, at))
            at += size
