"""The model without a base: coefficients are predicted from the blocks beside and above, and from the component before.

Of each block first the 49 inner coefficients, how many are not zero and which; then the first row and column, guessed so that the
neighbour's pixels go on at the border (with what is known of the block by then); then the mean, guessed likewise. The ideas are
Lepton's and packJPG's; here several contexts of each decision are mixed.

Memory: places in a block are below 64 by the tables, neighbours outside of the frame are a block of zeros, and borders are kept
for as many blocks as a row has. Sums are bounded where hostile coefficients and divisors could make them overflow; see there.
"""

from common.kernel.bits cimport COLUMNS, LIMIT, Coder, absolute, bounded, code_tree, code_value, line_of, log1, log4, low
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from libc.string cimport memset

cdef enum:
    SCALE = 13                   # bits of the basis' fraction

cdef int[49] INNER = [           # the inner 7x7 coefficients in the order of a zigzag scan
    9, 17, 10, 11, 18, 25, 33, 26, 19, 12, 13, 20, 27, 34, 41, 49, 42, 35, 28, 21, 14, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44,
    37, 30, 23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
]
cdef int[9] COSINE = [2896, 4017, 3784, 3406, 2896, 2276, 1567, 799, 0]  # cos(k pi / 16) / 2 in 1/8192; the first is 1 / sqrt 8
cdef int[8][8] BASIS             # [pixel][frequency]


cdef void _fill_tables() noexcept:
    cdef int pixel, frequency, angle, sign
    for pixel in range(8):
        for frequency in range(8):
            angle = (2 * pixel + 1) * frequency % 32
            sign = 1
            if angle > 16:
                angle = 32 - angle
            if angle > 8:
                angle = 16 - angle
                sign = -1
            BASIS[pixel][frequency] = COSINE[0] if frequency == 0 else sign * COSINE[angle]


_fill_tables()


cdef struct Block:
    int16_t* here
    int16_t* left                # of a block of zeros at the frame's border
    int16_t* above
    int16_t* corner              # above and left
    int16_t* right               # above and right
    int16_t* other               # in the other component
    int32_t[64] weighed          # magnitudes of the neighbours' coefficients, 1/32
    int32_t[64] values           # dequantised
    int kind
    int n_inner
    int n_left
    int n_above


