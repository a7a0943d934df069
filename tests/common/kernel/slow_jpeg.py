"""A slow reader of JPEG coefficients, written from ITU T.81 alone: the oracle of the compiled one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Blocks = NDArray[np.int64]
Table = dict[str, int]


@dataclass
class Picture:
    """What has been read of a file; tables by class and number, components by id."""

    planes: dict[int, Blocks] = field(default_factory=dict)
    factors: dict[int, tuple[int, int]] = field(default_factory=dict)
    tables: dict[int, Table] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    mcus: tuple[int, int] = (0, 0)
    restart: int = 0
    is_progressive: bool = False


def zigzag() -> list[int]:
    """Places in the block, row by row, in the order of the file: diagonals that turn at the edge."""
    cells = [(v, u) for v in range(8) for u in range(8)]
    ordered = sorted(cells, key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return [8 * v + u for v, u in ordered]


ORDER = zigzag()


def coefficients(content: bytes) -> list[Blocks]:
    """The quantised coefficients of each component, (rows, cols, 64), padded to whole MCUs."""
    picture = Picture()
    at = 2
    while content[at + 1] != 0xD9:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        segment = content[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in {0xC0, 0xC1, 0xC2}:
            _start(picture, segment, is_progressive=marker == 0xC2)
        elif marker == 0xC4:
            _define(picture, segment)
        elif marker == 0xDD:
            picture.restart = int.from_bytes(segment)
        elif marker == 0xDA:
            found = re.compile(rb"\xff[^\x00\xd0-\xd7]").search(content, at)
            assert found
            _scan(picture, segment, content[at : found.start()])
            at = found.start()
    return list(picture.planes.values())


def _start(picture: Picture, segment: bytes, *, is_progressive: bool) -> None:
    height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
    picture.size, picture.is_progressive = (height, width), is_progressive
    picture.factors = {segment[i]: (segment[i + 1] & 15, segment[i + 1] >> 4) for i in range(6, len(segment), 3)}
    most_v, most_h = (max(f[i] for f in picture.factors.values()) for i in (0, 1))
    picture.mcus = (-(-height // (8 * most_v)), -(-width // (8 * most_h)))
    picture.planes = {
        name: np.zeros((picture.mcus[0] * v, picture.mcus[1] * h, 64), np.int64) for name, (v, h) in picture.factors.items()
    }


def _define(picture: Picture, segment: bytes) -> None:
    while segment:
        counts, symbols = segment[1:17], iter(segment[17:])
        table: Table = {}
        code = 0
        for length, count in enumerate(counts, 1):
            for _ in range(count):
                table[f"{code:0{length}b}"] = next(symbols)
                code += 1
            code *= 2
        picture.tables[segment[0]] = table
        segment = segment[17 + sum(counts) :]


class _Bits:
    """The bits of one interval, as text."""

    def __init__(self, coded: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in coded.replace(b"\xff\x00", b"\xff"))
        self.at = 0

    def take(self, n: int) -> int:
        """A number of n bits."""
        self.at += n
        assert self.at <= len(self.text)
        return int(self.text[self.at - n : self.at] or "0", 2)

    def signed(self, n: int) -> int:
        """A number of n digits, whose first is 0 if it is negative."""
        value = self.take(n)
        return value if not n or value >= 1 << n - 1 else value - (1 << n) + 1

    def symbol(self, table: Table) -> int:
        """What the next code stands for."""
        code = ""
        while code not in table:
            code += str(self.take(1))
        return table[code]


def _blocks_of(picture: Picture, names: list[int]) -> Iterator[list[tuple[int, Blocks]]]:
    """For each MCU of a scan its blocks, with the place of their component in the scan."""
    if len(names) == 1:
        most = [max(f[i] for f in picture.factors.values()) for i in (0, 1)]
        rows, cols = (-(-(-(-s * f // m)) // 8) for s, f, m in zip(picture.size, picture.factors[names[0]], most, strict=True))  # noqa: B002
        for row, col in itertools.product(range(rows), range(cols)):
            yield [(0, picture.planes[names[0]][row, col])]
        return
    for row, col in itertools.product(range(picture.mcus[0]), range(picture.mcus[1])):
        yield [
            (i, picture.planes[name][row * v + y, col * h + x])
            for i, name in enumerate(names)
            for v, h in [picture.factors[name]]
            for y in range(v)
            for x in range(h)
        ]


def _scan(picture: Picture, segment: bytes, coded: bytes) -> None:
    n = segment[0]
    names = [segment[1 + 2 * i] for i in range(n)]
    tables = [
        (picture.tables.get(segment[2 + 2 * i] >> 4, {}), picture.tables.get(16 | segment[2 + 2 * i] & 15, {})) for i in range(n)
    ]
    first, last, high, low = segment[1 + 2 * n], segment[2 + 2 * n], segment[3 + 2 * n] >> 4, segment[3 + 2 * n] & 15
    mcus = list(_blocks_of(picture, names))
    step = picture.restart or len(mcus)
    for interval, text in zip(range(0, len(mcus), step), re.split(rb"\xff[\xd0-\xd7]", coded), strict=True):
        bits, before, run = _Bits(text), [0] * n, 0
        for i, block in itertools.chain.from_iterable(mcus[interval : interval + step]):
            dc, ac = tables[i]
            if picture.is_progressive and high:
                run = _refine(bits, ac, block, range(first, last + 1), low, run)
                continue
            if first == 0:
                before[i] += bits.signed(bits.symbol(dc))
                block[0] = before[i] << low
            if last:
                run = _first(bits, ac, block, range(max(first, 1), last + 1), low, run)


def _first(bits: _Bits, ac: Table, block: Blocks, band: range, low: int, run: int) -> int:
    k = band.start
    while not run and k < band.stop:
        zeros, n = divmod(bits.symbol(ac), 16)
        if n:
            k += zeros
            block[ORDER[k]] = bits.signed(n) * (1 << low)
            k += 1
        elif zeros == 15:
            k += 16
        else:
            run = (1 << zeros) + bits.take(zeros)
    return max(run - 1, 0)


def _refine(bits: _Bits, ac: Table, block: Blocks, band: range, low: int, run: int) -> int:
    if band.stop == 1:
        block[0] |= bits.take(1) << low
        return 0
    places = iter([ORDER[k] for k in band])
    left = len(band)
    while not run and left:
        zeros, n = divmod(bits.symbol(ac), 16)
        if not n and zeros < 15:
            run = (1 << zeros) + bits.take(zeros)
            break
        new = (1 if bits.take(1) else -1) << low if n else 0
        for place in places:
            left -= 1
            if block[place]:
                block[place] += int(np.sign(block[place])) * (bits.take(1) << low)
            elif zeros:
                zeros -= 1
            else:
                block[place] = new
                break
    for place in places:
        if block[place]:
            block[place] += int(np.sign(block[place])) * (bits.take(1) << low)
    return max(run - 1, 0)
