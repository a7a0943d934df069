"""The tables by which libvips 8.14 makes pictures smaller or larger: 65 masks for places between two inputs, in few bits.

A mask is made for each 64th of an input and cut to 12 bits, or to 6 for the vector code that sums rows. Outputs are spread
so that what they show beyond the input, or leave of it, is the same at both ends; edges are repeated.
Source: libvips, reducev.cpp, reduceh.cpp, bicubic.cpp, templates.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.kernel.curves import BITS, KERNELS, Fixed
from common.kernel.taps import FINE_BITS, WEIGHT_BITS, Taps, wholes

N_PHASES = 64
MASK_BITS = 12
ROUGH_BITS = 6
_STEP_BITS = 12
"""Of a guess at the factor that makes a mask add up: it is halved until it is known to a hundredth."""
_MOST_POINTS = 2048

REACHES: Mapping[str, int] = MappingProxyType({"bilinear": 1, "bicubic": 2, "mitchell": 2, "lanczos2": 2, "lanczos": 3})


def masked(inputs: int, outputs: int, kernel: str, shrink: Fraction, *, extra: Fraction, bits: int) -> Taps:
    """The table of `outputs` that are `shrink` > 1 inputs apart and together `extra` longer than the input.

    The kernel is one of REACHES; `bits` are MASK_BITS, or ROUGH_BITS as of its vector code.
    Errors: ContentError: `damaged` of factors that make no sense.
    """
    n = 2 * round(REACHES[kernel] * shrink) + 1
    if shrink <= 1 or n > _MOST_POINTS:
        raise ContentError("damaged", "a mask makes a picture smaller, and has so many points")
    masks = _masks(n, kernel, shrink)
    masks = _in_few_bits(masks) if bits == ROUGH_BITS else np.sign(masks) * (np.abs(masks) >> (BITS - bits))
    first, phase = _places(outputs, shrink, (shrink - extra) / 2)
    return repeating_edges(first - n // 2, masks[phase] << (WEIGHT_BITS - bits), inputs)


def enlarged(inputs: int, outputs: int, scale: Fraction) -> Taps:
    """The table of `outputs` that are `scale` to an input, by a bicubic curve; the first begins half an input outside.

    Weights are in 1/2**30.
    """
    t = np.arange(N_PHASES + 1, dtype=np.int64)
    near, far = ((3 * u**3 - 320 * u**2 + (1 << 19) for u in (t, N_PHASES - t)), (N_PHASES + t, 2 * N_PHASES - t))
    outer, last = (-(u**3) + 320 * u**2 - (u << 15) + (1 << 20) for u in far)
    masks = np.stack([outer, *near, last], axis=1)  # exact, in 1/2**19
    masks = np.sign(masks) * (np.abs(masks) >> 7)
    first, phase = _places(outputs, 1 / scale, Fraction(-1, 2))
    return repeating_edges(first - 1, masks[phase] << (FINE_BITS - MASK_BITS), inputs)


def _places(outputs: int, step: Fraction, start: Fraction) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The inputs in which outputs lie that start there and are a step apart, and the mask by the 64th, rounded."""
    parts = 2 * step.denominator * start.denominator
    places = np.arange(outputs, dtype=object) * int(step * parts) + int(start * parts)
    return (places // parts).astype(np.int64), ((places * 2 * N_PHASES // parts % (2 * N_PHASES) + 1) // 2).astype(np.int64)


def _masks(n: int, kernel: str, shrink: Fraction) -> Fixed:
    """The n shares of each of the 65 masks."""
    doubled = 2 * np.arange(n, dtype=object) - n + 2
    places = N_PHASES * doubled - 2 * np.arange(N_PHASES + 1, dtype=object)[:, None]
    distances = (abs(places) * shrink.denominator << BITS) // (2 * N_PHASES * shrink.numerator)
    return wholes(KERNELS[kernel].curve(distances.astype(np.int64)))


def _in_few_bits(masks: Fixed) -> Fixed:
    """Each mask times a factor near 64 that makes its rounded weights add up to 64, found by halving; what is over is spread."""
    scale, n = 1 << ROUGH_BITS, masks.shape[1]
    low = np.full(len(masks), (scale - (n + 1) // 2) << _STEP_BITS)
    high = np.full(len(masks), (scale + (n + 1) // 2) << _STEP_BITS)
    coarse = masks >> (BITS - 40)
    rounded = np.zeros_like(masks)
    is_open = np.ones(len(masks), bool)
    while is_open.any():
        guess = (low + high) >> 1
        trial = (coarse * guess[:, None] + (1 << (39 + _STEP_BITS))) >> (40 + _STEP_BITS)
        rounded[is_open] = trial[is_open]
        missing = scale - rounded.sum(axis=1)
        low, high = np.where(missing > 0, guess, low), np.where(missing < 0, guess, high)
        is_open &= (missing != 0) & ((high - low) * 100 > 1 << _STEP_BITS)
    missing = scale - rounded.sum(axis=1)
    each = np.sign(missing) * (np.abs(missing) // n)
    over = missing - each * n
    rounded += each[:, None] + np.sign(over)[:, None] * (np.arange(n) < np.abs(over)[:, None])
    return rounded


def repeating_edges(first: npt.NDArray[np.int64], weights: Fixed, inputs: int) -> Taps:
    """The table in which what reaches outside weighs the sample at the edge."""
    n = weights.shape[1]
    begin = np.clip(first, 0, inputs - 1)
    end = np.clip(first + n, 1, inputs)
    folded = np.zeros((len(first), int((end - begin).max())), np.int64)
    columns = np.clip(first[:, None] + np.arange(n), 0, inputs - 1) - begin[:, None]
    np.add.at(folded, (np.arange(len(first))[:, None], columns), weights)
    return Taps(np.stack([begin, end - begin], axis=1).astype(np.int32), folded.astype(np.int32))