cdef void _code_inner(Coder* coder, Shape* shape, Block* block, int y, int x) noexcept nogil:
    """How many of the 49 inner coefficients are not zero, then the coefficients until these are out."""
    cdef int kind = block.kind, count = 0, n_other = 0, n_corner = 0, n_right = 0
    cdef int i, k, n, left, sel, total = 0
    cdef int at, m, a, b, c, near, energy, last1 = 0, last2 = 0, other
    cdef uint8_t* counts = shape.counts + <Py_ssize_t>y * shape.cols + x
    if not coder.is_decoding:
        for k in range(49):
            count += block.here[INNER[k]] != 0
    if shape.other.values:
        n_other = shape.other.counts[place_in_other(shape, y, x)]
    if y and x:
        n_corner = counts[-shape.cols - 1]
    if y and x + 1 < shape.cols:
        n_right = counts[-shape.cols + 1]
    a = block.n_left
    b = block.n_above
    for i in range(64):
        total += block.weighed[i]
    for i in range(2):
        k = 0 if i == 0 else 1 + (count >> 3 if not coder.is_decoding else n)
        coder.lines[0] = line_of(0, 4 << 28 | ((kind * 64 + a) << 8) + k)
        coder.lines[1] = line_of(1, 4 << 28 | ((kind * 64 + b) << 8) + k)
        coder.lines[2] = line_of(2, 4 << 28 | ((kind * 64 + n_other) * 16 + log1(a + b) << 8) + k)
        coder.lines[3] = line_of(3, 4 << 28 | (((kind * 16 + log1(a)) * 16 + log1(b)) * 16 + log1(n_corner + n_right) << 8) + k)
        coder.lines[4] = line_of(4, 4 << 28 | ((kind * 64 + log4(total >> 3)) << 8) + k)
        coder.lines[5] = line_of(5, 4 << 28 | ((kind * 256 + (2 * a + 2 * b + n_corner + n_right)) << 8) + k)
        sel = kind * 16 + i * 8 + low(7, k)
        if i == 0:
            n = code_tree(coder, count >> 3, 3, sel)
        else:
            count = (n << 3) + code_tree(coder, count & 7, 3, sel)
    if count > 49:
        count = 49
    counts[0] = count
    block.n_inner = count
    left = count
    k = 0
    while left and k < 49:
        n = INNER[k]
        near = block.weighed[n]
        energy = near * 2 + block.weighed[n - 1] + block.weighed[n - 8]
        if n & 7 != 7:
            energy += block.weighed[n + 1]
        if n < 56:
            energy += block.weighed[n + 8]
        a = absolute(block.left[n])
        b = absolute(block.above[n])
        c = 0
        if n & 7 > 1:
            c += 2 * absolute(block.here[n - 1])
        if n > 16:
            c += 2 * absolute(block.here[n - 8])
        if n & 7 > 1 and n > 16:
            c += absolute(block.here[n - 9])
        other = absolute(block.other[n])
        i = log1(left)
        at = (49 if kind else 0) + k
        m = low(23, log4(near >> 3))
        coder.lines[0] = line_of(0, ((at * 7 + low(6, log1(a))) * 7 + low(6, log1(b))) * 6 + (i >> 1))
        coder.lines[1] = line_of(1, (at * 20 + low(19, log4(c))) * 12 + i)
        coder.lines[2] = line_of(2, ((at * 7 + low(6, log1(other))) * 12 + low(11, log1(near >> 3))) * 3 + low(2, log1(c)))
        coder.lines[3] = line_of(3, (((kind > 0) * 32 + low(31, log4(energy >> 3))) * 50 + left) * 7 + (k >> 3))
        coder.lines[4] = line_of(4, ((at * 5 + low(4, last1)) * 5 + low(4, last2)) * 12 + i)
        a = ((kind > 0) * 10 + low(9, log1(c))) * 12 + low(11, log1(near >> 3))
        coder.lines[5] = line_of(5, (a * 14 + low(13, log1(energy >> 3))) * 7 + (k >> 3))
        block.here[n] = bounded(code_value(coder, block.here[n], 64 + kind * 64 + n, 256 + kind * 16 + low(i, 15)))
        last2 = last1
        last1 = absolute(block.here[n])
        left -= last1 != 0
        k += 1


