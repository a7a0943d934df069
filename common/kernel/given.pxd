"""Coefficients that were predicted from a base."""

from common.kernel.bits cimport Coder
from common.kernel.blocks cimport Shape
from libc.stdint cimport int32_t

cdef void code_given(Coder* coder, Shape* shape, const int32_t* expected) noexcept nogil
