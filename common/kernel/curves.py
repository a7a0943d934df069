"""The curves that weigh neighbours by their distance, in integers alone: what a decoder computes is the same everywhere.

Numbers are fixed-point: int64, one is 2**56, and so they reach from -128 to 128. A product is off by less than three units of
the last place, a curve by less than 2**-48, which leaves the 22 bits of a weight as doubles round them but for once in a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Fixed = npt.NDArray[np.int64]
Curve = Callable[[Fixed], Fixed]

BITS = 56
ONE = 1 << BITS
_HALF = ONE // 2
_HALF_BITS = BITS // 2
_LOW = (1 << _HALF_BITS) - 1

_PI = Fraction(3141592653589793238462643383279502884197, 10**39)
_SINC = [(-1) ** k * _PI ** (2 * k) / factorial(2 * k + 1) for k in range(13)]
"""Of sin(pi * x) / (pi * x) in powers of x * x: enough terms to reach the last place at a half."""
_DECAY = [Fraction((-1) ** k, factorial(k)) for k in range(18)]
"""Of e ** -x: enough to reach the last place at one."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A curve over the distance in outputs, and how far it reaches."""

    curve: Curve
    support: Fraction


def fixed(value: Fraction | int) -> int:
    """The nearest number in fixed point."""
    return round(value * ONE)


def times(a: Fixed, b: Fixed | int) -> Fixed:
    """Products in fixed point, cut; |a|, |b| and |a * b| are below 64."""
    a_high, a_low = a >> _HALF_BITS, a & _LOW
    b_high, b_low = b >> _HALF_BITS, b & _LOW
    product: Fixed = a_high * b_high + (a_high * b_low >> _HALF_BITS) + (a_low * b_high >> _HALF_BITS)
    return product


def ratios(a: Fixed, b: Fixed) -> Fixed:
    """Quotients in fixed point, rounded down, by integers as long as they need to be; b is not zero."""
    return ((a.astype(object) << BITS) // b).astype(np.int64)


def _series(terms: Sequence[Fraction], x: Fixed) -> Fixed:
    """The polynomial with these coefficients."""
    total = np.full_like(x, fixed(terms[-1]))
    for term in reversed(terms[:-1]):
        total = times(total, x) + fixed(term)
    return total


def _sinc(x: Fixed) -> tuple[Fixed, Fixed]:
    """Dividend and divisor of sin(pi * x) / (pi * x); the divisor is one up to a half, where the series has it all."""
    whole = (x + _HALF) >> BITS
    rest = x - (whole << BITS)
    series = _series(_SINC, times(rest, rest))
    return np.where(whole == 0, series, np.where(whole & 1, -1, 1) * times(series, rest)), np.where(whole == 0, ONE, x)


def _cosine(x: Fixed) -> Fixed:
    """cos(pi * x) for x from 0 to 1: the sine of what is missing to a half."""
    rest = _HALF - x
    return times(times(_series(_SINC, times(rest, rest)), rest), fixed(_PI))


def _decay(x: Fixed) -> Fixed:
    """The power e ** -x of x from 0 to 64: that of a 64th of it, squared six times."""
    power = _series(_DECAY, x >> 6)
    for _ in range(6):
        power = times(power, power)
    return power


def _lanczos(lobes: int) -> Kernel:
    """A sinc under the middle lobe of a wider one."""

    def curve(x: Fixed) -> Fixed:
        (fine, far), (coarse, farther) = _sinc(x), _sinc(x // lobes)
        return np.where(x < lobes * ONE, ratios(times(fine, coarse), times(far, farther)), 0)

    return Kernel(curve, Fraction(lobes))


def _hamming(x: Fixed) -> Fixed:
    """A sinc under a raised cosine, with Pillow's constants, which are of single precision."""
    sinc = ratios(*_sinc(x))
    raised = fixed(Fraction(9059697, 1 << 24)) + times(_cosine(x), fixed(Fraction(15435039, 1 << 25)))
    return np.where(x < ONE, times(sinc, raised), 0)


def _cubic(b: Fraction | int, c: Fraction | int, support: int = 2) -> Kernel:
    """The family of Mitchell and Netravali."""
    b, c = Fraction(b), Fraction(c)
    near = [1 - b / 3, Fraction(0), 2 * b + c - 3, 2 - Fraction(3, 2) * b - c]
    far = [Fraction(4, 3) * b + 4 * c, -2 * b - 8 * c, b + 5 * c, -b / 6 - c]

    def curve(x: Fixed) -> Fixed:
        inside = np.minimum(x, 2 * ONE)  # so that no product leaves the range
        return np.where(x < ONE, _series(near, inside), np.where(x < support * ONE, _series(far, inside), 0))

    return Kernel(curve, Fraction(support))


def _quadratic(x: Fixed) -> Fixed:
    """Three parabolas."""
    rest = np.minimum(x - fixed(Fraction(3, 2)), 0)
    return np.where(x < _HALF, fixed(Fraction(3, 4)) - times(x, x), times(rest, rest) >> 1)


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "box": Kernel(lambda x: np.full_like(x, ONE), Fraction(1, 2)),
        "bilinear": Kernel(lambda x: np.maximum(ONE - x, 0), Fraction(1)),
        "hamming": Kernel(_hamming, Fraction(1)),
        "bicubic": _cubic(0, Fraction(1, 2)),
        "mitchell": _cubic(Fraction(1, 3), Fraction(1, 3)),
        "robidoux": _cubic(Fraction(37821575509399867, 10**17), Fraction(31089212245300067, 10**17)),
        "spline": _cubic(1, 0),
        "hermite": _cubic(0, 0, support=1),
        "quadratic": Kernel(_quadratic, Fraction(3, 2)),
        "gaussian": Kernel(lambda x: _decay(2 * times(x, x)), Fraction(2)),
        "lanczos2": _lanczos(2),
        "lanczos": _lanczos(3),
        "lanczos4": _lanczos(4),
        "sharp_bicubic": _cubic(0, Fraction(3, 4)),
    }
)
"""By the name that most programs use. A curve takes distances from 0 on; beyond its support it is 0, but for a box."""
