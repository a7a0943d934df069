"""Deflate streams taken apart and put together again: by zlib in all its ways, by others, and spoilt ones."""

from __future__ import annotations

import random
import zlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.coding.rasters import deflated
from common.errors import ContentError
from common.kernel import deflate, filters, inflate, matches
from tests.fakes import pictures

STORED, FIXED, DYNAMIC = range(3)
NO_SKIPS = np.zeros((0, 2), np.int64)
THOROUGH = (1, 0, 15, 32768, 32, 258, 258, 4096)
"""zlib's level 9."""
STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)


def as_array(content: bytes) -> NDArray[np.uint8]:
    """Bytes as the kernel takes them."""
    return np.frombuffer(content, np.uint8)


def filtered_photo(seed: int = 1, size: tuple[int, int] = (220, 150)) -> bytes:
    """Rows as a PNG has them."""
    picture = np.asarray(pictures.photo(seed, size))
    rows = picture.reshape(len(picture), -1)
    return filters.do(rows, filters.least(rows, 3, (0, 1, 2, 3, 4)), 3).tobytes()


def repetitive(n: int = 60000) -> bytes:
    """Words again and again, some with a letter changed."""
    rng = random.Random(1)
    words = [bytes(rng.randrange(97, 123) for _ in range(rng.randrange(2, 40))) for _ in range(60)]
    return b" ".join(rng.choice(words) for _ in range(n // 10))[:n]


PHOTO, TEXT = filtered_photo(), repetitive()


def by_zlib(raw: bytes, level: int, memory: int = 8, strategy: int = 0, window: int = 15) -> bytes:
    """A stream without zlib's header."""
    maker = zlib.compressobj(level, zlib.DEFLATED, -window, memory, strategy)
    return maker.compress(raw) + maker.flush()


def hint_of(level: int, strategy: int) -> int:
    """What zlib says in its header."""
    if strategy in STRATEGIES[2:] or level < 2:
        return 0
    return 1 if level < 6 else 2 if level == 6 else 3


def told_of(stream: bytes, raw: bytes, *, hint: int = 2, window: int = 32768) -> bytes:
    """What a stream has to tell, having come together again."""
    got, told, end = deflated.take_apart(stream, len(raw), hint=hint, window=window)
    assert got.tobytes() == raw
    assert deflated.put_together(got, told) == stream[:end]
    assert end == len(stream)
    return told


@pytest.mark.parametrize(("level", "strategy"), [*product(range(1, 10), STRATEGIES[:2]), *product([6], STRATEGIES[2:])])
def test_what_zlib_wrote_is_told_in_a_few_bytes(level: int, strategy: int) -> None:
    """At any level, by any strategy: each token is foretold, and each block's codes are made again."""
    for raw in (PHOTO, TEXT):
        told = told_of(by_zlib(raw, level, 8, strategy), raw, hint=hint_of(level, strategy))
        assert len(told) < 60


@pytest.mark.parametrize(("memory", "window"), [(9, 15), (5, 15), (1, 12), (8, 9)])
def test_other_memories_and_windows_of_zlib_are_found(memory: int, window: int) -> None:
    """The memory is seen in the size of the blocks; the window is told by who knows the header."""
    for raw in (PHOTO, TEXT):
        stream = by_zlib(raw, 6, memory, 0, window)
        n_blocks = len(inflate.read(as_array(stream), len(raw))[2])
        assert len(told_of(stream, raw, window=1 << window)) < 50 + 4 * n_blocks


@pytest.mark.parametrize("flush", [zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH])
def test_streams_that_were_flushed_and_stored_blocks_come_back(flush: int) -> None:
    """Empty blocks, stored ones between others, and nothing but stored ones."""
    maker = zlib.compressobj(6, zlib.DEFLATED, -15)
    noise = random.Random(2).randbytes(70000)
    stream = b"".join(
        [maker.compress(TEXT), maker.flush(flush), maker.compress(noise), maker.flush(flush), maker.compress(PHOTO)]
    )
    told_of(stream + maker.flush(), TEXT + noise + PHOTO)
    assert len(told_of(by_zlib(noise, 0), noise)) < 60


def tokens_of_another(raw: bytes, seed: int) -> NDArray[np.uint32]:
    """Matches that zlib would not choose: one of the two nearest places, as long as it goes, mostly taken and sometimes left."""
    rng = random.Random(seed)
    places: dict[bytes, list[int]] = {}
    tokens, at = [], 0
    while at < len(raw):
        known = places.setdefault(raw[at : at + 3], [])
        step = 1
        if known and rng.random() < 0.95:
            place = rng.choice(known[-2:])
            longest = 3
            while longest < 258 and at + longest < len(raw) and raw[place + longest] == raw[at + longest]:
                longest += 1
            step = min(longest, len(raw) - at)
        tokens.append(0 if step < 3 else step << 16 | (at - place))
        known.append(at)
        at += step
    return np.array(tokens, np.uint32)


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_by_another_writer_comes_back(seed: int) -> None:
    """With matches that are not the longest, blocks that end anywhere, and codes that do not fit what they code."""
    raw = TEXT[:20000]
    tokens = tokens_of_another(raw, seed)
    head = deflate.head_of(as_array(bytes(range(256)) + raw), np.concatenate([np.zeros(256, np.uint32), tokens]))
    half = len(tokens) // 2
    blocks = [(DYNAMIC, half, 0, head), (DYNAMIC, len(tokens) - half, 1, head)]
    stream = deflate.write(as_array(raw), tokens, blocks)
    assert zlib.decompress(stream, -15) == raw
    assert len(told_of(stream, raw)) < len(stream) / 2
    everything = deflate.write(as_array(raw), tokens, [(FIXED, len(tokens), 1, None)])
    assert zlib.decompress(everything, -15) == raw
    told_of(everything, raw)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"b", b"ab", b"abc", b"\0" * 300, b"xyzzy" * 60]), max_size=60), st.integers(1, 9))
