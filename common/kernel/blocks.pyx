"""How a block's pixels go on from its neighbours': guesses of its first row, first column and mean.

Lines of pixels at a border stay sums of the frequencies along it: that is all that a guess needs.
"""

from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memset

cdef extern from *:
    """
    #pragma GCC optimize("O3")
    """

cdef int[9] COSINE = [2896, 4017, 3784, 3406, 2896, 2276, 1567, 799, 0]  # cos(k pi / 16) / 2 in 1/8192; the first is 1 / sqrt 8
cdef int16_t[8][8] BASIS         # [pixel][frequency]


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


cdef int n_inner(const int16_t* block) noexcept nogil:
    """Return how many of the inner coefficients are not zero."""
    cdef int n, count = block[0] != 0
    for n in range(64):
        count += block[n] != 0
    for n in range(8):
        count -= (block[n] != 0) + (block[8 * n] != 0)
    return count


cdef void guess_edge(
    const int16_t* lines, const Border* beside, const int16_t* quantisation, int step, int32_t* guesses
) noexcept nogil:
    """Guess what varies in one direction only (step 1: first row, step 8: first column), in 1/16 steps.

    The pixels are to be continuous at the border: what the last line of the neighbour is, the first one here is. `lines` are the
    rows (the columns) of the values here; the inner ones count.
    """
    cdef int32_t sums[8]
    cdef int64_t guess
    cdef int i, j
    for i in range(8):
        sums[i] = beside.last[i]
    for j in range(1, 8):
        for i in range(8):
            sums[i] -= BASIS[0][j] * lines[8 * j + i]
    for i in range(1, 8):
        guess = <int64_t>sums[i] * 16 // (COSINE[0] * quantisation[i * step])
        guesses[i] = 32767 if guess > 32767 else -32767 if guess < -32767 else guess


cdef int _cross(const int16_t* lines, const Border* before, Border* border, int32_t* across) noexcept nogil:
    """How the block ends on the far side; and across the near one, what its pixels would have to be lowered by to go on smoothly.

    Pixels of both sides are sums and differences of the same: those of even frequencies, and those of odd ones.
    """
    cdef int32_t even[2][8]
    cdef int32_t odd[2][8]
    cdef int i, j, k, spread = 0
    memset(even, 0, sizeof(even))
    memset(odd, 0, sizeof(odd))
    for k in range(2):
        for j in range(0, 8, 2):
            for i in range(8):
                even[k][i] += BASIS[k][j] * lines[8 * j + i]
                odd[k][i] += BASIS[k][j + 1] * lines[8 * j + 8 + i]
    if before != NULL:
        for i in range(8):
            across[i] = before.ahead[i] - ((even[0][i] + odd[0][i] + even[1][i] + odd[1][i]) >> 1)
        for i in range(1, 8):
            spread += (across[i] if across[i] > 0 else -across[i]) >> 4
    for i in range(8):
        border.last[i] = even[0][i] - odd[0][i]
        border.ahead[i] = (3 * border.last[i] - even[1][i] + odd[1][i]) >> 1
    return spread


cdef Mean guess_mean(
    const Values* values, const Border* left, const Border* above, int step, Border* right, Border* below
) noexcept nogil:
    """Guess a block's mean so that pixels go on smoothly over both borders, NULL where there is no neighbour.

    The values' own mean is 0. Notes how the block ends on the other two sides, in what
    may be the neighbours' own borders.
    """
    cdef int32_t across[2][8]
    cdef int unit = COSINE[0] * step, n_sides = (left != NULL) + (above != NULL), v
    cdef Mean mean
    across[0][0] = across[1][0] = 0
    mean.spread = _cross(values.rows, above, below, across[0]) + _cross(values.columns, left, right, across[1])
    mean.guess = mean.differ = 0
    if n_sides:
        v = (across[0][0] >> 1) + (across[1][0] >> 1)
        if n_sides == 1:
            v *= 2
        mean.guess = (v + (unit >> 1 if v >= 0 else -(unit >> 1))) // unit
        mean.spread = mean.spread // (unit >> 3)
        mean.differ = ((across[0][0] >> 1) - (across[1][0] >> 1)) // (unit >> 3) if n_sides == 2 else 0
    return mean


cdef void add_mean(Border* border, int value) noexcept nogil:
    """Add to how a block ends what its mean, dequantised, makes of it."""
    border.last[0] += COSINE[0] * value
    border.ahead[0] += COSINE[0] * value
