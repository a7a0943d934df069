"""JPEG files taken apart into coefficients and a skeleton, and put together again to the byte.

Sequential and progressive Huffman-coded files of 8 bits, of any sampling, one to four components, any scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.errors import ContentError
from common.kernel.frame import Frame
from common.kernel.headers import Headers, Scan, read_headers
from common.kernel.scan_reader import read_scan
from common.kernel.scan_writer import write_scan
from common.kernel.skeleton import Traits, pack, unpack

Blocks = NDArray[np.int16]
"""Quantised coefficients of a component: (block_rows, block_cols, 64), each block row by row."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JPEG taken apart; `emit(skeleton, planes)` is the file again."""

    frame: Frame
    skeleton: bytes
    planes: list[Blocks]


def parse(content: bytes, *, verify: bool = True) -> Parsed:
    """Takes a JPEG apart; `verify` writes every scan again and compares it, which costs as much as reading.

    Without it a scan is believed to follow libjpeg's choices, and `emit` may give other bytes.
    Memory: 128 bytes a block. Errors: ContentError `unsupported` (another process, or bytes that an encoder would not make
    from the coefficients), `damaged` (cut off, or no JPEG at all), `too_large`.
    """
    headers = read_headers(content, has_entropy=True)
    planes = _empty(headers.frame)
    traits = [read_scan(content, scan, planes) for scan in headers.scans]
    kept: list[Traits] = []
    for scan, found in zip(headers.scans, traits, strict=True):
        usual = replace(found, runs=None)
        kept.append(_proved(content, scan, (usual, found), planes) if verify else usual)
    return Parsed(headers.frame, pack(kept, _without_entropy(content, headers)), planes)


def emit(skeleton: bytes, planes: Sequence[Blocks]) -> bytes:
    """The file of a skeleton and its coefficients. Errors: ContentError `damaged` if they do not belong together."""
    traits, headers, blob = opened(skeleton)
    shapes = [(plane.block_rows, plane.block_cols, 64) for plane in headers.frame.planes]
    if [plane.shape for plane in planes] != shapes or any(plane.dtype != np.int16 for plane in planes):
        raise ContentError("damaged", "the coefficients are not those of the skeleton's frame")
    contiguous = [np.ascontiguousarray(plane) for plane in planes]
    pieces: list[bytes] = []
    pos = 0
    for scan, chosen in zip(headers.scans, traits, strict=True):
        pieces += (blob[pos : scan.start], write_scan(scan, chosen, contiguous))
        pos = scan.start
    return b"".join((*pieces, blob[pos:]))


def frame_of(skeleton: bytes) -> Frame:
    """The shape of the coefficients that a skeleton needs. Errors: ContentError."""
    return opened(skeleton)[1].frame


def are_equal(one: Parsed, other: Parsed) -> bool:
    """Whether two pictures have the same coefficients."""
    return len(one.planes) == len(other.planes) and all(map(np.array_equal, one.planes, other.planes))


def _empty(frame: Frame) -> list[Blocks]:
    return [np.zeros((plane.block_rows, plane.block_cols, 64), np.int16) for plane in frame.planes]


def _proved(content: bytes, scan: Scan, candidates: tuple[Traits, ...], planes: list[Blocks]) -> Traits:
    """The first of the candidates with which the scan comes out as it is."""
    for traits in candidates:
        try:
            written = write_scan(scan, traits, planes)
            if len(written) == scan.end - scan.start and content.startswith(written, scan.start):
                return traits
        except ContentError:  # a coefficient that a later scan has overwritten
            continue
    raise ContentError("unsupported", "a scan of the JPEG is not what an encoder makes of its coefficients")


def _without_entropy(content: bytes, headers: Headers) -> bytes:
    starts = [0, *(scan.end for scan in headers.scans)]
    ends = [*(scan.start for scan in headers.scans), len(content)]
    return b"".join(content[start:end] for start, end in zip(starts, ends, strict=True))


def opened(skeleton: bytes) -> tuple[list[Traits], Headers, bytes]:
    """What is in a skeleton: the traits of each scan, what the headers say, and the headers. Errors: ContentError."""
    traits, blob = unpack(skeleton)
    headers = read_headers(blob, has_entropy=False)
    if len(traits) != len(headers.scans):
        raise ContentError("damaged", "the skeleton has another number of scans than its headers")
    return traits, headers, blob
