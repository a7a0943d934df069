"""A file of pixels without loss, taken apart: the samples, and all else that its bytes need, its skeleton."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import ContentError

Levels = NDArray[np.uint8] | NDArray[np.uint16]
"""Of samples of 8 or of 16 bits: (rows, cols, channels)."""

MAX_PIXELS = 100_000_000
MAX_SIDE = 1 << 20
MAX_BYTES = 512 * 1024 * 1024
"""Of all samples together."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What samples there are, which a skeleton tells before they are known."""

    rows: int
    cols: int
    channels: int
    """Of a picture 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    n_bytes: int
    """Of a sample: 1 or 2."""
    is_picture: bool
    """Else the samples are indices of a palette, or bytes that hold several small ones."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the array of samples."""
        return self.rows, self.cols, self.channels

    @property
    def stride(self) -> int:
        """The bytes of a row."""
        return self.cols * self.channels * self.n_bytes

    @property
    def kind(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Of a sample."""
        return np.dtype(np.uint8) if self.n_bytes == 1 else np.dtype(np.uint16)


@dataclass(frozen=True, slots=True)
class Raster:
    """One file."""

    layout: Layout
    samples: Levels
    skeleton: bytes


def checked(layout: Layout) -> Layout:
    """The layout. Errors: ContentError `too_large`, `damaged` of one without samples."""
    if min(layout.rows, layout.cols, layout.channels) < 1:
        raise ContentError("damaged", "a picture without pixels")
    if layout.rows * layout.cols > MAX_PIXELS or layout.rows * layout.stride > MAX_BYTES or max(layout.shape) > MAX_SIDE:
        raise ContentError("too_large", f"a picture of {layout.cols} x {layout.rows} pixels")
    return layout


def to_levels(rows: NDArray[np.uint8], layout: Layout, order: str = ">") -> Levels:
    """Rows of bytes (rows, stride) as samples; those of two bytes have the upper one first, or last with "<"."""
    if layout.n_bytes == 1:
        return rows.reshape(layout.shape)
    return np.ascontiguousarray(rows).view(f"{order}u2").reshape(layout.shape).astype(np.uint16)


def to_rows(samples: Levels, layout: Layout, order: str = ">") -> NDArray[np.uint8]:
    """Samples as rows of bytes. Errors: ContentError `damaged` of samples of another layout."""
    if samples.shape != layout.shape or samples.dtype != layout.kind:
        raise ContentError("damaged", f"samples of {samples.shape} for a picture of {layout.shape}")
    if layout.n_bytes == 1:
        return np.ascontiguousarray(samples, np.uint8).reshape(layout.rows, layout.stride)
    return samples.astype(f"{order}u2", order="C").view(np.uint8).reshape(layout.rows, layout.stride)
