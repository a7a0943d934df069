"""The inverse transforms of libjpeg (jidctred.c) to a half, a quarter and an eighth, in integers, bit for bit.

Pointers are used inside a block as in `dct`. Sums have 63 bits, so that none overflows whatever a file says.
"""

import numpy as np

# round(x * 2**13), as in jidctred.c
cdef enum:
    F0211 = 1730
    F0509 = 4176
    F0601 = 4926
    F0720 = 5906
    F0765 = 6270
    F0850 = 6967
    F0899 = 7373
    F1061 = 8697
    F1272 = 10426
    F1451 = 11893
    F1847 = 15137
    F2172 = 17799
    F2562 = 20995
    F3624 = 29692


cdef inline unsigned char _sample(long long value) noexcept nogil:
    value += 128
    return 255 if value > 255 else 0 if value < 0 else <unsigned char> value


cdef inline void _to_four(long long *i, Py_ssize_t step, long long *out, int down) noexcept nogil:
    """Eight values, `step` apart, of which the fifth does not matter, to four."""
    cdef long long even = i[0] * 16384, half = <long long> 1 << (down - 1)
    cdef long long other = i[2 * step] * F1847 - i[6 * step] * F0765
    cdef long long inner = -i[7 * step] * F0211 + i[5 * step] * F1451 - i[3 * step] * F2172 + i[step] * F1061
    cdef long long outer = -i[7 * step] * F0509 - i[5 * step] * F0601 + i[3 * step] * F0899 + i[step] * F2562
    out[0] = (even + other + outer + half) >> down
    out[3] = (even + other - outer + half) >> down
    out[1] = (even - other + inner + half) >> down
    out[2] = (even - other - inner + half) >> down


cdef inline void _to_two(long long *i, Py_ssize_t step, long long *out, int down) noexcept nogil:
    """Eight values, `step` apart, of which only the first and the odd matter, to two."""
    cdef long long even = i[0] * 32768 + (<long long> 1 << (down - 1))
    cdef long long odd = -i[7 * step] * F0720 + i[5 * step] * F0850 - i[3 * step] * F1272 + i[step] * F3624
    out[0] = (even + odd) >> down
    out[1] = (even - odd) >> down


cdef void _block(const short *c, const int *q, int size, unsigned char *samples, Py_ssize_t stride) noexcept nogil:
    """One block of 64 coefficients to `size` x `size` samples, rows `stride` apart."""
    cdef long long values[64]
    cdef long long work[64]  # rows of four or two lines
    cdef long long line[4]
    cdef int k, r
    if size == 1:
        samples[0] = _sample((<long long> c[0] * q[0] + 4) >> 3)
        return
    for k in range(64):
        values[k] = c[k] * q[k]
    for k in range(8):
        if size == 4:
            _to_four(values + k, 8, line, 12)
        else:
            _to_two(values + k, 8, line, 13)
        for r in range(size):
            work[8 * r + k] = line[r]
    for r in range(size):
        if size == 4:
            _to_four(work + 8 * r, 1, line, 19)
        else:
            _to_two(work + 8 * r, 1, line, 20)
        for k in range(size):
            samples[r * stride + k] = _sample(line[k])


def inverse_reduced(const short[:, :, ::1] coefficients not None, quantisation, int size):
    """Quantised coefficients of one component to samples, uint8 (size * block_rows, size * block_cols); size 1, 2 or 4."""
    cdef Py_ssize_t row, col
    cdef int q[64]
    cdef int k
    if coefficients.shape[2] != 64 or len(quantisation) != 64 or size not in (1, 2, 4):
        raise ValueError("a block has 64 coefficients, and 1, 2 or 4 samples to a side")
    for k in range(64):
        q[k] = quantisation[k]
        if not 0 <= q[k] <= 65535:  # a product of 16 by 16 bits fits an int
            raise ValueError("a divisor has 16 bits")
    samples = np.empty((size * coefficients.shape[0], size * coefficients.shape[1]), np.uint8)
    cdef unsigned char[:, ::1] out = samples
    with nogil:
        for row in range(coefficients.shape[0]):
            for col in range(coefficients.shape[1]):
                _block(&coefficients[row, col, 0], q, size, &out[size * row, size * col], out.shape[1])
    return samples
