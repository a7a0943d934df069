"""The transforms of ffmpeg's JPEG decoder and encoder, and the sums of its scaler (5.1, on x86-64), in integers, bit for bit.

Inverse: simple_idct_template.c. Forward: x86/fdct.c, Intel's AP-922, whose columns are sums of 16 bits that saturate. What it
quantises to: x86/mpegvideoenc_template.c, with a bias of 3/8 where libjpeg rounds, and an intra DC that is divided apart.

Inner loops use pointers, without bounds checks: the address of the first element is taken from a checked view, and what follows
was checked before: 64 coefficients to a block, whole blocks of 8x8 samples to a plane, taps that lie in the input.
"""

import numpy as np

from common.kernel.dct cimport inverse_blocks

# round(x * 2**14) of the square root of 2 times cos(k * pi / 16); the fourth is one less
cdef enum:
    W1 = 22725
    W2 = 21407
    W3 = 19266
    W4 = 16383
    W5 = 12873
    W6 = 8867
    W7 = 4520
    ROW_SHIFT = 11
    COL_SHIFT = 20

# tan(pi / 16), tan(pi / 8) and tan(3 * pi / 16) - 1 times 2**16, cos(pi / 4) times 2**15
cdef enum:
    T1 = 13036
    T2 = 27146
    T3 = -21746
    C4 = 23170

cdef enum:
    STEPS_BITS = 6  # a predicted coefficient counts steps of 1/64
    HALF_STEPS = 1 << (STEPS_BITS - 1)
    CENTRE = 1024  # what a block of samples of 128 has for its first coefficient

# For rows 0 and 4, 1 and 7, 2 and 6, 3 and 5: cos(k * pi / 16) times 2**15 cos(pi / 4), and what columns left over
cdef int[4][8] COSINES
COSINES[0][:] = [0, 22725, 21407, 19266, 16384, 12873, 8867, 4520]
COSINES[1][:] = [0, 31521, 29692, 26722, 22725, 17855, 12299, 6270]
COSINES[2][:] = [0, 29692, 27969, 25172, 21407, 16819, 11585, 5906]
COSINES[3][:] = [0, 26722, 25172, 22654, 19266, 15137, 10426, 5315]
cdef int[8] TABLES = [0, 1, 2, 3, 0, 3, 2, 1]


cdef inline int _saturate(long long value) noexcept nogil:
    return 32767 if value > 32767 else -32768 if value < -32768 else <int> value


cdef inline unsigned char _sample(long long value) noexcept nogil:
    return 255 if value > 255 else 0 if value < 0 else <unsigned char> value


cdef inline void _inverse_line(const int *i, Py_ssize_t step, long long round_by, int down, long long *out) noexcept nogil:
    """One dimension: eight values of 16 bits, `step` apart."""
    cdef long long e0, e1, e2, e3, o0, o1, o2, o3
    cdef long long i1 = i[step], i2 = i[2 * step], i3 = i[3 * step], i5 = i[5 * step], i6 = i[6 * step], i7 = i[7 * step]
    cdef long long mean = <long long> W4 * i[0] + round_by, middle = <long long> W4 * i[4 * step]
    e0 = mean + middle + W2 * i2 + W6 * i6
    e1 = mean - middle + W6 * i2 - W2 * i6
    e2 = mean - middle - W6 * i2 + W2 * i6
    e3 = mean + middle - W2 * i2 - W6 * i6
    o0 = W1 * i1 + W3 * i3 + W5 * i5 + W7 * i7
    o1 = W3 * i1 - W7 * i3 - W1 * i5 - W5 * i7
    o2 = W5 * i1 - W1 * i3 + W7 * i5 + W3 * i7
    o3 = W7 * i1 - W5 * i3 + W3 * i5 - W1 * i7
    out[0] = (e0 + o0) >> down
    out[7] = (e0 - o0) >> down
    out[1] = (e1 + o1) >> down
    out[6] = (e1 - o1) >> down
    out[2] = (e2 + o2) >> down
    out[5] = (e2 - o2) >> down
    out[3] = (e3 + o3) >> down
    out[4] = (e3 - o3) >> down


