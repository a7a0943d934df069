"""The model with a base: each coefficient is expected to be a number in 1/64 steps, and what is coded is how far it is off.

Most blocks are as expected, which one decision says; in the others most coefficients are far enough from being rounded the other
way that one more decision speaks for them all. What is left is coded against the rounded expectation, with the side on which its
fraction lies taken as positive. How far the neighbours were off tells most while expectations are good; where they are poor, what
the model without a base looks at tells more: the neighbours' coefficients, and how their pixels would go on. Both are mixed. Where
expectations were poor lately (`trust`) only the part of them that came is believed, place by place, and where nothing came a block
begins with how many coefficients are not zero.

Memory: places in a block are below 64 by the tables, neighbours outside of the frame are a block of zeros, lines are hashed or
limited, and masked in any case.
"""

from common.kernel.bits cimport LIMIT, NODES, SIGN, Coder, absolute, bounded, code_bit, code_count, code_magnitude, counter_of
from common.kernel.bits cimport line_of, log1, log4, low
from common.kernel.blocks cimport Border, Mean, Shape, Values, add_mean, guess_edge, guess_mean, n_inner, place_in_other
from common.kernel.blocks cimport set_value
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t
from libc.string cimport memset

cdef extern from *:
    """
    #pragma GCC optimize("O3")
    """

cdef enum:
    N_LINES = 1 << 15            # of each context's table
    SURE = 64                    # chances of being off, 1/4096, below which a coefficient is asked about together with others
    EDGES = 49                   # the first coefficient that is not an inner one
    FLAGS = 1 << 28              # marks the contexts of decisions that a block, or what is sure of it, is as expected
    FLAG_SELECTOR = 512
    FURTHEST = 32767             # 1/64 steps off that are remembered

cdef int[64] ORDER = [           # the inner coefficients in the order of a zigzag scan, the first row and column, the mean
    9, 17, 10, 11, 18, 25, 33, 26, 19, 12, 13, 20, 27, 34, 41, 49, 42, 35, 28, 21, 14, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44,
    37, 30, 23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63, 1, 8, 2, 16, 3, 24, 4, 32, 5, 40, 6, 48, 7, 56, 0,
]


cdef struct Block:
    int16_t* here
    const int16_t* left          # of a block of zeros at the frame's border
    const int16_t* above
    const int16_t* corner
    int16_t* off                 # how far each coefficient was off, 1/64 steps
    const int16_t* off_left
    const int16_t* off_above
    int32_t[64] predicted        # in 1/64 steps, limited to what can be coded
    int32_t[64] expected         # the same, or a part of it where predictions were poor
    int16_t[64] whole            # the same, rounded
    int16_t[64] weighed          # magnitudes of the neighbours' coefficients, times 5
    int16_t[64] known            # magnitudes of this block's, as far as they are coded
    int32_t[64] guesses          # 1/16 steps, of the first row, the first column and the mean
    Values values
    int16_t[64] is_sure
    int[2] doubt                 # chances of being off by what was seen, 1/4096: of all, and of those that are sure not to be
    int kind                     # 0 first component, 1 others
    int trust                    # 0 to 3: how good the expectation was nearby; 0 is best
    int near                     # energies of the neighbours' errors
    int other                    # the same in the other component
    int exact                    # bit 0 the left block was as expected, 1 the one above, 2 above and right
    int missed                   # coefficients of this block that were off so far
    int energy
    int64_t[64] products         # of what was predicted in blocks that were not as expected: with what came,
    int64_t[64] squares          # and with itself
    int n_left                   # coefficients that are expected not to be zero and not yet coded
    int n_known                  # of the coded ones: how many are not zero
    int n_to_come                # of the inner ones that are not zero: how many are to come, where that is coded
    int lost                     # sums over late blocks: how far coefficients were off, 1/64 steps,
    int shown                    # and what they were
    int guess_is_off             # how far the guesses of the mean were off lately, 1/64 steps times 16
    int mean_is_off              # the same of the expectations


cdef inline uint32_t line(int input, uint32_t context) noexcept nogil:
    return line_of(input, 0, N_LINES, context)