cdef void _code_edge(Coder* coder, Shape* shape, Block* block, int step) noexcept nogil:
    """Code what varies in one direction only (step 1: first row, step 8: first column), guessed by continuing the neighbour."""
    cdef int kind = 2 * block.kind + (step == 8), across = 9 - step
    cdef int16_t* beside = block.above if step == 1 else block.left
    cdef int16_t* along = block.left if step == 1 else block.above
    cdef int count = 0, i, j, n, left, a, b, c, size, flip, sum_, other, value, c1 = 0, c2 = 0
    cdef int n_beside = 0, n_along = 0, n_other = 0
    cdef int64_t guess
    for i in range(1, 8):
        count += block.here[i * step] != 0
        n_beside += beside[i * step] != 0
        n_along += along[i * step] != 0
        n_other += block.other[i * step] != 0
    sum_ = 0
    for i in range(1, 8):
        sum_ += block.weighed[i * step]
    n = block.n_inner
    coder.lines[0] = line_of(0, 1 << 28 | (kind * 64 + n) * 8 + n_beside)
    coder.lines[1] = line_of(1, 1 << 28 | (kind * 64 + n) * 8 + n_along)
    coder.lines[2] = line_of(2, 1 << 28 | ((kind * 8 + n_beside) * 8 + n_along) * 8 + n_other)
    coder.lines[3] = line_of(3, 1 << 28 | ((kind * 64 + n) * 8 + n_other))
    coder.lines[4] = line_of(4, 1 << 28 | (kind * 64 + log4(sum_ >> 3)) * 16 + log1(n))
    a = 0
    if step == 8:
        for i in range(1, 8):
            a += block.here[i] != 0
    coder.lines[5] = line_of(5, 1 << 28 | ((kind * 16 + log1(n)) * 8 + a) * 8 + n_beside)
    left = code_tree(coder, count, 3, 320 + kind)
    i = 1
    while left and i < 8:
        n = i * step
        guess = 0
        for j in range(1, 8):
            # Continuous at the border: what the eighth pixel of the neighbour is, the first one here is.
            a = beside[n + j * across]
            a = (-a if j & 1 else a) - block.here[n + j * across]
            guess += <int64_t>BASIS[0][j] * shape.quantisation[n + j * across] * low(a, LIMIT)
        guess += <int64_t>BASIS[0][0] * shape.quantisation[n] * beside[n]
        guess = guess // ((BASIS[0][0] * shape.quantisation[n]) >> 4)   # 1/16 steps
        flip = guess < 0
        size = absolute(<int>guess)
        a = absolute(along[n])
        b = absolute(beside[n])
        c = absolute(block.here[n + across]) * 2
        if i < 7:
            c += absolute(block.here[n + step + across])
        other = absolute(block.other[n])
        sum_ = log1(left)
        coder.lines[0] = line_of(0, 2 << 28 | ((kind * 8 + i) * 64 + log4(size)) * 8 + left)
        coder.lines[1] = line_of(1, 2 << 28 | ((kind * 8 + i) * 64 + block.n_inner) * 8 + left)
        coder.lines[2] = line_of(2, 2 << 28 | (((kind * 8 + i) * 16 + log1(c1)) * 16 + log1(c)) * 16 + log1(size >> 2))
        coder.lines[3] = line_of(3, 2 << 28 | (kind * 8 + i) * 2048 + low(2047, size >> 1))
        a = ((kind * 8 + i) * 16 + log1(other)) * 2 + ((block.other[n] < 0) ^ flip)
        coder.lines[4] = line_of(4, 2 << 28 | a * 16 + log1(size >> 2))
        coder.lines[5] = line_of(5, 2 << 28 | ((kind * 16 + log1(c1 + c2)) * 16 + log1(block.weighed[n] >> 3)) * 8 + left)
        value = code_value(coder, -block.here[n] if flip else block.here[n], 336 + kind * 8 + i, 448 + kind * 8 + i)
        block.here[n] = bounded(-value if flip else value)
        c2 = c1
        c1 = absolute(value)
        left -= value != 0
        i += 1