cdef void _inverse_block(const short *c, const int *q, unsigned char *samples, Py_ssize_t stride) noexcept nogil:
    """One block of 64 coefficients to 8 rows of 8 samples, `stride` apart."""
    cdef int work[64]
    cdef long long line[8]
    cdef int k, r
    for k in range(64):
        work[k] = <short> (c[k] * q[k])
    work[0] = _saturate(<long long> c[0] * q[0] + CENTRE)
    for r in range(8):
        if work[8 * r + 1] | work[8 * r + 2] | work[8 * r + 3] | work[8 * r + 4] | work[8 * r + 5] | work[8 * r + 6] | work[8 * r + 7]:
            _inverse_line(work + 8 * r, 1, 1 << (ROW_SHIFT - 1), ROW_SHIFT, line)
            for k in range(8):
                work[8 * r + k] = <short> line[k]
        else:
            line[0] = <short> (work[8 * r] * 8)
            for k in range(8):
                work[8 * r + k] = <int> line[0]
    for k in range(8):
        _inverse_line(work + k, 8, W4 * ((1 << (COL_SHIFT - 1)) // W4), COL_SHIFT, line)
        for r in range(8):
            samples[r * stride + k] = _sample(line[r])


def inverse_plane(const short[:, :, ::1] coefficients not None, quantisation):
    """Quantised coefficients of one component to samples, uint8 (8 * block_rows, 8 * block_cols)."""
    return inverse_blocks(coefficients, quantisation, _inverse_block)


cdef inline int _high(int value, int factor) noexcept nogil:
    """The upper 16 bits of a product of 16 by 16."""
    return (value * factor) >> 16


cdef void _forward_column(int *d) noexcept nogil:
    """Eight samples, 8 apart, to eight values of 16 bits, in place; those of 8 bits saturate nowhere before the last sums."""
    cdef int t0 = (d[0] + d[56]) * 8, t1 = (d[8] + d[48]) * 8, t2 = (d[16] + d[40]) * 8, t3 = (d[24] + d[32]) * 8
    cdef int t7 = (d[0] - d[56]) * 8, t4 = (d[24] - d[32]) * 8, d16 = (d[8] - d[48]) * 16, d25 = (d[16] - d[40]) * 16
    cdef int outer = t0 - t3, inner = t1 - t2, plus = _high(d16 + d25, C4) | 1, minus = _high(d16 - d25, C4)
    cdef int w = t7 + plus, q = t7 - plus, u = t4 + minus, v = t4 - minus
    d[0] = _saturate(t0 + t3 + t1 + t2)
    d[32] = _saturate(t0 + t3 - t1 - t2)
    d[16] = _saturate(outer + _high(inner, T2)) | 1
    d[48] = _saturate(_high(outer, T2) - inner) | 1
    plus = _high(v, T3) + v
    minus = _high(q, T3) + q
    d[8] = _saturate(_high(u, T1) + w) | 1
    d[24] = _saturate(q - plus)
    d[40] = _saturate(minus + v)
    d[56] = _saturate(_high(w, T1) - u)


cdef inline int _round_row(int value) noexcept nogil:
    return _saturate((value + 65536) >> 17)


cdef void _forward_row(int *d, const int *c) noexcept nogil:
    """Eight values of 16 bits in place; sums of four products of 17 by 16 bits at most, which fit 31 as columns are 12 bits."""
    cdef int a0 = _saturate(d[0] + d[7]), a1 = _saturate(d[1] + d[6]), a2 = _saturate(d[2] + d[5]), a3 = _saturate(d[3] + d[4])
    cdef int b0 = _saturate(d[0] - d[7]), b1 = _saturate(d[1] - d[6]), b2 = _saturate(d[2] - d[5]), b3 = _saturate(d[3] - d[4])
    d[0] = _round_row(c[4] * (a0 + a1 + a2 + a3))
    d[4] = _round_row(c[4] * (a0 - a1 - a2 + a3))
    d[2] = _round_row(c[2] * (a0 - a3) + c[6] * (a1 - a2))
    d[6] = _round_row(c[6] * (a0 - a3) + c[2] * (a2 - a1))
    d[1] = _round_row(c[1] * b0 + c[3] * b1 + c[5] * b2 + c[7] * b3)
    d[3] = _round_row(c[3] * b0 - c[7] * b1 - c[1] * b2 - c[5] * b3)
    d[5] = _round_row(c[5] * b0 - c[1] * b1 + c[7] * b2 + c[3] * b3)
    d[7] = _round_row(c[7] * b0 - c[5] * b1 + c[3] * b2 - c[1] * b3)


cdef void _forward_block(
    const unsigned char *samples, Py_ssize_t stride, const int *q, const int *factor, const int *bias, int *out
) noexcept nogil:
    """8 rows of 8 samples, `stride` apart, to 64 coefficients in steps of 1/64 that round to what ffmpeg writes."""
    cdef int d[64]
    cdef int k, r
    for r in range(8):
        for k in range(8):
            d[8 * r + k] = samples[r * stride + k]
    for k in range(8):
        _forward_column(d + k)
    for r in range(8):
        _forward_row(d + 8 * r, COSINES[TABLES[r]])
    k = (((d[0] >> 2) + q[0]) << STEPS_BITS) // (2 * q[0]) - HALF_STEPS - (CENTRE << STEPS_BITS) // q[0]
    out[0] = k + (k < 0)  # halves are rounded away from zero: of what is negative they are avoided
    for k in range(1, 64):
        r = ((((-d[k] if d[k] < 0 else d[k]) + bias[k]) * factor[k]) >> (16 - STEPS_BITS)) - HALF_STEPS
        r = 0 if r < 0 else r
        out[k] = -r if d[k] < 0 else r


def forward(const unsigned char[:, ::1] samples not None, plane):
    """Samples of a component to its expected coefficients times 64, int32 (block_rows, block_cols, 64).

    `samples` has all blocks of the plane: ffmpeg fills what is missing to whole MCUs with the last row and column.
    """
    cdef Py_ssize_t rows = plane.block_rows, cols = plane.block_cols, row, col
    cdef int q[64]
    cdef int factor[64]
    cdef int bias[64]
    cdef int k
    if samples.shape[0] != 8 * rows or samples.shape[1] != 8 * cols or len(plane.quantisation) != 64:
        raise ValueError("samples are all the blocks of the plane")
    for k in range(64):
        q[k] = plane.quantisation[k]
        if not 1 <= q[k] <= 255:
            raise ValueError("ffmpeg's divisors have 8 bits")
        factor[k] = min(8192 // q[k], 32767)
        bias[k] = (24576 + factor[k] // 2) // factor[k]
    expected = np.empty((rows, cols, 64), np.int32)
    cdef int[:, :, ::1] out = expected
    with nogil:
        for row in range(rows):
            for col in range(cols):
                _forward_block(&samples[8 * row, 8 * col], samples.shape[1], q, factor, bias, &out[row, col, 0])
    return expected


cdef _check(const int[::1] first, const int[:, ::1] weights, Py_ssize_t length):
    """Errors: ValueError of a table that reaches past the input, or whose sums would leave 31 bits."""
    cdef Py_ssize_t i, k
    cdef long long total
    for i in range(weights.shape[0]):
        total = 0
        for k in range(weights.shape[1]):
            total += weights[i, k] if weights[i, k] >= 0 else -<long long> weights[i, k]
        if total > 1 << 15:  # times levels of 15 bits, and their rounding
            raise ValueError("an output's weights are too large")
    if first.shape[0] != weights.shape[0] or first.shape[0] < 1 or weights.shape[1] < 1:
        raise ValueError("each output has its taps")
    for i in range(first.shape[0]):
        if first[i] < 0 or first[i] > length - weights.shape[1]:
            raise ValueError("taps lie in the input")


def scale_across(const unsigned char[:, ::1] samples not None, const int[::1] first not None, const int[:, ::1] weights not None):
    """Each row's sums with weights in 1/2**14, as int16 levels of 15 bits: (rows, n)."""
    cdef Py_ssize_t row, i, k, n = first.shape[0], taps = weights.shape[1]
    cdef int total
    cdef const unsigned char *source
    cdef const int *w
    _check(first, weights, samples.shape[1])
    scaled = np.empty((samples.shape[0], n), np.int16)
    cdef short[:, ::1] out = scaled
    with nogil:
        for row in range(samples.shape[0]):
            for i in range(n):
                source = &samples[row, first[i]]
                w = &weights[i, 0]
                total = 0
                for k in range(taps):
                    total += w[k] * source[k]
                out[row, i] = <short> _saturate(total >> 7)
    return scaled


def scale_down(
    const short[:, ::1] levels not None, const int[::1] first not None, const int[:, ::1] weights not None, Py_ssize_t n_plain
):
    """Each column's sums with weights in 1/2**12, uint8 (n, cols); of all but the last `n_plain` rows by halves of products."""
    cdef Py_ssize_t row, i, k, n = first.shape[0], taps = weights.shape[1], cols = levels.shape[1]
    cdef int weight, start
    cdef bint is_plain
    cdef const short *source
    _check(first, weights, levels.shape[0])
    scaled = np.empty((n, cols), np.uint8)
    cdef unsigned char[:, ::1] out = scaled
    cdef int[::1] totals = np.empty(cols, np.int32)
    cdef int *total = &totals[0]
    with nogil:
        for row in range(n):
            is_plain = row >= n - n_plain or taps == 1
            start = 64 << 12 if is_plain else (64 + 8 * <int> (taps - 1)) >> 4
            for i in range(cols):
                total[i] = start
            for k in range(taps):
                source = &levels[first[row] + k, 0]
                weight = weights[row, k]
                if is_plain:
                    for i in range(cols):
                        total[i] += weight * source[i]
                else:
                    for i in range(cols):
                        total[i] += (weight * source[i]) >> 16
            for i in range(cols):
                out[row, i] = _sample(total[i] >> (19 if is_plain else 3))
    return scaled
