"""Pictures of another size: weighted sums of neighbours with weights in 1/2**22 or 1/2**30, and means of whole boxes.

The weights come from tables (`taps`): per output the first input, how many, and their weights. What a table is made from travels
in deltas, so tables are checked as anything that travels; after that inner loops follow pointers without bounds checks: an input's
index is at least its table's first and less than first + count <= length, and sums stay in 31 bits (63 where levels are finer).
Rows are summed four at a time, which spares reading and writing the sums.
"""

import numpy as np

from common.errors import ContentError

cdef enum:
    WEIGHT_BITS = 22
    HALF = 1 << (WEIGHT_BITS - 1)
    MAX_WEIGHTS = (2147483647 - HALF) // 255  # of one output: 255 times it and the rounding fit 31 bits
    FINE_BITS = 30
    MAX_UNIT = 1 << 16

cdef long long FINE_HALF = 1 << (FINE_BITS - 1)
cdef long long MAX_FINE_WEIGHTS = <long long> 1 << 36  # times levels of 25 bits: 61 bits

ctypedef const unsigned char Whole
ctypedef const int Finer

ctypedef fused Level:
    Whole
    Finer


cdef inline unsigned char _level(int total) noexcept nogil:
    total >>= WEIGHT_BITS
    return 255 if total > 255 else 0 if total < 0 else total


cdef _check(const int[:, ::1] bounds, const int[:, ::1] taps, Py_ssize_t length, long long most):
    """Errors: ContentError: `damaged` of a table that reaches past the input or whose sums overflow."""
    cdef Py_ssize_t i, k
    cdef long long total
    if bounds.shape[1] != 2 or bounds.shape[0] != taps.shape[0] or bounds.shape[0] < 1:
        raise ContentError("damaged", "a table of taps has a first and a count for each output")
    for i in range(bounds.shape[0]):
        if bounds[i, 0] < 0 or not 1 <= bounds[i, 1] <= taps.shape[1] or bounds[i, 0] > length - bounds[i, 1]:
            raise ContentError("damaged", "a tap lies outside the picture")
        total = 0
        for k in range(bounds[i, 1]):
            total += taps[i, k] if taps[i, k] >= 0 else -<long long> taps[i, k]
        if total > most:
            raise ContentError("damaged", "the weights of a sample are too large")


cdef void _across(
    const unsigned char *row, Py_ssize_t channels, Py_ssize_t n, const int *bounds, const int *taps, Py_ssize_t width,
    unsigned char *out
) noexcept nogil:
    """A row of samples to n of them."""
    cdef Py_ssize_t i, k, c
    cdef int first, second, third
    cdef const unsigned char *sample
    cdef const int *weights
    for i in range(n):
        weights = taps + i * width
        if channels == 3:
            sample = row + 3 * <Py_ssize_t> bounds[2 * i]
            first = second = third = HALF
            for k in range(bounds[2 * i + 1]):
                first += weights[k] * sample[3 * k]
                second += weights[k] * sample[3 * k + 1]
                third += weights[k] * sample[3 * k + 2]
            out[3 * i] = _level(first)
            out[3 * i + 1] = _level(second)
            out[3 * i + 2] = _level(third)
            continue
        for c in range(channels):
            sample = row + channels * <Py_ssize_t> bounds[2 * i] + c
            first = HALF
            for k in range(bounds[2 * i + 1]):
                first += weights[k] * sample[channels * k]
            out[channels * i + c] = _level(first)


cdef void _down(
    const unsigned char *top, Py_ssize_t n, Py_ssize_t count, const int *weights, int *total, unsigned char *out
) noexcept nogil:
    """`count` rows of n samples, one below the other, to one."""
    cdef Py_ssize_t i, k
    cdef int a, b, c, d
    cdef const unsigned char *row
    for i in range(n):
        total[i] = HALF
    for k in range(0, count - 3, 4):
        row = top + k * n
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for i in range(n):
            total[i] += a * row[i] + b * row[n + i] + c * row[2 * n + i] + d * row[3 * n + i]
    for k in range(count & ~3, count):
        row = top + k * n
        a = weights[k]
        for i in range(n):
            total[i] += a * row[i]
    for i in range(n):
        out[i] = _level(total[i])


