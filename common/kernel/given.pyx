"""The model with a base: each coefficient is expected to be a number in 1/64 steps, and what is coded is how far it is off.

Most blocks are as expected, which one decision says; else most of their four bands are. What is left is coded against the rounded
expectation, with the side on which its fraction lies taken as positive.
"""

from common.kernel.alone cimport Shape, place_in_other
from common.kernel.bits cimport FRESH, LIMIT, Coder, absolute, bounded, code_bit, code_value, line_of, log1, log4, low
from libc.stdint cimport int16_t, int32_t, uint8_t
from libc.string cimport memset

cdef enum:                       # where each kind of decision has its lines in every context's table
    VALUES = 0
    FLAGS = 1 << 30              # hashed: few
    BANDS = 4
    SELECTOR = 640               # 2 * 64 of values, 2 * 8 of mantissas, 2 * 5 * 4 of flags

cdef int[64] ZIGZAG = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42,
    49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
]
cdef int[5] STARTS = [0, 10, 21, 36, 64]  # of the bands, in zigzag order


cdef struct Block:
    int16_t* here
    const int16_t* left          # of a block of zeros at the frame's border
    const int16_t* above
    uint8_t* off                 # how far each coefficient was off, 1/8 steps
    const uint8_t* off_left
    const uint8_t* off_above
    int32_t[64] expected         # in 1/64 steps, limited to what can be coded
    int[5] doubt                 # of each band, then of all: chances of being off by what was seen, 1/4096
    int kind                     # 0 first component, 1 others
    int near                     # energies of the neighbours' errors
    int other                    # the same in the other component
    int exact                    # bit 0 the left block was as expected, 1 the one above, 2 above and right
    int missed                   # coefficients of this block that were off so far
    int energy


cdef inline int rounded(int expected) noexcept nogil:
    """Return the whole coefficient that is expected: halves away from zero, as libjpeg rounds."""
    return (expected + 32) >> 6 if expected > 0 else -((32 - expected) >> 6)


cdef inline int fraction_line(Block* block, int n) noexcept nogil:
    """The context of a coefficient's fraction: 0 to 32, and whether a zero is expected."""
    cdef int whole = rounded(block.expected[n])
    return ((block.kind * 64 + n) * 33 + absolute(block.expected[n] - 64 * whole)) * 3 + low(2, absolute(whole))


cdef void _measure_doubt(Coder* coder, Block* block) noexcept nogil:
    cdef int band, at, total = 0, doubt
    for band in range(BANDS):
        doubt = 0
        for at in range(STARTS[band], STARTS[band + 1]):
            doubt += (coder.counters[line_of(0, VALUES + fraction_line(block, ZIGZAG[at]))] ^ FRESH) >> 20
        block.doubt[band] = doubt
        total += doubt
    block.doubt[BANDS] = total


cdef int _code_flag(Coder* coder, Block* block, int is_exact, int band) noexcept nogil:
    """Code whether a band, or with band 4 the whole block, is as expected."""
    cdef int base = block.kind * 5 + band, doubt = log4(block.doubt[band] >> 2)
    coder.lines[0] = line_of(0, FLAGS | base * 64 + doubt)
    coder.lines[1] = line_of(1, FLAGS | (base * 64 + doubt) * 8 + block.exact)
    coder.lines[2] = line_of(2, FLAGS | (base * 64 + doubt) * 16 + log1(block.other))
    coder.lines[3] = line_of(3, FLAGS | (base * 32 + log1(block.near)) * 8 + block.exact)
    coder.lines[4] = line_of(4, FLAGS | ((base * 16 + (doubt >> 2)) * 16 + log1(block.missed)) * 16 + log1(block.energy))
    coder.lines[5] = line_of(5, FLAGS | (base * 16 + log1(block.near)) * 16 + log1(block.other))
    return code_bit(coder, is_exact, 0, SELECTOR + 160 + base * 4 + (block.exact & 1) + (block.exact >> 1 & 1))


cdef void _settle(Block* block, int n, int value) noexcept nogil:
    """Note a coefficient that is known now, and how far it was off."""
    cdef int off = absolute(64 * value - block.expected[n])
    block.here[n] = value
    block.off[n] = low(255, off >> 3)
    block.missed += value != rounded(block.expected[n])
    if off > 32:
        block.energy += (off >> 5)


