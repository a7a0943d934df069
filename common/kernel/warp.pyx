"""Pictures blurred, sharpened and turned: sums over a neighbourhood with integer weights; edges are repeated.

Weights and coordinates travel in deltas and are checked first; then inner loops follow pointers without bounds checks: indices
are clamped to the picture, or known to lie inside it.
"""

import numpy as np

from common.errors import ContentError

cdef enum:
    FIR_BITS = 16
    FIR_SIDE = 31  # the largest neighbourhood
    PLACE_BITS = 32
    FIELD_BITS = 4  # of a displacement, in pixels
    OFF_BITS = 20  # of a distance, in pixels
    NEAR = 4  # samples to a side, of which some are less than 2 away
    RINGS = 1024  # by the square of the distance
    SIXTEEN_BITS = 257
    PHASE_BITS = 8
    CURVE_BITS = 14


cdef inline Py_ssize_t _within(long long index, Py_ssize_t length) noexcept nogil:
    return 0 if index < 0 else length - 1 if index >= length else <Py_ssize_t> index


cdef void _add(const unsigned char *source, int weight, Py_ssize_t n, int *total) noexcept nogil:
    """n samples, weighted, onto their totals."""
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += weight * source[i]


cdef void _finish(int *total, Py_ssize_t n, unsigned char *out) noexcept nogil:
    """n totals to levels; they start anew."""
    cdef Py_ssize_t i
    cdef int level
    for i in range(n):
        level = total[i] >> FIR_BITS
        out[i] = 255 if level > 255 else 0 if level < 0 else level
        total[i] = 1 << (FIR_BITS - 1)