cdef inline uint32_t upper_line(int input, uint32_t context) noexcept nogil:
    """The first table's lower half is for the fractions."""
    return line_of(input, N_LINES // 2 * NODES, N_LINES // 2, context)


cdef inline int rounded(int expected) noexcept nogil:
    """Return the whole coefficient that is expected: halves away from zero, as libjpeg rounds."""
    return (expected + 32) >> 6 if expected > 0 else -((32 - expected) >> 6)


cdef inline int direction(int value) noexcept nogil:
    """Return the class of a signed number, 0 to 30: 15 for zero, four classes below and above it up to four octaves."""
    return 15 + low(15, log4(value)) if value >= 0 else 15 - low(15, log4(-value))


cdef inline int fraction_line(Block* block, int n) noexcept nogil:
    """The context of a coefficient's fraction: 0 to 32, and whether a zero is expected."""
    return ((block.kind * 64 + n) * 33 + absolute(block.expected[n] - 64 * block.whole[n])) * 3 + low(2, absolute(block.whole[n]))


cdef void _measure_doubt(Coder* coder, Block* block) noexcept nogil:
    cdef int n, doubt
    block.doubt[0] = block.doubt[1] = 0
    for n in range(64):
        doubt = (coder.counters[counter_of(0, fraction_line(block, n) * NODES)] >> 20) + 2048
        block.is_sure[n] = doubt < SURE
        block.doubt[0] += doubt
        block.doubt[1] += doubt if doubt < SURE else 0


cdef int _code_flag(Coder* coder, Block* block, int is_exact, int is_rest) noexcept nogil:
    """Code whether a block is as expected, or else (`is_rest`) at least the coefficients that are sure to be."""
    cdef int base = block.kind * 2 + is_rest, doubt = log4(block.doubt[is_rest] >> (0 if is_rest else 2))
    coder.lines[0] = upper_line(0, FLAGS | base * 64 + doubt)
    coder.lines[1] = line(1, 2 * FLAGS | (base * 64 + doubt) * 8 + block.exact)
    coder.lines[2] = line(2, FLAGS | (base * 64 + doubt) * 32 + log1(block.other))
    coder.lines[3] = line(3, FLAGS | (base * 32 + log1(block.near)) * 8 + block.exact)
    coder.lines[4] = line(4, FLAGS | (base * 16 + (doubt >> 2)) * 64 + log4(block.n_left))
    coder.lines[5] = line(5, FLAGS | (base * 32 + log1(block.near)) * 32 + log1(block.other))
    coder.lines[6] = line(6, FLAGS | (base * 64 + log1(block.n_left)) * 4 + block.trust)
    coder.lines[7] = line(7, FLAGS | (base * 64 + doubt) * 32 + log1(block.near))
    return code_bit(coder, is_exact, 0, FLAG_SELECTOR + base * 4 + (block.exact & 1) + (block.exact >> 1 & 1), 2)


cdef void _settle(Block* block, int n, int value) noexcept nogil:
    """Note a coefficient that is known now, and how far it was off."""
    cdef int off = 64 * value - block.predicted[n]
    block.here[n] = value
    block.known[n] = absolute(value)
    block.off[n] = FURTHEST if off > FURTHEST else -FURTHEST if off < -FURTHEST else off
    block.missed += value != rounded(block.predicted[n])
    block.energy += absolute(off) + 31 >> 6
    block.n_left -= block.whole[n] != 0
    block.n_known += value != 0


cdef void _code_coefficient(Coder* coder, Shape* shape, Block* block, int n, int at) noexcept nogil:
    cdef int kind = block.kind, kn = kind * 64 + n, expected = block.expected[n], whole = block.whole[n]
    cdef int fraction = expected - 64 * whole, flip = fraction < 0 or (fraction == 0 and whole < 0)
    cdef int size = absolute(whole), away = 0 if whole == 0 else 1 + ((whole < 0) ^ flip)
    cdef int lately = (block.off_left[n] + block.off_above[n]) >> 4, differ = 0
    cdef int beside = (absolute(block.off_left[n]) + absolute(block.off_above[n])) >> 3, inside = 0
    cdef int near = block.weighed[n], energy = 2 * near, inner = 0, around, level = log1(block.energy * 4 // (at + 1))
    cdef int value, magnitude, selector = block.trust * 128 + kn, how
    cdef int to_come = block.n_to_come if block.trust > 2 else block.n_known
    if n & 7:
        inside += absolute(block.off[n - 1])
        inner += 2 * block.known[n - 1]
        energy += block.weighed[n - 1]
    if n > 7:
        inside += absolute(block.off[n - 8])
        inner += 2 * block.known[n - 8]
        energy += block.weighed[n - 8]
    inside >>= 3
    if n & 7 == 0 or n < 8:
        differ = block.guesses[n] - (expected >> 2)
    if flip:
        lately = -lately
        differ = -differ
    fraction = absolute(fraction)
    expected = low(27, log4(absolute(block.predicted[n]) >> 3))
    coder.lines[0] = counter_of(0, fraction_line(block, n) * NODES)
    how = low(2, size) * 3 + away
    coder.lines[1] = line(1, (((kind * 32 + log1(beside)) * 32 + log1(inside)) * 9 + (fraction >> 2)) * 9 + how)
    coder.lines[2] = line(2, ((kn * 16 + low(15, log1(near))) * 28 + expected) * 3 + away)
    around = ((kind * 24 + log1(energy)) * 16 + low(15, log1(inner))) * 4 + low(3, size)
    coder.lines[3] = line(3, (around * 5 + (fraction >> 3)) * 3 + away)
    coder.lines[4] = line(4, ((kn * 32 + direction(lately)) * 4 + low(3, size)) * 3 + away)
    coder.lines[5] = line(5, ((kn * 24 + log1(block.other)) * 5 + (fraction >> 3)) * 9 + how)
    if at < EDGES:
        coder.lines[6] = line(6, ((kn * 16 + log1(to_come)) * 16 + log1(block.n_left)) * 9 + how)
    else:
        coder.lines[6] = line(6, 1 << 27 | ((kn * 32 + direction(differ)) * 4 + low(3, size)) * 3 + away)
    around = ((kind * 16 + (at >> 2)) * 8 + low(7, block.missed)) * 24 + level
    coder.lines[7] = line(7, (around * 5 + (fraction >> 3)) * 3 + low(2, size))
    value = block.here[n] - whole
    if flip:
        value = -value
    magnitude = absolute(value)
    if code_bit(coder, magnitude != 0, 0, selector, 2):
        value = code_bit(coder, value < 0, SIGN, selector, 2)
        if value:
            for at in range(8):
                coder.lines[at] ^= <uint32_t>NODES  # the other side is another distribution
        magnitude = code_magnitude(coder, magnitude, selector, (kind * 8 + low(7, size)) * 6 + away * 2 + value, 2)
        value = -magnitude if value else magnitude
    else:
        value = 0
    _settle(block, n, bounded(whole - value if flip else whole + value))


cdef void _fill_values(const int16_t* block, const int16_t* quantisation, Values* values) noexcept nogil:
    cdef int n
    memset(values, 0, sizeof(values[0]))
    for n in range(1, 64):
        if block[n]:
            set_value(values, n, block[n], quantisation)


cdef void _guess(Shape* shape, Block* block, int x, int y) noexcept nogil:
    """Guess the first row, the first column and the mean from the inner coefficients, which are known, and what is expected."""
    cdef Values values
    cdef Border left, above, right, below
    cdef Border* beside = NULL
    cdef Border* over = NULL
    cdef Mean mean
    cdef int32_t rows[8]
    cdef int32_t columns[8]
    cdef int n
    memset(&left, 0, sizeof(left))
    memset(&above, 0, sizeof(above))
    if x:
        _fill_values(block.left, shape.quantisation, &values)
        guess_mean(&values, NULL, NULL, shape.quantisation[0], &left, &below)
        set_value(&values, 0, block.left[0], shape.quantisation)
        add_mean(&left, values.rows[0])
        beside = &left
    if y:
        _fill_values(block.above, shape.quantisation, &values)
        guess_mean(&values, NULL, NULL, shape.quantisation[0], &right, &above)
        set_value(&values, 0, block.above[0], shape.quantisation)
        add_mean(&above, values.rows[0])
        over = &above
    memset(&values, 0, sizeof(values))
    for n in range(9, 64):
        if block.known[n] and n & 7:
            set_value(&values, n, block.here[n], shape.quantisation)
    guess_edge(&values.rows[0], &above, shape.quantisation, 1, rows)
    guess_edge(&values.columns[0], &left, shape.quantisation, 8, columns)
    for n in range(1, 8):
        block.guesses[n] = rows[n]
        block.guesses[8 * n] = columns[n]
        set_value(&values, n, block.whole[n], shape.quantisation)
        set_value(&values, 8 * n, block.whole[8 * n], shape.quantisation)
    mean = guess_mean(&values, beside, over, shape.quantisation[0], &right, &below)
    block.guesses[0] = 16 * bounded(mean.guess)


cdef void _learn_trust(Block* block) noexcept nogil:
    """Note how much of the prediction came: of each place, and of the late blocks."""
    cdef int n, e
    block.lost -= block.lost >> 4
    block.shown -= block.shown >> 4
    for n in range(64):
        if n:
            block.lost += absolute(block.off[n])
            block.shown += block.known[n] * 64
        e = rounded(block.predicted[n])
        if e:
            block.products[n] += e * block.here[n]
            block.squares[n] += e * e
            if block.squares[n] > 1 << 10:
                block.products[n] >>= 1
                block.squares[n] >>= 1


cdef void _shrink(Block* block, int are_sure) noexcept nogil:
    """Expect only the part of each coefficient that came lately; of the mean, that it is off as the neighbours' were."""
    cdef int n, part, lately = (block.off_left[0] + block.off_above[0]) // 2
    block.n_left = 0
    if absolute(lately) > 96 and not (are_sure and block.is_sure[0]):
        n = low(block.expected[0] + lately, 64 * LIMIT)
        block.expected[0] = -64 * LIMIT if n < -64 * LIMIT else n
        block.whole[0] = rounded(block.expected[0])
    for n in range(64):
        if n and block.squares[n] and not (are_sure and block.is_sure[n]):
            part = block.products[n] * 64 // block.squares[n]
            if part < 24:
                part = 0 if part < 0 or block.trust > 2 else part
                block.expected[n] = block.expected[n] * part // 64
                block.whole[n] = rounded(block.expected[n])
        block.n_left += block.whole[n] != 0


cdef void _code_left(Coder* coder, Block* block) noexcept nogil:
    """How many of the inner coefficients are not zero, as the model without a base asks."""
    cdef int kind = block.kind, n, total = 0, a = n_inner(block.left), b = n_inner(block.above), c = n_inner(block.corner)
    cdef int e = n_inner(block.whole)
    for n in range(64):
        total += block.weighed[n]
    coder.lines[0] = upper_line(0, 1 << 28 | ((kind * 64 + a) * 64 + b) * 8 + low(7, log1(e)))
    coder.lines[1] = upper_line(1, 4 << 28 | (kind * 64 + e) * 32 + log1(a + b))
    coder.lines[2] = upper_line(2, 4 << 28 | (kind * 64 + log4(total)) * 16 + log1(e))
    coder.lines[3] = upper_line(3, 4 << 28 | ((kind * 32 + log1(block.other)) * 32 + log1(a + b + c)) * 16 + log1(e))
    block.n_to_come = code_count(coder, n_inner(block.here), 6, 600 + 2 * kind)


cdef void _code_poor(Coder* coder, Shape* shape, Block* block) noexcept nogil:
    """The inner coefficients one by one, until all that are not zero are out."""
    cdef int at, n
    _code_left(coder, block)
    for at in range(EDGES):
        n = ORDER[at]
        if block.n_to_come:
            _code_coefficient(coder, shape, block, n, at)
            block.n_to_come -= block.here[n] != 0
        else:
            _settle(block, n, 0)


cdef void _code_rest(Coder* coder, Shape* shape, Block* block, int start, int are_sure) noexcept nogil:
    """The coefficients from a place on, but for those of which it is known that they are as expected."""
    cdef int at, n
    for at in range(start, 64 if start else EDGES):
        n = ORDER[at]
        if are_sure and block.is_sure[n]:
            _settle(block, n, block.whole[n])
        else:
            _code_coefficient(coder, shape, block, n, at)


cdef void _code_block(Coder* coder, Shape* shape, Block* block, int y, int x) noexcept nogil:
    cdef int n, is_exact = 1, are_sure = 1, guess, recentred
    if not coder.is_decoding:
        for n in range(64):
            is_exact &= block.here[n] == block.whole[n]
            are_sure &= block.here[n] == block.whole[n] or not block.is_sure[n]
    if _code_flag(coder, block, is_exact, 0):
        for n in range(64):
            block.here[n] = block.whole[n]
            block.off[n] = 64 * block.whole[n] - block.expected[n]
        return
    memset(block.known, 0, sizeof(block.known))
    memset(block.off, 0, 128)
    for n in range(64):
        block.weighed[n] = 2 * (absolute(block.left[n]) + absolute(block.above[n])) + absolute(block.corner[n])
    are_sure = block.trust < 3 and _code_flag(coder, block, are_sure, 1)
    if block.trust > 1:
        _shrink(block, are_sure)
    if block.trust > 2:
        _code_poor(coder, shape, block)
    else:
        _code_rest(coder, shape, block, 0, are_sure)
    _guess(shape, block, x, y)
    # The mean is expected to be what fitted best lately, where predictions are poor.
    recentred = block.expected[0]
    guess = 4 * block.guesses[0]
    if block.trust > 1 and block.guess_is_off < block.mean_is_off and not (are_sure and block.is_sure[0]):
        block.expected[0] = guess
        block.whole[0] = rounded(guess)
    _code_rest(coder, shape, block, EDGES, are_sure)
    block.guess_is_off += absolute(guess - 64 * block.here[0]) - (block.guess_is_off >> 4)
    block.mean_is_off += absolute(recentred - 64 * block.here[0]) - (block.mean_is_off >> 4)
    _learn_trust(block)


cdef void code_given(Coder* coder, Shape* shape, const int32_t* expected) noexcept nogil:
    """Code a whole component against what is expected of it; what is decoded is written to its values."""
    cdef int16_t[64] nothing
    cdef Block block
    cdef int y, x, n, v
    cdef Py_ssize_t at, row = <Py_ssize_t>shape.cols * 64
    cdef int16_t* scratch = <int16_t*>shape.scratch
    memset(nothing, 0, sizeof(nothing))
    memset(&block, 0, sizeof(block))
    block.kind = shape.kind > 0
    for y in range(shape.rows):
        for x in range(shape.cols):
            at = y * row + x * 64
            block.here = shape.values + at
            block.left = block.here - 64 if x else nothing
            block.above = block.here - row if y else nothing
            block.corner = block.here - row - 64 if x and y else nothing
            block.off = scratch + (y & 1) * row + x * 64
            block.off_left = block.off - 64 if x else nothing
            block.off_above = scratch + ((y & 1) ^ 1) * row + x * 64 if y else nothing
            for n in range(64):
                v = low(expected[at + n], 64 * LIMIT)
                block.expected[n] = block.predicted[n] = v if v > -64 * LIMIT else -64 * LIMIT
                block.whole[n] = rounded(block.expected[n])
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
            block.trust = low(2, log1(block.near) >> 1)
            if block.trust == 2 and block.lost > block.shown - (block.shown >> 6):
                block.trust = 3
            block.other = 0
            if shape.other.values:
                block.other = shape.other.counts[place_in_other(shape, y, x)]
            block.missed = block.energy = block.n_known = block.n_left = 0
            for n in range(64):
                block.n_left += block.whole[n] != 0
            _measure_doubt(coder, &block)
            _code_block(coder, shape, &block, y, x)
            shape.counts[at] = 0 if block.missed == 0 else low(255, 1 + block.energy)