cdef void _code_coefficient(Coder* coder, Block* block, int n, int at) noexcept nogil:
    cdef int expected = block.expected[n], whole = rounded(expected), fraction = expected - 64 * whole
    cdef int is_below = fraction < 0, size = low(2, absolute(whole)), kn = block.kind * 64 + n
    cdef int beside = block.off_left[n] + block.off_above[n], inside = 0, around, value
    cdef int energy = log1(block.energy * 2 // (at + 1)), part
    fraction = absolute(fraction)
    part = fraction >> 3
    if n & 7:
        inside += block.off[n - 1]
    if n > 7:
        inside += block.off[n - 8]
    coder.lines[0] = line_of(0, VALUES + fraction_line(block, n))
    around = (block.kind * 16 + low(15, log1(beside))) * 16 + low(15, log1(inside))
    coder.lines[1] = line_of(1, VALUES + (around * 17 + (fraction >> 1)) * 3 + size)
    around = absolute(block.left[n]) + absolute(block.above[n])
    coder.lines[2] = line_of(2, VALUES + ((kn * 12 + low(11, log1(around))) * 5 + part) * 3 + size)
    around = ((block.kind * 8 + (at >> 3)) * 8 + low(7, block.missed)) * 5 + part
    coder.lines[3] = line_of(3, VALUES + (around * 14 + low(13, energy)) * 2 + (size > 0))
    coder.lines[4] = line_of(4, VALUES + ((kn * 14 + low(13, log1(block.other))) * 9 + (fraction >> 2)) * 2 + (size > 0))
    coder.lines[5] = line_of(5, VALUES + (kn * 16 + low(15, log1(absolute(expected) >> 5))) * 16 + low(15, log1(beside + inside)))
    value = block.here[n] - whole
    value = code_value(coder, -value if is_below else value, SELECTOR + kn, SELECTOR + 128 + block.kind * 8 + (at >> 3))
    value = whole + (-value if is_below else value)
    _settle(block, n, bounded(value))


cdef void _code_block(Coder* coder, Block* block) noexcept nogil:
    cdef int band, at, n, is_exact = 1
    _measure_doubt(coder, block)
    if not coder.is_decoding:
        for n in range(64):
            is_exact &= block.here[n] == rounded(block.expected[n])
    if _code_flag(coder, block, is_exact, BANDS):
        for n in range(64):
            _settle(block, n, rounded(block.expected[n]))
        return
    for band in range(BANDS):
        is_exact = 1
        if not coder.is_decoding:
            for at in range(STARTS[band], STARTS[band + 1]):
                is_exact &= block.here[ZIGZAG[at]] == rounded(block.expected[ZIGZAG[at]])
        is_exact = _code_flag(coder, block, is_exact, band)
        for at in range(STARTS[band], STARTS[band + 1]):
            n = ZIGZAG[at]
            if is_exact:
                _settle(block, n, rounded(block.expected[n]))
            else:
                _code_coefficient(coder, block, n, at)


cdef void code_given(Coder* coder, Shape* shape, const int32_t* expected) noexcept nogil:
    """Code a whole component against what is expected of it; what is decoded is written to its values."""
    cdef uint8_t[64] zeros
    cdef int16_t[64] nothing
    cdef Block block
    cdef int y, x, n, v
    cdef Py_ssize_t at, row = <Py_ssize_t>shape.cols * 64
    cdef uint8_t* scratch = <uint8_t*>shape.scratch
    memset(zeros, 0, sizeof(zeros))
    memset(nothing, 0, sizeof(nothing))
    block.kind = shape.kind > 0
    for y in range(shape.rows):
        for x in range(shape.cols):
            at = y * row + x * 64
            block.here = shape.values + at
            block.left = block.here - 64 if x else nothing
            block.above = block.here - row if y else nothing
            block.off = scratch + (y & 1) * row + x * 64
            block.off_left = block.off - 64 if x else zeros
            block.off_above = scratch + ((y & 1) ^ 1) * row + x * 64 if y else zeros
            for n in range(64):
                v = expected[at + n]
                block.expected[n] = 64 * LIMIT if v > 64 * LIMIT else -64 * LIMIT if v < -64 * LIMIT else v
            at = <Py_ssize_t>y * shape.cols + x
            n = 0
            block.near = 0
            if x:
                block.near += shape.counts[at - 1]
                n |= shape.counts[at - 1] == 0
            if y:
                block.near += shape.counts[at - shape.cols]
                n |= 2 * (shape.counts[at - shape.cols] == 0)
                if x + 1 < shape.cols:
                    n |= 4 * (shape.counts[at - shape.cols + 1] == 0)
            block.exact = n
            block.other = 0
            if shape.other.values:
                block.other = shape.other.counts[place_in_other(shape, y, x)]
            block.missed = block.energy = 0
            _code_block(coder, &block)
            shape.counts[at] = 0 if block.missed == 0 else low(255, 1 + block.energy)
