"""The model without a base: coefficients are predicted from the blocks beside and above, and from the component before.

Of each block first the 49 inner coefficients, how many are not zero and which; then the first row and column, guessed so that the
neighbour's pixels go on at the border (with what is known of the block by then); then the mean, guessed likewise. The ideas are
Lepton's and packJPG's; here several contexts of each decision are mixed.

Whether a coefficient is zero is asked most: these counters lie close together, what a cache holds; the lines of the others apart.

Memory: places in a block are below 64 by the tables, neighbours outside of the frame are a block of zeros. Every context is
limited to its place in the table or hashed into it, and masked in any case.
"""

from common.kernel.bits cimport COLUMNS, NODES, SIGN, Coder, absolute, bounded, code_bit, code_interval, code_magnitude
from common.kernel.bits cimport code_count, counter_of, line_of, log1, log4, low
from common.kernel.blocks cimport Border, Mean, Shape, Values, add_mean, guess_edge, guess_mean, n_inner, place_in_other, set_value
from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t
from libc.string cimport memset

cdef extern from *:
    """
    #pragma GCC optimize("O3")
    """

cdef enum:                       # where in each context's table
    INNER_ZEROS = 0              # is it zero: one counter each
    EDGE_ZEROS = 1 << 15
    INNER_LINES = 1 << 16        # how large, of which sign: a line each
    EDGE_LINES = 1 << 17
    OTHER_LINES = 3 << 16        # hashed, as they are many and few occur
    N_OTHER_LINES = 1 << 13

cdef int[49] INNER = [           # the inner 7x7 coefficients in the order of a zigzag scan
    9, 17, 10, 11, 18, 25, 33, 26, 19, 12, 13, 20, 27, 34, 41, 49, 42, 35, 28, 21, 14, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44,
    37, 30, 23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
]


cdef inline uint32_t other_line(int input, uint32_t context) noexcept nogil:
    return line_of(input, OTHER_LINES, N_OTHER_LINES, context)


cdef struct Block:
    int16_t* here
    int16_t* left                # of a block of zeros at the frame's border
    int16_t* above
    int16_t* corner              # above and left
    int16_t* other               # in the other component
    int16_t[64] weighed          # magnitudes of the neighbours' coefficients, times 5
    Values values
    int kind
    int n_inner
    int n_left
    int n_above


cdef void _code_count(Coder* coder, Shape* shape, Block* block, int y, int x) noexcept nogil:
    """How many of the 49 inner coefficients are not zero."""
    cdef int kind = block.kind, count = 0, n_other = 0, n_corner = 0, n_right = 0
    cdef int i, total = 0, a = block.n_left, b = block.n_above
    cdef uint8_t* counts = shape.counts + <Py_ssize_t>y * shape.cols + x
    if not coder.is_decoding:
        count = n_inner(block.here)
    if shape.other.values:
        n_other = shape.other.counts[place_in_other(shape, y, x)]
    if y and x:
        n_corner = counts[-shape.cols - 1]
    if y and x + 1 < shape.cols:
        n_right = counts[-shape.cols + 1]
    for i in range(64):
        total += block.weighed[i]
    coder.lines[0] = other_line(0, 4 << 28 | (kind * 64 + b))
    coder.lines[1] = other_line(1, 4 << 28 | (((kind * 16 + log1(a)) * 16 + log1(b)) * 16 + log1(n_corner + n_right)))
    coder.lines[2] = other_line(2, 4 << 28 | ((kind * 64 + log4(total))))
    coder.lines[3] = other_line(3, 4 << 28 | ((kind * 256 + (2 * a + 2 * b + n_corner + n_right))))
    count = code_count(coder, count, 6, kind * 2)
    block.n_inner = counts[0] = low(count, 49)