def convolve(const unsigned char[:, :, ::1] picture not None, const int[:, ::1] weights not None):
    """Each sample a sum of those around it, as correlated with weights (odd, odd) in 1/2**16.

    Errors: ContentError: `damaged` of weights whose sums overflow or that are too many.
    """
    cdef Py_ssize_t tall = weights.shape[0], wide = weights.shape[1]
    cdef Py_ssize_t rows = picture.shape[0], channels = picture.shape[2], line = picture.shape[1] * channels
    cdef Py_ssize_t row, y, x
    cdef long long total_weight = 0
    if not tall & 1 or not wide & 1 or tall > FIR_SIDE or wide > FIR_SIDE or rows < 1 or line < 1:
        raise ContentError("damaged", "a neighbourhood has odd sides of at most 31")
    for y in range(tall):
        for x in range(wide):
            total_weight += abs(<long long> weights[y, x])
    if total_weight * 255 + (1 << (FIR_BITS - 1)) > 2147483647:
        raise ContentError("damaged", "the weights of a neighbourhood are too large")
    cdef const unsigned char[:, :, ::1] padded = np.pad(picture, ((0, 0), (wide // 2, wide // 2), (0, 0)), mode="edge")
    convolved = np.empty((rows, picture.shape[1], channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = convolved
    cdef int[::1] totals = np.full(line, 1 << (FIR_BITS - 1), np.int32)
    with nogil:
        for row in range(rows):
            for y in range(tall):
                for x in range(wide):
                    if weights[y, x]:  # a padded row is wide - 1 pixels longer, and x < wide
                        _add(&padded[_within(row + y - tall // 2, rows), x, 0], weights[y, x], line, &totals[0])
            _finish(&totals[0], line, &out[row, 0, 0])
    return convolved


cdef void _sample(
    const unsigned char *picture, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t channels, long long x, long long y,
    const int *across, const int *down, Py_ssize_t reach, long long rounding, unsigned char *out
) noexcept nogil:
    """One pixel from reach x reach around (x, y); |sum| < 2**16 * 2**16 * 255 * 16."""
    cdef Py_ssize_t c, i, k
    cdef const unsigned char *row
    cdef Py_ssize_t place[4]
    cdef long long total
    cdef int part
    for i in range(reach):
        place[i] = _within(x + i, cols) * channels
    for c in range(channels):
        total = rounding
        for k in range(reach):
            row = picture + _within(y + k, rows) * cols * channels + c
            part = 0
            for i in range(reach):
                part += across[i] * row[place[i]]
            total += <long long> part * down[k]
        total >>= 2 * CURVE_BITS
        out[c] = 255 if total > 255 else 0 if total < 0 else <unsigned char> total


def _check(const unsigned char[:, :, ::1] picture, const long long[:, ::1] matrix, Py_ssize_t height, Py_ssize_t width):
    """That places stay below 2**63. Errors: ContentError `damaged`; ValueError of pictures without pixels."""
    cdef Py_ssize_t i, k
    if matrix.shape[0] != 2 or matrix.shape[1] != 3:
        raise ContentError("damaged", "a warp is 2 x 3 numbers")
    if picture.shape[0] < 1 or picture.shape[1] < 1 or picture.shape[2] < 1 \
            or not 0 < height < 1 << 20 or not 0 < width < 1 << 20:
        raise ValueError("a picture has pixels")
    for i in range(2):
        for k in range(3):
            if not -(<long long> 1 << (61 if k == 2 else 40)) <= matrix[i, k] <= <long long> 1 << (61 if k == 2 else 40):
                raise ContentError("damaged", "a warp leads too far")  # 2 * 2**40 * 2**20 + 2**61 < 2**63


def warp(
    const unsigned char[:, :, ::1] picture not None, const long long[:, ::1] matrix not None, Py_ssize_t height,
    Py_ssize_t width, const int[:, ::1] curve not None, bint is_cut=False
):
    """A picture (height, width) whose pixel (x, y) shows the place matrix @ (x, y, 1) of this one, in pixels times 2**32.

    Levels are rounded, or cut. `curve` has for each 1/256 between two samples the weights, in 1/2**14, of the 2 or 4 around it.
    Errors: ContentError: `damaged` of numbers that are too large.
    """
    cdef Py_ssize_t rows = picture.shape[0], cols = picture.shape[1], channels = picture.shape[2], reach = curve.shape[1]
    cdef Py_ssize_t row, col, i, k
    cdef long long x, y
    _check(picture, matrix, height, width)
    if curve.shape[0] != 1 << PHASE_BITS or reach not in (2, 4):
        raise ContentError("damaged", "a curve has 256 lines of 2 or 4")
    for i in range(1 << PHASE_BITS):
        for k in range(reach):
            if not -(1 << 16) <= curve[i, k] <= 1 << 16:
                raise ContentError("damaged", "the weights of a curve are too large")
    warped = np.empty((height, width, channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = warped
    cdef long long half = <long long> 1 << (PLACE_BITS - PHASE_BITS - 1)
    cdef long long rounding = 0 if is_cut else 1 << (2 * CURVE_BITS - 1)
    cdef int down = PLACE_BITS - PHASE_BITS, phases = (1 << PHASE_BITS) - 1
    with nogil:
        for row in range(height):
            for col in range(width):
                x = (matrix[0, 0] * col + matrix[0, 1] * row + matrix[0, 2] + half) >> down
                y = (matrix[1, 0] * col + matrix[1, 1] * row + matrix[1, 2] + half) >> down
                _sample(
                    &picture[0, 0, 0], rows, cols, channels, (x >> PHASE_BITS) - (reach // 2 - 1),
                    (y >> PHASE_BITS) - (reach // 2 - 1), &curve[x & phases, 0], &curve[y & phases, 0], reach, rounding,
                    &out[row, col, 0]
                )
    return warped


cdef void _weigh(long long x, long long y, const int *rings, int *weights, long long *total) noexcept nogil:
    """The weights of 4 x 4 samples around (x, y), in pixels times 2**32, by their distances, and their sum."""
    cdef long long across, down, square
    cdef int i, k
    cdef long long mask = (<long long> 1 << PLACE_BITS) - 1
    total[0] = 0
    for k in range(NEAR):
        down = (<long long> (k - 1) << OFF_BITS) - ((y & mask) >> (PLACE_BITS - OFF_BITS))
        for i in range(NEAR):
            across = (<long long> (i - 1) << OFF_BITS) - ((x & mask) >> (PLACE_BITS - OFF_BITS))
            square = (across * across + down * down) >> (2 * OFF_BITS - 8)  # 2 pixels are ring 1,024
            weights[NEAR * k + i] = rings[square] if square < RINGS else 0
            total[0] += weights[NEAR * k + i]


cdef unsigned char _mean(long long total, long long weight) noexcept nogil:
    """A weighted sum of levels as a level: rounded to 16 bits, then to 8."""
    if total <= 0 or weight <= 0:
        return 0
    total = (2 * SIXTEEN_BITS * total + weight) // (2 * weight)
    total = (total + SIXTEEN_BITS // 2) // SIXTEEN_BITS
    return 255 if total > 255 else <unsigned char> total


def ewa(
    const unsigned char[:, :, ::1] picture not None, const long long[:, ::1] matrix not None, Py_ssize_t height,
    Py_ssize_t width, const int[::1] rings not None
):
    """As `warp`, each pixel a mean of the samples less than 2 away; `rings` has a weight for each 1/256 of a squared distance."""
    cdef Py_ssize_t rows = picture.shape[0], cols = picture.shape[1], channels = picture.shape[2]
    cdef Py_ssize_t row, col, c, i
    cdef long long x, y, weight, total
    cdef int weights[16]
    cdef Py_ssize_t places[16]
    cdef const unsigned char *samples = &picture[0, 0, 0]
    _check(picture, matrix, height, width)
    if rings.shape[0] != RINGS:
        raise ContentError("damaged", "there are 1,024 rings")
    for i in range(RINGS):
        if not -(1 << 24) <= rings[i] <= 1 << 24:  # 16 * 2**24 * 255 * 514 < 2**63
            raise ContentError("damaged", "the weights of rings are too large")
    warped = np.empty((height, width, channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = warped
    with nogil:
        for row in range(height):
            for col in range(width):
                x = matrix[0, 0] * col + matrix[0, 1] * row + matrix[0, 2]
                y = matrix[1, 0] * col + matrix[1, 1] * row + matrix[1, 2]
                _weigh(x, y, &rings[0], weights, &weight)
                x, y = (x >> PLACE_BITS) - 1, (y >> PLACE_BITS) - 1
                for i in range(NEAR * NEAR):
                    places[i] = (_within(y + i // NEAR, rows) * cols + _within(x + i % NEAR, cols)) * channels
                for c in range(channels):
                    total = 0
                    for i in range(NEAR * NEAR):
                        total += <long long> weights[i] * samples[places[i] + c]
                    out[row, col, c] = _mean(total, weight)
    return warped


cdef inline long long _between(long long here, long long there, long long at, long long side) noexcept nogil:
    return here * (side - at) + there * at


def flow(
    const unsigned char[:, :, ::1] picture not None, const long long[:, ::1] matrix not None, const int[:, :, ::1] field not None,
    int bits, tuple window not None, const int[:, ::1] curve not None
):
    """As `warp`, a window (top, left, height, width) of the outcome, each place moved by what a field says.

    The field (n, m, 2) has moves across and down, in 1/16 pixel, for every 2**bits-th row and column; between them lies what lies
    between. Errors: ContentError: `damaged` of numbers that are too large, and of a field that does not cover the window.
    """
    cdef Py_ssize_t top, left, height, width
    top, left, height, width = window
    cdef Py_ssize_t rows = picture.shape[0], cols = picture.shape[1], channels = picture.shape[2], reach = curve.shape[1]
    cdef Py_ssize_t row, col, i, j, k, u, v
    cdef long long x, y, right, down, side = <long long> 1 << bits
    cdef long long place[2]
    _check(picture, matrix, height, width)
    if curve.shape[0] != 1 << PHASE_BITS or reach not in (2, 4) or not 2 <= bits <= 10 or top < 0 or left < 0:
        raise ContentError("damaged", "a field has moves for every 4th to 1,024th pixel")
    if field.shape[2] != 2 or ((top + height - 1) >> bits) + 1 >= field.shape[0] or ((left + width - 1) >> bits) + 1 >= field.shape[1]:
        raise ContentError("damaged", "a field covers its picture")
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            for k in range(2):
                if not -(1 << 20) <= field[i, j, k] <= 1 << 20:
                    raise ContentError("damaged", "a field leads too far")  # 2**20 * 2**28, and a matrix's 2**62, are below 2**63
    warped = np.empty((height, width, channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = warped
    cdef long long half = <long long> 1 << (PLACE_BITS - PHASE_BITS - 1)
    cdef int shift = PLACE_BITS - PHASE_BITS, phases = (1 << PHASE_BITS) - 1
    with nogil:
        for row in range(height):
            v, down = (top + row) >> bits, (top + row) & (side - 1)
            for col in range(width):
                u, right = (left + col) >> bits, (left + col) & (side - 1)
                for k in range(2):
                    place[k] = _between(
                        _between(field[v, u, k], field[v, u + 1, k], right, side),
                        _between(field[v + 1, u, k], field[v + 1, u + 1, k], right, side), down, side,
                    ) << (PLACE_BITS - FIELD_BITS - 2 * bits)
                x = (matrix[0, 0] * col + matrix[0, 1] * row + matrix[0, 2] + place[0] + half) >> shift
                y = (matrix[1, 0] * col + matrix[1, 1] * row + matrix[1, 2] + place[1] + half) >> shift
                _sample(
                    &picture[0, 0, 0], rows, cols, channels, (x >> PHASE_BITS) - (reach // 2 - 1),
                    (y >> PHASE_BITS) - (reach // 2 - 1), &curve[x & phases, 0], &curve[y & phases, 0], reach,
                    1 << (2 * CURVE_BITS - 1), &out[row, col, 0]
                )
    return warped
