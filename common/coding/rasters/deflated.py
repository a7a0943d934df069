"""A deflate stream as its bytes and what its writer chose: its effort, where blocks end, and what is not as zlib would have it.

    the effort's eight numbers
    how many blocks, and of each: kind * 2, and 1 of the last; tokens, or bytes of a stored one; the head of a dynamic one: how
        many bits and the bits, 0 where it is zlib's
    the tokens: `kernel.matches`

What zlib wrote, at any level and in any version that is known, is told in some 50 bytes; what others wrote, by what is different.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from common.coding.rasters.told import Told, to_told
from common.errors import ContentError
from common.kernel import deflate, inflate, matches

Bytes = NDArray[np.uint8]
Tokens = NDArray[np.uint32]
Skips = NDArray[np.int64]
Effort = tuple[int, int, int, int, int, int, int, int]
"""Of `kernel.matches`."""
Block = tuple[int, int, int, tuple[bytes, int] | None]
"""Kind, tokens or bytes, whether it is the last, its head or None."""

_STORED, _FIXED, _DYNAMIC = range(3)
_FAST, _LAZY, _RUNS, _NONE = range(4)
_MOST_PER_BYTE = 1032
"""No deflate stream holds more for each of its bytes."""
_SAMPLES = (1 << 12, 1 << 15, 1 << 18)
"""So many tokens are looked at, in turn, until one effort is the best."""
_MAX_BLOCKS = 1 << 20
_LONGEST = 258

# way, then good, lazy, nice, chain of zlib's levels
_LEVELS: Sequence[tuple[int, int, int, int, int]] = (
    (_FAST, 4, 4, 8, 4),
    (_FAST, 4, 5, 16, 8),
    (_FAST, 4, 6, 32, 32),
    (_LAZY, 4, 4, 16, 16),
    (_LAZY, 8, 16, 32, 32),
    (_LAZY, 8, 16, 128, 128),
    (_LAZY, 8, 32, 128, 256),
    (_LAZY, 32, 128, _LONGEST, 1024),
    (_LAZY, 32, _LONGEST, _LONGEST, 4096),
)
_OTHERS: Sequence[tuple[int, int, int, int, int]] = (
    (_RUNS, 0, 0, 0, 0),
    (_NONE, 0, 0, 0, 0),
    (_FAST, _LONGEST, _LONGEST, _LONGEST, 4096),
)
_HINTED = ((_LEVELS[0], *_OTHERS[:2]), _LEVELS[1:5], _LEVELS[5:6], _LEVELS[6:9])
"""Which of them a zlib header speaks of, by the two upper bits of its second byte."""


def take_apart(stream: bytes, size: int, *, hint: int, window: int) -> tuple[Bytes, bytes, int]:
    """The `size` raw bytes of the stream, what tells it of them, and where it ends.

    `hint` is what a zlib header says of the level, `window` the bytes that matches reach back.
    Errors: ContentError, `unsupported` of a stream that does not come out the same.
    """
    if size > _MOST_PER_BYTE * len(stream) + _MOST_PER_BYTE:
        raise ContentError("damaged", "a deflate stream that cannot hold so much")
    raw, tokens, found, n_bits = inflate.read(np.frombuffer(stream, np.uint8), size)
    end = -(-n_bits // 8)
    blocks: list[Block] = [(kind, n, is_last, None) for kind, n, is_last, _, _ in found.tolist()]
    if deflate.write(raw, tokens, blocks) != stream[:end]:
        blocks = list(_with_heads(stream, raw, tokens, found))
        if deflate.write(raw, tokens, blocks) != stream[:end]:
            raise ContentError("unsupported", "a deflate stream with codes of no use")
    skips = _skips(blocks)
    effort = _effort(raw, tokens, skips, blocks, hint=hint, window=window)
    told = [to_told(*effort, len(blocks)), *map(_tell, blocks), matches.encode(raw, tokens, skips, effort)]
    return raw, b"".join(told), end


def checksum(raw: Bytes) -> bytes:
    """Adler-32, which ends a zlib stream."""
    return zlib.adler32(raw.tobytes()).to_bytes(4, "big")


def put_together(raw: Bytes, told: bytes) -> bytes:
    """The stream. Errors: ContentError `damaged`."""
    reader = Told(told)
    way, is_filtered, hash_bits, window, good, lazy, nice, chain = (reader.number(most=1 << 15) for _ in range(8))
    effort = (way, is_filtered, hash_bits, window, good, lazy, nice, chain)
    blocks = [_block(reader) for _ in range(reader.number(most=_MAX_BLOCKS))]
    n = sum(block[1] for block in blocks if block[0] != _STORED)
    tokens = matches.decode(reader.rest(), raw, _skips(blocks), effort, n)
    return deflate.write(raw, tokens, blocks)


def _tell(block: Block) -> bytes:
    kind, n, is_last, head = block
    if kind != _DYNAMIC:
        return to_told(2 * kind + is_last, n)
    return to_told(2 * kind + is_last, n, head[1], head[0]) if head else to_told(2 * kind + is_last, n, 0)


def _block(reader: Told) -> Block:
    kind, is_last = divmod(reader.number(most=2 * _DYNAMIC + 1), 2)
    n = reader.number(most=1 << 30)
    n_bits = reader.number(most=1 << 13) if kind == _DYNAMIC else 0
    return kind, n, is_last, (reader.octets(), n_bits) if n_bits else None


def _skips(blocks: Sequence[Block]) -> Skips:
    """How many stored bytes are before a token."""
    skips, at = [], 0
    for kind, n, _, _ in blocks:
        if kind == _STORED:
            skips.append((at, n))
        else:
            at += n
    return np.array(skips, np.int64).reshape(-1, 2)


def _with_heads(stream: bytes, raw: Bytes, tokens: Tokens, found: NDArray[np.int64]) -> Iterator[Block]:
    """The blocks, with the heads of those that zlib would not have told so."""
    at = pos = 0
    for kind, n, is_last, start, n_bits in found.tolist():
        if kind == _STORED:
            pos += n
            yield kind, n, is_last, None
            continue
        block = tokens[at : at + n]
        head = None
        if kind == _DYNAMIC:
            bits = int.from_bytes(stream[start // 8 : -(-(start + n_bits) // 8)], "little") >> start % 8
            head = (bits & ((1 << n_bits) - 1)).to_bytes(-(-n_bits // 8), "little"), n_bits
            head = None if deflate.head_of(raw[pos:], block) == head else head
        yield kind, n, is_last, head
        at += n
        pos += int(np.maximum(block >> 16, 1).sum())


def _effort(raw: Bytes, tokens: Tokens, skips: Skips, blocks: Sequence[Block], *, hint: int, window: int) -> Effort:
    """Where zlib would have chosen the most of these tokens: of the levels that the header speaks of, else of all."""
    # A block ends when its buffer is full: a half of what the hash table has, and one token is left out.
    hash_bits = {(1 << bits - 1) - 1: bits for bits in range(8, 17)}.get(blocks[0][1], 15)
    hinted = _HINTED[hint]
    others = [level for level in (*_LEVELS, *_OTHERS) if level not in hinted]
    best, least = _best_of(raw, tokens, skips, [_full(level, f, hash_bits, window) for level in hinted for f in _filtered(level)])
    if least:
        efforts = [_full(level, f, hash_bits, window) for level in others for f in _filtered(level)]
        best, _ = _best_of(raw, tokens, skips, [best, *efforts])
    return best


def _filtered(level: tuple[int, int, int, int, int]) -> Sequence[int]:
    return (1, 0) if level[0] == _LAZY else (0,)


def _full(level: tuple[int, int, int, int, int], is_filtered: int, hash_bits: int, window: int) -> Effort:
    return level[0], is_filtered, hash_bits, window, level[1], level[2], level[3], level[4]


def _best_of(raw: Bytes, tokens: Tokens, skips: Skips, efforts: Sequence[Effort]) -> tuple[Effort, int]:
    """The effort that misses the fewest tokens, and how many of the last sample."""
    least = 0
    for n in _SAMPLES:
        misses, least = [], n
        for effort in efforts:
            misses.append(matches.misses(raw, tokens[:n], skips, effort, least))
            least = min(least, misses[-1])
        efforts = [effort for effort, missed in zip(efforts, misses, strict=True) if missed == least]
        if len(efforts) == 1 or n >= len(tokens):
            break
    return efforts[0], least
