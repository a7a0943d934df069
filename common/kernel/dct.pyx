"""The discrete cosine transforms of libjpeg: 8x8 blocks of samples to coefficients and back, in integers, bit for bit.

Forward: `islow` (jfdctint.c) and `ifast` (jfdctfst.c). Inverse: islow (jidctint.c). Where libjpeg-turbo's vector code
wraps or saturates 16 bits on coefficients that no encoder writes, so does this code: no product or sum below leaves 31 bits,
whatever a file says.

Inside a block pointers are used, without bounds checks: the address of its first element is taken from a checked view, and
the views' shapes are checked before: 64 coefficients to a block, whole blocks of 8x8 samples to a plane.
"""

import numpy as np

# round(x * 2**13), as in jfdctint.c and jidctint.c
cdef enum:
    F0298 = 2446
    F0390 = 3196
    F0541 = 4433
    F0765 = 6270
    F0899 = 7373
    F1175 = 9633
    F1501 = 12299
    F1847 = 15137
    F1961 = 16069
    F2053 = 16819
    F2562 = 20995
    F3072 = 25172

# round(x * 2**8) << 6, as in jfdctfst: the multiplier of the high half of a 16-bit product, whose other factor is << 2
cdef enum:
    G0382 = 98 << 6
    G0541 = 139 << 6
    G0707 = 181 << 6
    G1306 = 334 << 6

cdef enum:
    STEPS_BITS = 6  # a predicted coefficient counts steps of 1/64
    RECIPROCAL_BITS = 41

# Scale factors of ifast's outputs, round(2**14 * s(u) * s(v)), s(0) = 1, s(k) = sqrt(2) * cos(k * pi / 16); jcdctmgr.c
_AAN = (
    16384, 22725, 21407, 19266, 16384, 12873, 8867, 4520,
    22725, 31521, 29692, 26722, 22725, 17855, 12299, 6270,
    21407, 29692, 27969, 25172, 21407, 16819, 11585, 5906,
    19266, 26722, 25172, 22654, 19266, 15137, 10426, 5315,
    16384, 22725, 21407, 19266, 16384, 12873, 8867, 4520,
    12873, 17855, 16819, 15137, 12873, 10114, 6967, 3552,
    8867, 12299, 11585, 10426, 8867, 6967, 4799, 2446,
    4520, 6270, 5906, 5315, 4520, 3552, 2446, 1247,
)  # fmt: skip

METHODS = ("islow", "ifast")


cdef inline int _saturate(int value) noexcept nogil:
    return 32767 if value > 32767 else -32768 if value < -32768 else value


cdef inline unsigned char _sample(int value) noexcept nogil:
    value += 128
    return 255 if value > 255 else 0 if value < 0 else value


cdef inline void _inverse_line(int i0, int i1, int i2, int i3, int i4, int i5, int i6, int i7, int *out) noexcept nogil:
    """One dimension of jidctint: eight 16-bit values to eight of them scaled by 2**13.

    |out| < 2**15 * 2**13 * (1 + 0.541 + 1.307 + 0.510 + 2.563 + 1.962) < 2**31, as |i| <= 2**15 and z3, z4 wrap to 16 bits.
    """
    cdef int z1, z2, z3, z4, even0, even1, even2, even3, t0, t1, t2, t3, odd0, odd1, odd2, odd3
    z1 = (i2 + i6) * F0541
    t2 = z1 - i6 * F1847
    t3 = z1 + i2 * F0765
    t0 = <short> (i0 + i4) * 8192
    t1 = <short> (i0 - i4) * 8192
    even0 = t0 + t3
    even3 = t0 - t3
    even1 = t1 + t2
    even2 = t1 - t2
    z3 = <short> (i7 + i3)
    z4 = <short> (i5 + i1)
    t3 = (z3 + z4) * F1175
    z3 = t3 - z3 * F1961
    z4 = t3 - z4 * F0390
    z1 = (i7 + i1) * F0899
    z2 = (i5 + i3) * F2562
    odd0 = i7 * F0298 - z1 + z3
    odd1 = i5 * F2053 - z2 + z4
    odd2 = i3 * F3072 - z2 + z3
    odd3 = i1 * F1501 - z1 + z4
    out[0] = even0 + odd3
    out[7] = even0 - odd3
    out[1] = even1 + odd2
    out[6] = even1 - odd2
    out[2] = even2 + odd1
    out[5] = even2 - odd1
    out[3] = even3 + odd0
    out[4] = even3 - odd0


