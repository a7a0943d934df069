"""The Huffman tables that libjpeg makes for the symbols that it counts: what an encoder says of them need not be kept.

The standard's procedure (ITU T.81 K.2), with libjpeg's choices where it leaves them (jchuff.c, jpeg_gen_optimal_table).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.kernel.headers import Scan
from common.kernel.jpeg import Blocks, opened
from common.kernel.scan_writer import count_symbols

_RESERVED: Final = 256
"""A symbol that nobody writes: so no code is of ones alone."""
_LONGEST: Final = 16


def optimal_tables(skeleton: bytes, planes: Sequence[Blocks], *, but: bytes = b"") -> list[tuple[bytes, bytes]]:
    """The tables of a JPEG's scans in the order of their use, each once: as it is, and as libjpeg would have made it.

    A table is 16 counts and the symbols. A scan all of whose tables are in `but` is passed over. Errors: ContentError.
    """
    traits, headers, _ = opened(skeleton)
    found: dict[bytes, bytes] = {}
    for scan, chosen in zip(headers.scans, traits, strict=True):
        if _has_codes(scan) and not all(table in but for part in scan.parts for table in (part.dc, part.ac)):
            counted: dict[bytes, list[int]] = {}
            for part, (dc, ac) in zip(scan.parts, count_symbols(scan, chosen, planes), strict=True):
                for table, used in ((part.dc, dc), (part.ac, ac)):
                    counted[table] = [a + b for a, b in zip(counted.get(table, [0] * 256), used, strict=True)]
            for table, used in counted.items():
                if any(used):
                    found.setdefault(table, optimal_table(used))
    return list(found.items())


def optimal_table(used: Sequence[int]) -> bytes:
    """The table for symbols that are used so often."""
    lengths = _lengths({**{symbol: n for symbol, n in enumerate(used) if n}, _RESERVED: 1})
    n_codes = [0] * (max(lengths.values()) + 1)
    for length in lengths.values():
        n_codes[length] += 1
    _shorten(n_codes)
    n_codes[max(length for length, n in enumerate(n_codes) if n)] -= 1  # that of the reserved symbol
    counts = (n_codes + [0] * _LONGEST)[1 : _LONGEST + 1]
    symbols = sorted((length, symbol) for symbol, length in lengths.items() if symbol != _RESERVED)
    return bytes(counts) + bytes(symbol for _, symbol in symbols)


def _lengths(used: dict[int, int]) -> dict[int, int]:
    """The bits of each symbol's code, before any is shortened. Of equal counts the higher symbol is taken first."""
    groups = {symbol: [symbol] for symbol in used}
    weights = dict(used)
    lengths = dict.fromkeys(used, 0)
    while len(weights) > 1:
        first, second = sorted(weights, key=lambda symbol: (weights[symbol], -symbol))[:2]
        weights[first] += weights.pop(second)
        groups[first] += groups.pop(second)
        for symbol in groups[first]:
            lengths[symbol] += 1
    return lengths


def _shorten(n_codes: list[int]) -> None:
    """Makes all codes 16 bits or shorter: two of the longest become one that is shorter and two in another's stead."""
    for length in range(len(n_codes) - 1, _LONGEST, -1):
        while n_codes[length] > 0:
            shorter = max(n for n in range(1, length - 1) if n_codes[n])
            n_codes[length] -= 2
            n_codes[length - 1] += 1
            n_codes[shorter + 1] += 2
            n_codes[shorter] -= 1


def _has_codes(scan: Scan) -> bool:
    """Whether anything in it is coded by tables: not so where DC coefficients get another bit."""
    return not (scan.is_progressive and scan.first == 0 and scan.high)