cdef void _code_dc(Coder* coder, Shape* shape, Block* block, int y, int x, int32_t* errors) noexcept nogil:
    """The mean, guessed so that the pixels go on smoothly over both borders."""
    cdef int32_t half[64]
    cdef int32_t pixels[64]
    cdef int32_t guesses[16]
    cdef int32_t* above = shape.scratch + ((y & 1) ^ 1) * <Py_ssize_t>shape.cols * 32 + x * 32
    cdef int32_t* mine = shape.scratch + (y & 1) * <Py_ssize_t>shape.cols * 32 + x * 32
    cdef int32_t* left = mine - 32
    cdef int i, j, u, n = 0, sum1 = 0, sum2 = 0, top = -(1 << 30), bottom = 1 << 30, guess, unit, value, spread, differ
    cdef int e1, e2, total, flip, error, kind = block.kind
    cdef int32_t v
    memset(half, 0, sizeof(half))
    for u in range(64):                      # along the rows: half[row frequency][pixel]
        v = block.values[u]
        if v and u:
            for i in range(8):
                half[(u & 56) + i] += v * BASIS[i][u & 7]
    for i in range(64):
        v = (half[i] + (1 << 6)) >> 7        # 6 bits of fraction; a picture's are below the bound, anything's must be
        half[i] = 1 << 18 if v > 1 << 18 else -(1 << 18) if v < -(1 << 18) else v
    for j in range(8):
        for i in range(8):
            v = 0
            for u in range(8):
                v += half[8 * u + i] * (BASIS[j][u] >> 3)
            pixels[8 * j + i] = v >> 12      # 4 bits of fraction
    unit = low(shape.quantisation[0], 1024) * 2         # a step of the DC in pixels, 1/16
    if y:
        for i in range(8):
            u = above[8 + i] - above[i] + pixels[i] - pixels[8 + i]
            guesses[n] = above[8 + i] + u // 2 - pixels[i]
            sum1 += guesses[n]
            n += 1
    if x:
        for i in range(8):
            u = left[24 + i] - left[16 + i] + pixels[8 * i] - pixels[8 * i + 1]
            guesses[n] = left[24 + i] + u // 2 - pixels[8 * i]
            sum2 += guesses[n]
            n += 1
    if n:
        guess = (sum1 + sum2) // n
        for i in range(n):
            top = guesses[i] if guesses[i] > top else top
            bottom = guesses[i] if guesses[i] < bottom else bottom
        spread = (top - bottom) * 4 // unit
        differ = (sum1 - sum2) // 2 // unit if n == 16 else 0
        guess = (guess * 2 + (unit if guess >= 0 else -unit)) // (2 * unit)
        guess = bounded(guess)
    else:
        guess = spread = differ = 0
    flip = differ < 0
    differ = absolute(differ)
    e1 = errors[x] if y else 0
    e2 = errors[x - 1] if x else 0
    total = absolute(e1) + absolute(e2)
    coder.lines[0] = line_of(0, 3 << 28 | (kind * 64 + log4(spread)) * 64 + log4(differ))
    coder.lines[1] = line_of(1, 3 << 28 | ((kind * 64 + log4(total)) * 16 + log1(spread)) * 2 + flip)
    j = (e1 < 0) * 2 + (e2 < 0)
    coder.lines[2] = line_of(2, 3 << 28 | ((kind * 64 + log4(absolute(e1))) * 64 + log4(absolute(e2))) * 4 + j)
    coder.lines[3] = line_of(3, 3 << 28 | ((kind * 64 + block.n_inner) * 16 + log1(spread)))
    coder.lines[4] = line_of(4, 3 << 28 | ((kind * 64 + log4(differ)) * 16 + log1(total)) * 2 + flip)
    coder.lines[5] = line_of(5, 3 << 28 | ((kind * 16 + log1(block.n_left)) * 16 + log1(block.n_above)) * 64 + log4(spread))
    value = block.here[0] - guess
    j = kind * 16 + low(15, log1(spread))
    value = code_value(coder, -value if flip else value, 512 + j, 576 + j)
    error = -value if flip else value
    value = bounded(error + guess)
    block.here[0] = value
    errors[x] = error
    value = value * unit
    for i in range(8):
        mine[i] = pixels[48 + i] + value
        mine[8 + i] = pixels[56 + i] + value
        mine[16 + i] = pixels[8 * i + 6] + value
        mine[24 + i] = pixels[8 * i + 7] + value


cdef void code_alone(Coder* coder, Shape* shape) noexcept nogil:
    """Code a whole component: what is decoded is written to its values."""
    cdef int16_t[64] zeros
    cdef int32_t[COLUMNS] errors
    cdef Block block
    cdef int y, x, n, v
    cdef Py_ssize_t at, row = <Py_ssize_t>shape.cols * 64
    memset(zeros, 0, sizeof(zeros))
    memset(errors, 0, sizeof(errors))
    block.kind = shape.kind
    for y in range(shape.rows):
        for x in range(shape.cols):
            at = y * row + x * 64
            block.here = shape.values + at
            block.left = block.here - 64 if x else zeros
            block.above = block.here - row if y else zeros
            block.corner = block.here - row - 64 if x and y else zeros
            block.right = block.here - row + 64 if y and x + 1 < shape.cols else block.above
            block.other = zeros
            if shape.other.values:
                block.other = shape.other.values + place_in_other(shape, y, x) * 64
            at = <Py_ssize_t>y * shape.cols + x
            block.n_left = shape.counts[at - 1] if x else 0
            block.n_above = shape.counts[at - shape.cols] if y else 0
            for n in range(64):
                block.weighed[n] = 13 * (absolute(block.left[n]) + absolute(block.above[n])) + 6 * absolute(block.corner[n])
            if not x or not y:
                for n in range(64):
                    block.weighed[n] = block.weighed[n] * 32 // 13
            _code_inner(coder, shape, &block, y, x)
            _code_edge(coder, shape, &block, 1)
            _code_edge(coder, shape, &block, 8)
            for n in range(64):
                v = block.here[n] * shape.quantisation[n]
                block.values[n] = 16384 if v > 16384 else -16384 if v < -16384 else v
            _code_dc(coder, shape, &block, y, x, errors)
