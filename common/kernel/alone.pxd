"""Coefficients that have nothing to be predicted from."""

from common.kernel.bits cimport Coder
from common.kernel.blocks cimport Shape

cdef void code_alone(Coder* coder, Shape* shape) noexcept nogil
