"""TIFF's LZW against an oracle that keeps strings in a dictionary, and against libtiff in Pillow."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.errors import ContentError
from common.kernel import lzw
from tests.fakes import pictures

CLEAR, END = 256, 257


def oracle(raw: bytes) -> bytes:  # noqa: C901 - in one piece, as the writer is
    """As libtiff writes, bit by bit."""
    bits: list[str] = []
    table: dict[bytes, int] = {}
    width, ratio, look, n_bytes, n_bits = 9, 0, 10000, 0, 0

    def put(code: int) -> None:
        nonlocal n_bits
        bits.append(f"{code:0{width}b}")
        n_bits += width

    def start_anew() -> None:
        nonlocal table, width, ratio, n_bytes, n_bits
        table = {bytes([value]): value for value in range(256)}
        ratio = n_bytes = n_bits = 0
        put(CLEAR)
        width = 9

    start_anew()
    n_bytes, prefix = 1, raw[:1]
    for byte in raw[1:]:
        n_bytes += 1
        longer = prefix + bytes([byte])
        if longer in table:
            prefix = longer
            continue
        put(table[prefix])
        table[longer] = len(table) + 2
        prefix = bytes([byte])
        following = len(table) + 2
        if following == 4094:
            start_anew()
        elif following > (1 << width) - 1:
            width += 1
        elif n_bytes >= look:
            look = n_bytes + 10000
            now = (n_bytes << 8) // n_bits
            if now > ratio:
                ratio = now
            else:
                start_anew()
    put(table[prefix])
    if len(table) + 3 == 4094:
        put(CLEAR)
        width = 9
    elif len(table) + 3 > (1 << width) - 1:
        width += 1
    put(END)
    joined = "".join(bits)
    joined += "0" * (-len(joined) % 8)
    return int(joined, 2).to_bytes(len(joined) // 8, "big")


def as_array(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Bytes as the kernel takes them."""
    return np.frombuffer(content, np.uint8)


NOISE = random.Random(1).randbytes(30000)
CONTENTS = {
    "a byte": b"a",
    "one letter": b"a" * 100000,
    "noise": NOISE,
    "a photo": pictures.photo(1, (200, 100)).tobytes(),
    "noise after what repeats": b"abcabd" * 8000 + NOISE,
    "what repeats after noise": NOISE + b"abcabd" * 8000,
}


@pytest.mark.parametrize("name", CONTENTS)
def test_strips_are_written_as_the_oracle_writes_them(name: str) -> None:
    """With every start anew: where the table is full, and where the ratio falls."""
    raw = CONTENTS[name]
    coded = lzw.write(as_array(raw))
    assert coded == oracle(raw)
    assert lzw.read(as_array(coded), len(raw)).tobytes() == raw


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6000), st.integers(1, 256), st.integers(0, 2**32 - 1))
def test_every_end_is_as_the_oracle_has_it(n: int, letters: int, seed: int) -> None:
    """The last code may be the one that makes codes wider, or the table full."""
    raw = bytes(random.Random(seed).randrange(letters) for _ in range(n))
    coded = lzw.write(as_array(raw))
    assert coded == oracle(raw)
    assert lzw.read(as_array(coded), n).tobytes() == raw


def test_libtiff_writes_the_same() -> None:
    """In Pillow, in one strip."""
    picture = pictures.photo(3, (120, 90)).convert("L")
    file = io.BytesIO()
    picture.save(file, "TIFF", compression="tiff_lzw")
    with Image.open(io.BytesIO(file.getvalue())) as saved:
        (start,), (size,) = saved.tag_v2[273], saved.tag_v2[279]  # type: ignore[attr-defined]
    assert lzw.write(as_array(picture.tobytes())) == file.getvalue()[start : start + size]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_spoilt_strips_are_damaged_or_something_else(seed: int, n: int) -> None:
    """Codes that are not yet known, and bytes that end too soon."""
    raw = CONTENTS["a photo"][:9000]
    coded = pictures.flipped(lzw.write(as_array(raw)), seed, n_bytes=n)
    try:
        assert len(lzw.read(as_array(coded), len(raw))) == len(raw)
    except ContentError:
        return


def test_strips_of_nothing_or_of_too_much_are_refused() -> None:
    """Before any memory is asked for."""
    for coded, size in ((b"", 1), (b"\x80", 0), (b"\x80\0", 1 << 30), (b"\x80\0", 5)):
        with pytest.raises(ContentError, match="LZW"):
            lzw.read(as_array(coded), size)
    with pytest.raises(ContentError, match="LZW"):
        lzw.write(as_array(b""))
