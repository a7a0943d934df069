"""Means of boxes along rows, as Pillow blurs: whole samples weigh the same, those at both ends what is left; edges are repeated.

The numbers travel in deltas and are checked first; then the inner loop follows pointers without bounds checks: indices are clamped
to the row.
"""

import numpy as np

from common.errors import ContentError

cdef enum:
    BOX_BITS = 24
    MOST_REACH = 4096


cdef inline Py_ssize_t _within(Py_ssize_t index, Py_ssize_t length) noexcept nogil:
    return 0 if index < 0 else length - 1 if index >= length else index


cdef void _line(
    const unsigned char *source, Py_ssize_t n, Py_ssize_t step, Py_ssize_t reach, long long weight, long long far_weight,
    unsigned char *out
) noexcept nogil:
    """n samples, `step` apart; |sum| < 2**8 * 2**14 * 2**25."""
    cdef Py_ssize_t i
    cdef long long total = 0, level
    for i in range(-reach, reach + 1):
        total += source[_within(i, n) * step]
    for i in range(n):
        level = total * weight + far_weight * (
            <int> source[_within(i - reach - 1, n) * step] + source[_within(i + reach + 1, n) * step]
        )
        level = (level + (1 << (BOX_BITS - 1))) >> BOX_BITS
        out[i * step] = 255 if level > 255 else <unsigned char> level
        total += <int> source[_within(i + reach + 1, n) * step] - source[_within(i - reach, n) * step]


def blur_across(const unsigned char[:, :, ::1] picture not None, Py_ssize_t reach, long long weight, long long far_weight):
    """Each sample a sum of `reach` on either side and itself, by `weight`, and of one more on either side, in 1/2**24.

    uint8 (rows, cols, channels), as it comes out too.  Errors: ContentError `damaged` of numbers that make no box.
    """
    cdef Py_ssize_t cols = picture.shape[1], channels = picture.shape[2], row, channel
    if not 0 <= reach < MOST_REACH or not 0 <= weight <= 1 << BOX_BITS or not 0 <= far_weight <= 1 << BOX_BITS:
        raise ContentError("damaged", "a box too wide, or weights too large")
    blurred = np.empty((picture.shape[0], cols, channels), np.uint8)
    cdef unsigned char[:, :, ::1] out = blurred
    with nogil:
        for row in range(picture.shape[0] if cols and channels else 0):
            for channel in range(channels):
                _line(&picture[row, 0, channel], cols, channels, reach, weight, far_weight, &out[row, 0, channel])
    return blurred