cdef void _inverse_block(const short *c, const int *q, unsigned char *samples, Py_ssize_t stride) noexcept nogil:
    """Dequantises and transforms one block of 64 coefficients to 8 rows of 8 samples, `stride` apart."""
    cdef int work[64]
    cdef int line[8]
    cdef int k, r, dc
    cdef unsigned char *out
    for k in range(8):
        if not (c[8 + k] | c[16 + k] | c[24 + k] | c[32 + k] | c[40 + k] | c[48 + k] | c[56 + k]):
            dc = _saturate(<short> (c[k] * q[k]) * 4)  # what the whole transform comes to
            for r in range(8):
                work[8 * r + k] = dc
            continue
        _inverse_line(
            <short> (c[k] * q[k]), <short> (c[8 + k] * q[8 + k]), <short> (c[16 + k] * q[16 + k]),
            <short> (c[24 + k] * q[24 + k]), <short> (c[32 + k] * q[32 + k]), <short> (c[40 + k] * q[40 + k]),
            <short> (c[48 + k] * q[48 + k]), <short> (c[56 + k] * q[56 + k]), line,
        )
        for r in range(8):
            work[8 * r + k] = _saturate((line[r] + 1024) >> 11)
    for r in range(8):
        k = 8 * r
        out = samples + r * stride
        _inverse_line(
            work[k], work[k + 1], work[k + 2], work[k + 3], work[k + 4], work[k + 5], work[k + 6], work[k + 7], line
        )
        for k in range(8):
            out[k] = _sample((line[k] + 131072) >> 18)


cdef inline void _islow_line(int *d, Py_ssize_t step, bint last) noexcept nogil:
    """One dimension of jfdctint, in place. Samples of 8 bits keep every value below 2**16 and every product below 2**30."""
    cdef int t0, t1, t2, t3, t4, t5, t6, t7, t10, t11, t12, t13, z1, z2, z3, z4, z5
    cdef int down = 15 if last else 11
    cdef int half = 1 << (down - 1)
    t0 = d[0] + d[7 * step]
    t7 = d[0] - d[7 * step]
    t1 = d[step] + d[6 * step]
    t6 = d[step] - d[6 * step]
    t2 = d[2 * step] + d[5 * step]
    t5 = d[2 * step] - d[5 * step]
    t3 = d[3 * step] + d[4 * step]
    t4 = d[3 * step] - d[4 * step]
    t10 = t0 + t3
    t13 = t0 - t3
    t11 = t1 + t2
    t12 = t1 - t2
    if last:
        d[0] = (t10 + t11 + 2) >> 2
        d[4 * step] = (t10 - t11 + 2) >> 2
    else:
        d[0] = (t10 + t11) * 4
        d[4 * step] = (t10 - t11) * 4
    z1 = (t12 + t13) * F0541 + half
    d[2 * step] = (z1 + t13 * F0765) >> down
    d[6 * step] = (z1 - t12 * F1847) >> down
    z1 = (t4 + t7) * F0899
    z2 = (t5 + t6) * F2562
    z3 = t4 + t6
    z4 = t5 + t7
    z5 = (z3 + z4) * F1175 + half
    z3 = z5 - z3 * F1961
    z4 = z5 - z4 * F0390
    d[7 * step] = (t4 * F0298 - z1 + z3) >> down
    d[5 * step] = (t5 * F2053 - z2 + z4) >> down
    d[3 * step] = (t6 * F3072 - z2 + z3) >> down
    d[step] = (t7 * F1501 - z1 + z4) >> down


