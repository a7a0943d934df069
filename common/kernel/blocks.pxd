"""What both models see of a block: its neighbours, and how their pixels would go on over the border."""

from libc.stdint cimport int16_t, int32_t, uint8_t

cdef enum:
    BOUND = 16384                # of a dequantised coefficient

cdef struct Reference:           # the component that the contexts look at: Y for Cb, Cb for Cr
    int16_t* values
    uint8_t* counts
    int rows
    int cols

cdef struct Shape:               # one component
    int16_t* values              # rows * cols * 64
    uint8_t* counts              # rows * cols: how many of the 49 inner coefficients are not zero
    uint8_t* scratch             # 256 * cols, zeros: what a model keeps of this row and the one above
    int16_t* quantisation        # 64, at most BOUND: larger ones are the same to dequantise
    int rows
    int cols
    int kind                     # 0 first component, 1 second, 2 others
    Reference other

cdef struct Values:              # a block, dequantised
    int16_t[64] rows
    int16_t[64] columns          # the same, turned

cdef struct Border:              # how a block ends at one side, by frequencies along it, 1/8192
    int32_t[8] last              # its last line of pixels
    int32_t[8] ahead             # half a line further: gone on as from the line before

cdef struct Mean:                # what the borders say of a block's mean, in steps of it
    int guess
    int spread                   # how much the borders vary that should not, 1/4 steps
    int differ                   # how far both guesses are apart

cdef inline Py_ssize_t place_in_other(Shape* shape, int y, int x) noexcept nogil:
    """Return the number of the other component's block that shows the same part of the picture: below rows * cols."""
    return <Py_ssize_t>(y * shape.other.rows // shape.rows) * shape.other.cols + x * shape.other.cols // shape.cols

cdef inline void set_value(Values* values, int n, int coefficient, const int16_t* quantisation) noexcept nogil:
    """Note a coefficient, limited so that sums of products stay below 2**31; those of pictures are half of that."""
    cdef int value = coefficient * quantisation[n]
    value = BOUND if value > BOUND else value
    value = -BOUND if value < -BOUND else value
    values.rows[n] = values.columns[n >> 3 | (n & 7) << 3] = value

cdef int n_inner(const int16_t* block) noexcept nogil
cdef void guess_edge(
    const int16_t* lines, const Border* beside, const int16_t* quantisation, int step, int32_t* guesses
) noexcept nogil
cdef Mean guess_mean(
    const Values* values, const Border* left, const Border* above, int step, Border* right, Border* below
) noexcept nogil
cdef void add_mean(Border* border, int value) noexcept nogil
