"""Coefficients that have nothing to be predicted from; and what both models know of a component."""

from common.kernel.bits cimport Coder
from libc.stdint cimport int16_t, int32_t, uint8_t

cdef struct Reference:           # the component that the contexts look at: Y for Cb, Cb for Cr
    int16_t* values
    uint8_t* counts
    int rows
    int cols

cdef struct Shape:               # one component
    int16_t* values              # rows * cols * 64
    uint8_t* counts              # rows * cols: how many of the 49 inner coefficients are not zero
    int32_t* scratch             # 64 * cols, zeros: what a model keeps of this row and the one above
    int32_t* quantisation        # 64
    int rows
    int cols
    int kind                     # 0 first component, 1 second, 2 others
    Reference other

cdef inline Py_ssize_t place_in_other(Shape* shape, int y, int x) noexcept nogil:
    """Return the number of the other component's block that shows the same part of the picture: below rows * cols."""
    return <Py_ssize_t>(y * shape.other.rows // shape.rows) * shape.other.cols + x * shape.other.cols // shape.cols


cdef void code_alone(Coder* coder, Shape* shape) noexcept nogil