cdef inline int _times(int value, int factor) noexcept nogil:
    """The product of jfdctfst: no rounding, and the shifted value wraps to 16 bits as in the vector code."""
    return (<short> (value * 4) * factor) >> 16


cdef inline void _ifast_line(int *d, Py_ssize_t step) noexcept nogil:
    """One dimension of jfdctfst, in place: 16-bit arithmetic that wraps."""
    cdef int t0, t1, t2, t3, t4, t5, t6, t7, t10, t11, t12, t13, z1, z2, z3, z4, z5
    t0 = d[0] + d[7 * step]
    t7 = d[0] - d[7 * step]
    t1 = d[step] + d[6 * step]
    t6 = d[step] - d[6 * step]
    t2 = d[2 * step] + d[5 * step]
    t5 = d[2 * step] - d[5 * step]
    t3 = d[3 * step] + d[4 * step]
    t4 = d[3 * step] - d[4 * step]
    t10 = t0 + t3
    t13 = t0 - t3
    t11 = t1 + t2
    t12 = t1 - t2
    d[0] = <short> (t10 + t11)
    d[4 * step] = <short> (t10 - t11)
    z1 = _times(t12 + t13, G0707)
    d[2 * step] = <short> (t13 + z1)
    d[6 * step] = <short> (t13 - z1)
    t10 = t4 + t5
    t11 = t5 + t6
    t12 = t6 + t7
    z5 = _times(t10 - t12, G0382)
    z2 = _times(t10, G0541) + z5
    z4 = _times(t12, G1306) + z5
    z3 = _times(t11, G0707)
    t10 = t7 + z3
    t13 = t7 - z3
    d[5 * step] = <short> (t13 + z2)
    d[3 * step] = <short> (t13 - z2)
    d[step] = <short> (t10 + z4)
    d[7 * step] = <short> (t10 - z4)


cdef inline int _round(int steps) noexcept nogil:
    """Steps to whole coefficients, halves away from zero: libjpeg's division by multiplication comes to this."""
    return (steps + 32) >> STEPS_BITS if steps >= 0 else -((32 - steps) >> STEPS_BITS)


cdef void _forward_block(
    const unsigned char *samples, Py_ssize_t stride, const unsigned long long *reciprocal, bint fast, int *out
) noexcept nogil:
    """Transforms 8 rows of 8 samples, `stride` apart, to 64 coefficients in steps of 1/64, cut towards zero."""
    cdef int d[64]
    cdef int k, r, steps
    cdef const unsigned char *row
    for r in range(8):
        row = samples + r * stride
        for k in range(8):
            d[8 * r + k] = <int> row[k] - 128
    if fast:
        for k in range(8):
            _ifast_line(d + 8 * k, 1)
        for k in range(8):
            _ifast_line(d + k, 8)
    else:
        for k in range(8):
            _islow_line(d + 8 * k, 1, False)
        for k in range(8):
            _islow_line(d + k, 8, True)
    for k in range(64):
        r = d[k]
        steps = <int> ((<unsigned long long> (-r if r < 0 else r) * reciprocal[k]) >> (RECIPROCAL_BITS - STEPS_BITS))
        out[k] = -steps if r < 0 else steps


def divisors(quantisation, method):
    """The 64 divisors of the raw transform: islow scales its output by 8, ifast by factors of its own."""
    if method not in METHODS or len(quantisation) != 64 or not all(1 <= q <= 65535 for q in quantisation):
        raise ValueError("64 divisors of 1 to 65535, and islow or ifast")
    if method == "islow":
        return tuple(8 * q for q in quantisation)
    return tuple((q * scale + 1024) >> 11 for q, scale in zip(quantisation, _AAN))