def across(const unsigned char[:, :, ::1] picture not None, const int[:, ::1] bounds not None, const int[:, ::1] taps not None):
    """Each row resampled, uint8 (rows, cols, channels)."""
    cdef Py_ssize_t row, n = bounds.shape[0], rows = picture.shape[0], channels = picture.shape[2]
    _check(bounds, taps, picture.shape[1], MAX_WEIGHTS)
    resampled = np.empty((rows, n, channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = resampled
    with nogil:
        for row in range(rows):
            _across(&picture[row, 0, 0], channels, n, &bounds[0, 0], &taps[0, 0], taps.shape[1], &out[row, 0, 0])
    return resampled


def down(const unsigned char[:, :, ::1] picture not None, const int[:, ::1] bounds not None, const int[:, ::1] taps not None):
    """Each column resampled, uint8 (rows, cols, channels)."""
    cdef Py_ssize_t row, n = bounds.shape[0], line = picture.shape[1] * picture.shape[2]
    _check(bounds, taps, picture.shape[0], MAX_WEIGHTS)
    resampled = np.empty((n, picture.shape[1], picture.shape[2]), np.uint8)
    cdef unsigned char[:, :, ::1] out = resampled
    cdef int[::1] total = np.empty(line, np.int32)
    with nogil:
        for row in range(n):
            _down(&picture[bounds[row, 0], 0, 0], line, bounds[row, 1], &taps[row, 0], &total[0], &out[row, 0, 0])
    return resampled


cdef inline int _finer(long long total, long long low, long long high) noexcept nogil:
    total = (total + FINE_HALF) >> FINE_BITS
    return <int> (high if total > high else low if total < low else total)


cdef void _finely_across(
    Level *row, Py_ssize_t channels, Py_ssize_t n, const int *bounds, const int *taps, Py_ssize_t width, long long unit,
    long long low, long long high, int *out
) noexcept nogil:
    """A row of levels to n of them."""
    cdef Py_ssize_t i, k, c
    cdef long long first, second, third, weight
    cdef Level *source
    cdef const int *weights
    for i in range(n):
        weights = taps + i * width
        source = row + channels * <Py_ssize_t> bounds[2 * i]
        if channels == 3:
            first = second = third = 0
            for k in range(bounds[2 * i + 1]):
                weight = weights[k]
                first += weight * source[3 * k]
                second += weight * source[3 * k + 1]
                third += weight * source[3 * k + 2]
            out[3 * i] = _finer(first * unit, low, high)
            out[3 * i + 1] = _finer(second * unit, low, high)
            out[3 * i + 2] = _finer(third * unit, low, high)
            continue
        for c in range(channels):
            first = 0
            for k in range(bounds[2 * i + 1]):
                first += <long long> weights[k] * source[channels * k + c]
            out[channels * i + c] = _finer(first * unit, low, high)


cdef void _finely_down(
    Level *head, Py_ssize_t n, Py_ssize_t count, const int *weights, long long unit, long long low, long long high,
    long long *total, int *out
) noexcept nogil:
    """`count` rows of n levels, one below the other, to one."""
    cdef Py_ssize_t i, k
    cdef long long a, b, c, d
    cdef Level *row
    for i in range(n):
        total[i] = 0
    for k in range(0, count - 3, 4):
        row = head + k * n
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for i in range(n):
            total[i] += a * row[i] + b * row[n + i] + c * row[2 * n + i] + d * row[3 * n + i]
    for k in range(count & ~3, count):
        row = head + k * n
        a = weights[k]
        for i in range(n):
            total[i] += a * row[i]
    for i in range(n):
        out[i] = _finer(total[i] * unit, low, high)


def finely(
    Level[:, :, ::1] levels not None, const int[:, ::1] bounds not None, const int[:, ::1] taps not None, int unit, bint is_down,
    bint is_open=False
):
    """As `across` or `down`, with weights in 1/2**30, to int32 levels of which `unit` make one of 8 bits; from such, or from 8 bits.

    Open ones keep what overshoots black and white, up to as much again.
    """
    cdef Py_ssize_t row, n = bounds.shape[0], channels = levels.shape[2], line = levels.shape[1] * channels
    cdef long long low = -256 * <long long> unit if is_open else 0, high = (511 if is_open else 255) * <long long> unit
    cdef long long times = unit if Level is Whole else 1
    if not 1 <= unit <= MAX_UNIT:
        raise ValueError("a unit has 16 bits")
    _check(bounds, taps, levels.shape[0] if is_down else levels.shape[1], MAX_FINE_WEIGHTS)
    resampled = np.empty((n, levels.shape[1], channels) if is_down else (levels.shape[0], n, channels), np.int32)
    cdef int[:, :, ::1] out = resampled
    cdef long long[::1] total = np.empty(line, np.int64)
    with nogil:
        for row in range(out.shape[0]):
            if is_down:
                _finely_down(
                    &levels[bounds[row, 0], 0, 0], line, bounds[row, 1], &taps[row, 0], times, low, high, &total[0], &out[row, 0, 0]
                )
            else:
                _finely_across(
                    &levels[row, 0, 0], channels, n, &bounds[0, 0], &taps[0, 0], taps.shape[1], times, low, high, &out[row, 0, 0]
                )
    return resampled


def blend_down(const int[:, :, ::1] levels not None, const int[::1] first not None, const int[:, ::1] weights not None):
    """Pairs of rows, with weights in 1/2**11, of levels in 1/2**11 to uint8, as the vector code of OpenCV's INTER_LINEAR.

    `first` is the upper row of each pair; past an edge a row is that at the edge.
    """
    cdef Py_ssize_t row, i, n = first.shape[0], line = levels.shape[1] * levels.shape[2]
    cdef int a, b, total
    cdef const int *upper
    cdef const int *lower
    if weights.shape[0] != n or weights.shape[1] != 2 or n < 1 or levels.shape[0] < 1 or line < 1:
        raise ValueError("each row has two weights")
    for row in range(n):
        if not 0 <= weights[row, 0] <= 2048 or not 0 <= weights[row, 1] <= 2048:
            raise ValueError("weights are at most one")
    blended = np.empty((n, levels.shape[1], levels.shape[2]), np.uint8)
    cdef unsigned char[:, :, ::1] out = blended
    for row in range(n):
        a, b = weights[row, 0], weights[row, 1]
        upper = &levels[min(max(first[row], 0), levels.shape[0] - 1), 0, 0]
        lower = &levels[min(max(first[row] + 1, 0), levels.shape[0] - 1), 0, 0]
        for i in range(line):
            total = (((a * (upper[i] >> 4)) >> 16) + ((b * (lower[i] >> 4)) >> 16) + 2) >> 2
            (&out[row, 0, 0])[i] = 255 if total > 255 else 0 if total < 0 else <unsigned char> total
    return blended


def box_means(
    const unsigned char[:, :, ::1] picture not None, Py_ssize_t wide, Py_ssize_t tall, const unsigned char[::1] rounding not None
):
    """Whole boxes of `wide` x `tall` samples to one each; `rounding` has the level of every sum. What is over is left out."""
    cdef Py_ssize_t channels = picture.shape[2], row, i, k, c, x, line
    if wide < 1 or tall < 1 or picture.shape[0] < tall or picture.shape[1] < wide or wide * tall > 1 << 16:
        raise ValueError("a box lies in the picture")
    if rounding.shape[0] != 255 * wide * tall + 1:
        raise ValueError("each sum of a box has a level")
    cdef Py_ssize_t cols = picture.shape[1] // wide, rows = picture.shape[0] // tall
    reduced = np.empty((rows, cols, channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = reduced
    cdef int[::1] totals = np.empty(cols * channels, np.int32)
    cdef int *total = &totals[0]
    cdef const unsigned char *source
    cdef unsigned char *target
    cdef const unsigned char *level = &rounding[0]
    with nogil:
        for row in range(rows):
            for i in range(cols * channels):
                total[i] = 0
            for k in range(tall):
                source = &picture[row * tall + k, 0, 0]
                for i in range(cols):
                    for x in range(wide):
                        for c in range(channels):
                            total[i * channels + c] += source[(i * wide + x) * channels + c]
            target = &out[row, 0, 0]
            for i in range(cols * channels):
                target[i] = level[total[i]]  # a sum of wide * tall samples is at most 255 * wide * tall
    return reduced
