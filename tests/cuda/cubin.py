"""What the kernels of a CUBIN keep in local memory, which lies outside the processor: a spill.

A CUBIN is an ELF file; its section ``.nv.info`` holds attributes of functions, 0x11 the frame.
"""

import struct

FRAME = 0x11


def frames(cubin):
    """{kernel: bytes of local memory} of the bytes of a 64-bit CUBIN."""
    sections = _sections(cubin)
    names = _symbols(sections)
    found = {name.removeprefix(".text."): 0 for name in sections if name.startswith(".text.")}
    for symbol, value in _attributes(sections[".nv.info"], FRAME):
        if names[symbol] in found:
            found[names[symbol]] = value
    return found


def _sections(cubin):
    """{name: bytes}; a section of zeros has none."""
    assert cubin[:4] == b"\x7fELF"
    assert cubin[4] == 2
    (start,) = struct.unpack_from("<Q", cubin, 0x28)
    each, count, strings = struct.unpack_from("<HHH", cubin, 0x3A)
    heads = [struct.unpack_from("<IIQQQQIIQQ", cubin, start + i * each) for i in range(count)]
    text = heads[strings][4]
    found = {}
    for name, kind, _, _, offset, size, *_ in heads:
        end = cubin.index(b"\0", text + name)
        found[cubin[text + name : end].decode()] = b"" if kind == 8 else cubin[offset:][:size]
    return found


def _symbols(sections):
    table, strings = sections[".symtab"], sections[".strtab"]
    names = []
    for at in range(0, len(table), 24):
        (first,) = struct.unpack_from("<I", table, at)
        names.append(strings[first : strings.index(b"\0", first)].decode())
    return names


def _attributes(info, wanted):
    """(symbol, value) of all entries of an attribute, which hold a symbol and a number."""
    at = 0
    while at < len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form == 4:
            if (attribute, size) == (wanted, 8):
                yield struct.unpack_from("<II", info, at)
            at += size
