"""What transforms share: the walk over a component's blocks."""

ctypedef void (*InverseBlock)(const short *coefficients, const int *quantisation, unsigned char *samples, Py_ssize_t stride) noexcept nogil

cdef object inverse_blocks(const short[:, :, ::1] coefficients, quantisation, InverseBlock inverse_block)
