"""Bytes, values and names of strangers."""

import json

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([0, -1, 2**31 - 1, 2**31, 2**63, 10**6, 10**12, 10**30, 8192]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e-300, 1e300, float("nan"), float("inf")]),
)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "../../x",
            "/etc/passwd",
            "a\nb",
            "\x1b[2J",
            "[bold]x[/bold]",
            "[/red]",
            "\ud800",
            "x\0y",
            "é" * 200,
            "n" * 300,
            "none",
            "dct",
            "gaussian",
            "con",
            "%s%n",
            "{0.__class__}",
            "<script>alert(1)</script>",
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=6,
)


@st.composite
def mutated(draw, base: bytes):
    """Bytes like ``base``: some changed, cut out, doubled or put in, or cut off at the end."""
    data = bytearray(base)
    for _ in range(draw(st.integers(0, 4))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        many = draw(st.integers(1, min(16, len(data) - place)))
        how = draw(st.sampled_from(["set", "set", "set", "number", "cut", "double", "put", "end"]))
        if how == "set":
            data[place] = draw(st.integers(0, 255))
        elif how == "number":
            size = draw(st.sampled_from([2, 4, 8]))
            value = draw(st.sampled_from([0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1, 10**4]))
            order = draw(st.sampled_from(["little", "big"]))
            data[place : place + size] = value.to_bytes(size, order)
        elif how == "cut":
            del data[place : place + many]
        elif how == "double":
            data[place:place] = data[place : place + many]
        elif how == "put":
            data[place:place] = draw(st.binary(max_size=16))
        else:
            del data[place:]
    return bytes(data)


@st.composite
def altered(draw, table: dict):
    """A table like ``table``: some values replaced, left out or added, at any depth."""
    found = json.loads(json.dumps(table))
    for _ in range(draw(st.integers(1, 3))):
        at = found
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inside = at[key]
            if isinstance(inside, (dict, list)) and inside and draw(st.booleans()):
                at = inside
                continue
            how = draw(st.sampled_from(["value", "value", "like", "drop", "add"]))
            if how == "value":
                at[key] = draw(VALUES)
            elif how == "like":
                at[key] = draw(NUMBERS if isinstance(inside, (int, float)) else TEXTS)
            elif how == "drop":
                del at[key]
            elif isinstance(at, dict):
                at[draw(TEXTS)] = draw(VALUES)
            break
    return found