cdef void _code_inner(Coder* coder, Shape* shape, Block* block) noexcept nogil:
    """The inner coefficients until all that are not zero are out."""
    cdef int32_t known[64]       # magnitudes of this block's
    cdef int kind = block.kind, second = kind > 0, left = block.n_inner, k = 0
    cdef int n, at, a, b, c, near, energy, other, i, magnitude, last1 = 0, last2 = 0
    memset(known, 0, sizeof(known))
    while left and k < 49:
        n = INNER[k]
        near = block.weighed[n]
        energy = near * 2 + block.weighed[n - 1] + block.weighed[n - 8]
        if n & 7 != 7:
            energy += block.weighed[n + 1]
        if n < 56:
            energy += block.weighed[n + 8]
        a = low(6, log1(absolute(block.left[n])))
        b = low(6, log1(absolute(block.above[n])))
        c = 2 * (known[n - 1] + known[n - 8]) + known[n - 9]
        other = low(6, log1(absolute(block.other[n])))
        i = low(11, log1(left))
        at = second * 49 + k
        coder.lines[0] = counter_of(0, INNER_ZEROS + (at * 20 + low(19, log4(c))) * 12 + i)
        coder.lines[1] = counter_of(1, INNER_ZEROS + ((second * 32 + low(31, log4(energy))) * 50 + left) * 7 + (k >> 3))
        coder.lines[2] = counter_of(2, INNER_ZEROS + ((at * 5 + low(4, last1)) * 5 + low(4, other)) * 12 + i)
        near = low(11, log1(near))
        energy = low(13, log1(energy))
        c = low(9, log1(c))
        coder.lines[3] = counter_of(3, INNER_ZEROS + (((second * 10 + c) * 12 + near) * 14 + energy) * 7 + (k >> 3))
        magnitude = absolute(block.here[n])
        last2 = last1
        last1 = 0
        if code_bit(coder, magnitude != 0, 0, 64 + kind * 64 + low(15, log1(left)) * 4 + low(3, k >> 3), 1):
            coder.lines[0] = counter_of(0, INNER_LINES + ((at * 10 + c) * 6 + (i >> 1)) * NODES)
            coder.lines[1] = counter_of(1, INNER_LINES + ((second * 14 + energy) * 50 + left) * NODES)
            coder.lines[2] = counter_of(2, INNER_LINES + ((at * 5 + low(4, last2)) * 12 + i) * NODES)
            coder.lines[3] = counter_of(3, INNER_LINES + (((second * 10 + c) * 12 + near) * 14 + energy) * NODES)
            magnitude = low(2047, code_magnitude(coder, magnitude, 256 + kind * 64 + n, second * 64 + n, 1))
            block.here[n] = -magnitude if code_interval(coder, block.here[n] < 0, 32768) else magnitude
            set_value(&block.values, n, block.here[n], shape.quantisation)
            last1 = known[n] = magnitude
            left -= 1
        k += 1


cdef void _code_edge(Coder* coder, Shape* shape, Block* block, const Border* border, int step) noexcept nogil:
    """Code what varies in one direction only (step 1: first row, step 8: first column), guessed by continuing the neighbour."""
    cdef int kind = 2 * block.kind + (step == 8), across = 9 - step
    cdef int16_t* beside = block.above if step == 1 else block.left
    cdef int16_t* along = block.left if step == 1 else block.above
    cdef int32_t guesses[8]
    cdef int count = 0, i, n, left, c, size, flip, sum_, other, magnitude, at, c1 = 0, c2 = 0, first = 0
    cdef int n_beside = 0, n_along = 0, n_other = 0
    sum_ = 0
    for i in range(1, 8):
        count += block.here[i * step] != 0
        n_beside += beside[i * step] != 0
        n_along += along[i * step] != 0
        n_other += block.other[i * step] != 0
        sum_ += block.weighed[i * step]
        if step == 8:
            first += block.here[i] != 0
    n = block.n_inner
    coder.lines[0] = other_line(0, 1 << 28 | (kind * 64 + n) * 8 + n_along)
    coder.lines[1] = other_line(1, 1 << 28 | ((kind * 64 + n) * 8 + n_other))
    coder.lines[2] = other_line(2, 1 << 28 | (kind * 64 + log4(sum_)) * 16 + log1(n))
    coder.lines[3] = other_line(3, 1 << 28 | ((kind * 16 + log1(n)) * 8 + first) * 8 + n_beside)
    left = code_count(coder, count, 3, 32 + 2 * kind)
    if left:
        guess_edge(&block.values.rows[0] if step == 1 else &block.values.columns[0], border, shape.quantisation, step, guesses)
    i = 1
    while left and i < 8:
        n = i * step
        flip = guesses[i] < 0
        size = absolute(guesses[i])
        c = absolute(block.here[n + across]) * 2
        if i < 7:
            c += absolute(block.here[n + step + across])
        other = low(7, log1(absolute(block.other[n])))
        first = (block.other[n] < 0) ^ flip
        sum_ = log1(block.weighed[n])
        at = kind * 8 + i
        coder.lines[0] = counter_of(0, EDGE_ZEROS + (at * 50 + block.n_inner) * 8 + left)
        coder.lines[1] = counter_of(1, EDGE_ZEROS + at * 512 + low(511, size >> 1))
        coder.lines[2] = counter_of(2, EDGE_ZEROS + ((at * 8 + other) * 2 + first) * 16 + low(15, log1(size >> 2)))
        coder.lines[3] = counter_of(3, EDGE_ZEROS + ((kind * 16 + low(15, log1(c1 + c2))) * 24 + sum_) * 8 + left)
        magnitude = absolute(block.here[n])
        c2 = c1
        c1 = 0
        if code_bit(coder, magnitude != 0, 0, 448 + at, 1):
            coder.lines[0] = counter_of(0, EDGE_LINES + ((at * 16 + low(15, log1(block.n_inner))) * 8 + left) * NODES)
            coder.lines[1] = counter_of(1, EDGE_LINES + (at * 128 + low(127, size >> 2)) * NODES)
            coder.lines[2] = counter_of(2, EDGE_LINES + (((at * 8 + other) * 2 + first) * 10 + low(9, log1(size >> 2))) * NODES)
            coder.lines[3] = counter_of(3, EDGE_LINES + ((kind * 16 + low(15, log1(c1 + c2))) * 24 + sum_) * NODES)
            magnitude = low(2047, code_magnitude(coder, magnitude, 496 + at, 128 + at, 1))
            c1 = magnitude
            magnitude = -magnitude if code_bit(coder, (block.here[n] < 0) ^ flip, SIGN, 496 + at, 1) else magnitude
            block.here[n] = -magnitude if flip else magnitude
            set_value(&block.values, n, block.here[n], shape.quantisation)
            left -= 1
        i += 1


