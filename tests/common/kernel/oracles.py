"""What libjpeg's transforms and samplings come to, written plainly with NumPy: slow, and easy to hold against the C sources."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ROUND = {name: round(float(name) * 8192) for name in ("0.298631336", "0.390180644", "0.541196100", "0.765366865", "0.899976223")}
ROUND |= {name: round(float(name) * 8192) for name in ("1.175875602", "1.501321110", "1.847759065", "1.961570560")}
ROUND |= {name: round(float(name) * 8192) for name in ("2.053119869", "2.562915447", "3.072711026")}


def islow_matrix() -> Ints:
    """Rows: outputs of one dimension times 2**13; columns: its inputs. The factored form of jfdctint multiplied out."""
    c = ROUND
    even, odd = np.zeros((8, 8), np.int64), np.zeros((8, 8), np.int64)
    even[0, :4] = even[4, [0, 3]] = 8192
    even[4, [1, 2]] = -8192
    for frequency, outer, inner in (
        (2, c["0.541196100"] + c["0.765366865"], c["0.541196100"]),
        (6, c["0.541196100"], c["0.541196100"] - c["1.847759065"]),
    ):
        even[frequency, :4] = (outer, inner, -inner, -outer)
    # inputs here: t4 = d3 - d4, t5 = d2 - d5, t6 = d1 - d6, t7 = d0 - d7
    z5, z1, z2, z3, z4 = c["1.175875602"], -c["0.899976223"], -c["2.562915447"], -c["1.961570560"], -c["0.390180644"]
    terms = {
        7: (c["0.298631336"] + z1 + z5 + z3, z5, z5 + z3, z1 + z5),
        5: (z5, c["2.053119869"] + z2 + z5 + z4, z2 + z5, z5 + z4),
        3: (z5 + z3, z2 + z5, c["3.072711026"] + z2 + z5 + z3, z5),
        1: (z1 + z5, z5 + z4, z5, c["1.501321110"] + z1 + z5 + z4),
    }
    for frequency, (t4, t5, t6, t7) in terms.items():
        odd[frequency, :4] = (t7, t6, t5, t4)
    return even + even[:, ::-1] + odd - odd[:, ::-1]


def descale(values: Ints, bits: int) -> Ints:
    """Halves rounded up."""
    return (values + (1 << (bits - 1))) >> bits


def islow(blocks: Ints) -> Ints:
    """(..., 8, 8) samples less 128 to coefficients times 8."""
    matrix = islow_matrix()
    rows = descale(np.einsum("uk,...rk->...ru", matrix, blocks), 11)
    return descale(np.einsum("vk,...ku->...vu", matrix, rows), 15)


def inverse(coefficients: Ints) -> Ints:
    """(..., 8, 8) coefficients to samples."""
    matrix = islow_matrix()
    columns = descale(np.einsum("vk,...vu->...ku", matrix, coefficients), 11)
    return np.clip(descale(np.einsum("uk,...vu->...vk", matrix, columns), 18) + 128, 0, 255)


def _ifast_line(d: list[Ints]) -> list[Ints]:
    """One dimension of jfdctfst."""

    def times(value: Ints, factor: int) -> Ints:
        return (value * factor) >> 8

    sums, rests = [d[k] + d[7 - k] for k in range(4)], [d[k] - d[7 - k] for k in range(4)]
    t10, t13, t11, t12 = sums[0] + sums[3], sums[0] - sums[3], sums[1] + sums[2], sums[1] - sums[2]
    z1 = times(t12 + t13, 181)
    a, b, c = rests[3] + rests[2], rests[2] + rests[1], rests[1] + rests[0]
    z5 = times(a - c, 98)
    z2, z4, z3 = times(a, 139) + z5, times(c, 334) + z5, times(b, 181)
    z11, z13 = rests[0] + z3, rests[0] - z3
    return [t10 + t11, z11 + z4, t13 + z1, z13 - z2, t10 - t11, z13 + z2, t13 - z1, z11 - z4]


def ifast(blocks: Ints) -> Ints:
    """(..., 8, 8) samples less 128 to coefficients in the scale of jfdctfst."""
    rows = np.stack(_ifast_line([blocks[..., k] for k in range(8)]), axis=-1)
    return np.stack(_ifast_line([rows[..., k, :] for k in range(8)]), axis=-2)


TRANSFORMS: dict[str, Callable[[Ints], Ints]] = {"islow": islow, "ifast": ifast}


def blocks_of(samples: npt.NDArray[np.uint8]) -> Ints:
    """(8 rows, 8 cols) samples to (rows, cols, 8, 8)."""
    rows, cols = samples.shape[0] // 8, samples.shape[1] // 8
    return samples.astype(np.int64).reshape(rows, 8, cols, 8).swapaxes(1, 2)


def wide(plane: npt.NDArray[np.uint8], axis: int, biases: tuple[int, int], bits: int) -> Ints:
    """Twice as many samples along an axis, three parts of the nearer to one of the further, in 1 / 2**bits."""
    middle = np.moveaxis(plane.astype(np.int64), axis, 0)
    before, after = np.concatenate([middle[:1], middle[:-1]]), np.concatenate([middle[1:], middle[-1:]])
    pairs = np.stack([(3 * middle + before + biases[0]) >> bits, (3 * middle + after + biases[1]) >> bits], axis=1)
    return np.moveaxis(pairs.reshape(-1, *middle.shape[1:]), 0, axis)
