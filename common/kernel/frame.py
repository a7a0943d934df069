"""What the modules of the kernel agree on: the shape of a JPEG's coefficients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plane:
    """One component of a frame; its coefficients are an int16 array (block_rows, block_cols, 64) in natural order."""

    id: int
    h: int
    """Sampling factor, 1 to 4, horizontal."""
    v: int
    """Sampling factor, 1 to 4, vertical."""
    quantisation: tuple[int, ...]
    """64 divisors, row by row: index 8 * vertical + horizontal frequency."""
    block_rows: int
    """Rows of blocks, padded to whole MCUs."""
    block_cols: int
    """Columns of blocks, padded to whole MCUs."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A JPEG's picture: its size in pixels and its components in the order of the file."""

    width: int
    height: int
    is_progressive: bool
    planes: tuple[Plane, ...]