cdef void _code_mean(Coder* coder, Block* block, Mean mean, int y, int x, int32_t* errors) noexcept nogil:
    cdef int e1 = errors[x] if y else 0, e2 = errors[x - 1] if x else 0, total = absolute(e1) + absolute(e2)
    cdef int flip = mean.differ < 0, differ = log4(absolute(mean.differ)), fine = log4(mean.spread), spread = log1(mean.spread)
    cdef int kind = block.kind, j = (e1 < 0) * 2 + (e2 < 0), error, magnitude
    coder.lines[0] = other_line(0, 3 << 28 | ((kind * 64 + log4(total)) * 16 + spread) * 2 + flip)
    coder.lines[1] = other_line(1, 3 << 28 | ((kind * 64 + block.n_inner) * 16 + spread))
    coder.lines[2] = other_line(2, 3 << 28 | ((kind * 64 + differ) * 16 + log1(total)) * 2 + flip)
    coder.lines[3] = other_line(3, 3 << 28 | ((kind * 16 + log1(block.n_left)) * 16 + log1(block.n_above)) * 64 + fine)
    error = block.here[0] - bounded(mean.guess)
    if flip:
        error = -error
    j = 544 + kind * 16 + low(15, spread)
    magnitude = absolute(error)
    magnitude = code_magnitude(coder, magnitude + 1, j, 192 + kind, 1) - 1
    if magnitude:
        error = -magnitude if code_bit(coder, error < 0, SIGN, j, 1) else magnitude
    else:
        error = 0
    if flip:
        error = -error
    errors[x] = bounded(error)
    block.here[0] = bounded(error + bounded(mean.guess))


cdef void code_alone(Coder* coder, Shape* shape) noexcept nogil:
    """Code a whole component: what is decoded is written to its values."""
    cdef int16_t[64] zeros
    cdef Border* above = <Border*>shape.scratch  # of the blocks above; of these here, once they are done
    cdef const Border* over
    cdef Border left
    cdef int32_t[COLUMNS] errors
    cdef Block block
    cdef Mean mean
    cdef int y, x, n
    cdef Py_ssize_t at, row = <Py_ssize_t>shape.cols * 64
    memset(zeros, 0, sizeof(zeros))
    memset(errors, 0, sizeof(errors))
    block.kind = shape.kind
    for y in range(shape.rows):
        memset(&left, 0, sizeof(left))
        for x in range(shape.cols):
            at = y * row + x * 64
            block.here = shape.values + at
            block.left = block.here - 64 if x else zeros
            block.above = block.here - row if y else zeros
            block.corner = block.here - row - 64 if x and y else zeros
            block.other = zeros
            if shape.other.values:
                block.other = shape.other.values + place_in_other(shape, y, x) * 64
            at = <Py_ssize_t>y * shape.cols + x
            block.n_left = shape.counts[at - 1] if x else 0
            block.n_above = shape.counts[at - shape.cols] if y else 0
            for n in range(64):
                block.weighed[n] = (absolute(block.left[n]) + absolute(block.above[n])) * 2 + absolute(block.corner[n])
            if not x or not y:
                for n in range(64):
                    block.weighed[n] = block.weighed[n] * 2
            memset(&block.values, 0, sizeof(block.values))
            over = &above[x] if y else NULL
            _code_count(coder, shape, &block, y, x)
            _code_inner(coder, shape, &block)
            _code_edge(coder, shape, &block, &above[x], 1)
            _code_edge(coder, shape, &block, &left, 8)
            mean = guess_mean(&block.values, &left if x else NULL, over, shape.quantisation[0], &left, &above[x])
            _code_mean(coder, &block, mean, y, x, errors)
            set_value(&block.values, 0, block.here[0], shape.quantisation)
            add_mean(&left, block.values.rows[0])
            add_mean(&above[x], block.values.rows[0])