def forward(const unsigned char[:, ::1] samples not None, plane, method):
    """Samples of a component to its expected coefficients times 64, int32 (block_rows, block_cols, 64).

    `samples` has whole rows and columns of blocks (see `sampling.shrink`); what is missing to whole MCUs is filled as
    libjpeg does: the mean of the block before it, and nothing else.
    """
    cdef Py_ssize_t rows = samples.shape[0] // 8, cols = samples.shape[1] // 8
    cdef Py_ssize_t block_rows = plane.block_rows, block_cols = plane.block_cols, mcu = plane.h
    cdef Py_ssize_t row, col
    cdef bint fast = method == "ifast"
    cdef unsigned long long reciprocal[64]
    cdef int k
    cdef unsigned long long divisor
    for k, divisor in enumerate(divisors(plane.quantisation, method)):
        # |raw| < 2**15 and divisor < 2**20: the product fits 63 bits, and the quotient's 64ths are exact, cut towards zero
        reciprocal[k] = (<unsigned long long> 1 << RECIPROCAL_BITS) // divisor + 1
    if samples.shape[0] % 8 or samples.shape[1] % 8 or not 0 < rows <= block_rows or not 0 < cols <= block_cols or mcu < 1:
        raise ValueError("samples are whole blocks, and no more than the plane has")
    expected = np.zeros((block_rows, block_cols, 64), np.int32)
    cdef int[:, :, ::1] out = expected
    with nogil:
        for row in range(rows):
            for col in range(cols):
                _forward_block(&samples[8 * row, 8 * col], samples.shape[1], reciprocal, fast, &out[row, col, 0])
            for col in range(cols, block_cols):
                out[row, col, 0] = _round(out[row, col - 1, 0]) * 64
        for row in range(rows, block_rows):
            for col in range(block_cols):
                out[row, col, 0] = _round(out[row - 1, min(col - col % mcu + mcu, block_cols) - 1, 0]) * 64
    return expected


def quantise(const int[:, :, ::1] expected not None):
    """Expected coefficients times 64 rounded to what libjpeg would write, int16."""
    cdef Py_ssize_t row, col, k
    quantised = np.empty((expected.shape[0], expected.shape[1], expected.shape[2]), np.int16)
    cdef short[:, :, ::1] out = quantised
    with nogil:
        for row in range(expected.shape[0]):
            for col in range(expected.shape[1]):
                for k in range(expected.shape[2]):
                    out[row, col, k] = <short> _round(expected[row, col, k])
    return quantised


cdef object inverse_blocks(const short[:, :, ::1] coefficients, quantisation, InverseBlock inverse_block):
    """Every block of a component by such a transform: its samples, uint8 (8 * block_rows, 8 * block_cols)."""
    cdef Py_ssize_t row, col
    cdef int q[64]
    cdef int k
    if coefficients.shape[2] != 64 or len(quantisation) != 64:
        raise ValueError("a block has 64 coefficients")
    for k in range(64):
        q[k] = quantisation[k]
        if not 0 <= q[k] <= 65535:  # a product of 16 by 16 bits fits an int
            raise ValueError("a divisor has 16 bits")
    samples = np.empty((8 * coefficients.shape[0], 8 * coefficients.shape[1]), np.uint8)
    cdef unsigned char[:, ::1] out = samples
    with nogil:
        for row in range(coefficients.shape[0]):
            for col in range(coefficients.shape[1]):
                inverse_block(&coefficients[row, col, 0], q, &out[8 * row, 8 * col], out.shape[1])
    return samples


def inverse_plane(const short[:, :, ::1] coefficients not None, quantisation):
    """Quantised coefficients of one component to samples, uint8 (8 * block_rows, 8 * block_cols), as JDCT_ISLOW."""
    return inverse_blocks(coefficients, quantisation, _inverse_block)