def test_short_and_degenerate_contents_come_back(parts: list[bytes], level: int) -> None:
    """One byte, one letter over and over, matches that overlap themselves."""
    raw = b"".join(parts) or b"a"
    told_of(by_zlib(raw, level), raw)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_spoilt_streams_are_damaged_or_come_back_as_they_are(seed: int, n: int) -> None:
    """Never a crash; what can be read at all is put together to the same bytes or refused."""
    stream = pictures.flipped(by_zlib(TEXT[:3000], 6), seed, n_bytes=n)
    try:
        raw, told, end = deflated.take_apart(stream, 3000, hint=2, window=32768)
    except ContentError:
        return
    assert deflated.put_together(raw, told) == stream[:end]
    assert zlib.decompressobj(-15).decompress(stream) == raw.tobytes()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_spoilt_skeletons_are_damaged_or_make_other_bytes(seed: int, n: int) -> None:
    """They may come from anybody."""
    raw, tokens = as_array(TEXT[:3000]), tokens_of_another(TEXT[:3000], 1)
    stream = deflate.write(raw, tokens, [(FIXED, len(tokens), 1, None)])
    _, told, _ = deflated.take_apart(stream, 3000, hint=2, window=32768)
    try:
        made = deflated.put_together(raw, pictures.flipped(told, seed, n_bytes=n))
    except ContentError:
        return
    assert len(made) < 30000


def test_what_does_not_fit_is_refused() -> None:
    """Sizes, tokens and efforts that cannot be."""
    stream, raw = by_zlib(TEXT, 6), as_array(TEXT)
    for size in (len(TEXT) - 1, len(TEXT) + 1):
        with pytest.raises(ContentError, match="does not hold"):
            inflate.read(as_array(stream), size)
    with pytest.raises(ContentError, match="so much"):
        deflated.take_apart(stream, 1 << 29, hint=2, window=32768)
    too_far = np.array([3 << 16 | 1], np.uint32)
    for tokens in (too_far, np.array([0, 258 << 16 | 1] * 300, np.uint32)):
        with pytest.raises(ContentError, match=r"fit|damaged|codes"):
            matches.decode(matches.encode(raw, tokens, NO_SKIPS, THOROUGH), raw[:2], NO_SKIPS, THOROUGH, len(tokens))
    for effort in ((4, *THOROUGH[1:]), (1, 0, 17, *THOROUGH[3:]), (1, 0, 15, 1000, *THOROUGH[4:])):
        with pytest.raises(ContentError, match="effort"):
            matches.decode(b"", raw, NO_SKIPS, effort, 3)
    with pytest.raises(ContentError, match="more tokens"):
        matches.decode(b"", raw, NO_SKIPS, THOROUGH, len(raw) + 1)
    with pytest.raises(ContentError, match="more than there is"):
        deflate.write(raw, too_far, [(DYNAMIC, 2, 1, None)])
    with pytest.raises(ContentError, match="codes"):
        deflate.write(raw, np.zeros(5, np.uint32), [(DYNAMIC, 5, 1, (b"\xff" * 40, 300))])
