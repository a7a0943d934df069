"""A JPEG's coefficients to pixels and back, as libjpeg-turbo does it by default, bit for bit, in integers alone.

Pixels are uint8 (height, width, 3), or (height, width, 1) of a grey picture. Colour spaces other than YCbCr are asked for with
`ycc=False`: the components are then the channels as they are, and any number of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.kernel.colour import rgb_from_ycc, ycc_from_rgb
from common.kernel.dct import forward, inverse_plane
from common.kernel.frame import Frame, Plane
from common.kernel.reduced import inverse_reduced
from common.kernel.sampling import enlarge, shrink

Samples = npt.NDArray[np.uint8]
Coefficients = npt.NDArray[np.int16]
Expected = npt.NDArray[np.int32]

BLOCK = 8
"""Samples to a side."""


def decode_pixels(planes: Sequence[Coefficients], frame: Frame, *, ycc: bool = True, eighths: int = 8) -> Samples:
    """The picture that quantised coefficients show; equal to what libjpeg-turbo makes of the file.

    `eighths` of 4, 2 and 1 show it at a half, a quarter and an eighth, as programs do that open a large JPEG for a small picture.
    Not smoothed: a progressive file that ends before its last refinement is shown as it is.
    Errors: ContentError: `unsupported` of samplings that are no whole multiples, `damaged` of planes that do not fit the frame.
    """
    sampling_ratios(frame)
    if [blocks.shape for blocks in planes] != [(p.block_rows, p.block_cols, 64) for p in frame.planes]:
        raise ContentError("damaged", "the coefficients do not fit the frame")
    height, width = -(-frame.height * eighths // 8), -(-frame.width * eighths // 8)
    full = []
    for blocks, plane in zip(planes, frame.planes, strict=True):
        size, across, down = _reduction(plane, frame, eighths)
        samples = (
            inverse_plane(blocks, plane.quantisation) if size == BLOCK else inverse_reduced(blocks, plane.quantisation, size)
        )
        real = samples[: -(-frame.height * size * plane.v // (BLOCK * _tallest(frame))), :]
        real = real[:, : -(-frame.width * size * plane.h // (BLOCK * _widest(frame)))]
        full.append(enlarge(np.ascontiguousarray(real), across, down, eighths > 1))
    if ycc and len(full) == 3:  # noqa: PLR2004 - Y, Cb and Cr
        return rgb_from_ycc(full[0], full[1], full[2], height, width)
    return np.stack([plane[:height, :width] for plane in full], axis=2)


def expect(picture: Samples, frame: Frame, method: str, *, ycc: bool = True) -> list[Expected]:
    """The coefficients that libjpeg would write of a picture with the frame's tables and samplings, times 64, unrounded.

    `method` is the encoder's transform: `islow`, or `ifast` as ImageMagick 6 uses for pictures of 8 bits (what it has resized has
    16, and goes through islow). `dct.quantise` rounds to what the encoder writes.
    Errors: ContentError: `unsupported` of samplings that are no whole multiples. ValueError of a picture of another size.
    """
    if picture.shape != (frame.height, frame.width, len(frame.planes)):
        raise ValueError("the picture has the frame's size and channels")
    ratios = sampling_ratios(frame)
    channels = (
        ycc_from_rgb(np.ascontiguousarray(picture))
        if ycc and picture.shape[2] == 3  # noqa: PLR2004 - RGB
        else [np.ascontiguousarray(picture[:, :, k]) for k in range(picture.shape[2])]
    )
    return [
        forward(shrink(channel, across, down), plane, method)
        for channel, plane, (across, down) in zip(channels, frame.planes, ratios, strict=True)
    ]


def sampling_ratios(frame: Frame) -> list[tuple[int, int]]:
    """How many times each component is enlarged, across and down.

    Errors: ContentError: `unsupported` where that is no whole number, `damaged` where blocks do not cover the picture.
    """
    widest, tallest = _widest(frame), _tallest(frame)
    if any(widest % plane.h or tallest % plane.v for plane in frame.planes):
        raise ContentError("unsupported", "a component's samples are no whole multiple of another's")
    ratios = [(widest // plane.h, tallest // plane.v) for plane in frame.planes]
    if not all(_covers(plane, frame, ratio) for plane, ratio in zip(frame.planes, ratios, strict=True)):
        raise ContentError("damaged", "a component's blocks do not cover the picture")
    return ratios


def _widest(frame: Frame) -> int:
    return max(plane.h for plane in frame.planes)


def _tallest(frame: Frame) -> int:
    return max(plane.v for plane in frame.planes)


def _covers(plane: Plane, frame: Frame, ratio: tuple[int, int]) -> bool:
    across, down = ratio
    return 0 < frame.width <= BLOCK * across * plane.block_cols and 0 < frame.height <= BLOCK * down * plane.block_rows


def _reduction(plane: Plane, frame: Frame, eighths: int) -> tuple[int, int, int]:
    """The samples to a side that a block of the plane becomes, and how many times they are enlarged: as in jdmaster.c.

    What has fewer samples is transformed to more of them, where that spares the enlarging.
    """
    wide, tall, size = _widest(frame) * eighths, _tallest(frame) * eighths, eighths
    while size < BLOCK and wide % (plane.h * size * 2) == 0 and tall % (plane.v * size * 2) == 0:
        size *= 2
    return size, wide // (plane.h * size), tall // (plane.v * size)
