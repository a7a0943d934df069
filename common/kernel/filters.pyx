"""PNG's filters of rows (PNG 9): undone, done again, and chosen as libpng and Pillow choose them.

Inner loops go over one row by pointers: a row and the one above it have `stride` bytes of checked arrays, and what is left of a row
is looked at from its `step`-th byte on only.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from common.errors import ContentError

cdef enum:
    PLAIN = 0
    LEFT = 1
    ABOVE = 2
    MEAN = 3
    PAETH = 4


cdef inline int _nearest(int left, int above, int corner) noexcept nogil:
    """The neighbour that is nearest to left + above - corner."""
    cdef int to_left = above - corner, to_above = left - corner, to_corner = to_left + to_above
    to_left = -to_left if to_left < 0 else to_left
    to_above = -to_above if to_above < 0 else to_above
    to_corner = -to_corner if to_corner < 0 else to_corner
    if to_left <= to_above and to_left <= to_corner:
        return left
    return above if to_above <= to_corner else corner


cdef void _undo(uint8_t* row, const uint8_t* above, Py_ssize_t stride, Py_ssize_t step, int filter_) noexcept nogil:
    """Makes a filtered row what it was."""
    cdef Py_ssize_t i, first = min(step, stride)
    if filter_ == LEFT:
        for i in range(step, stride):
            row[i] += row[i - step]
    elif filter_ == ABOVE:
        for i in range(stride):
            row[i] += above[i]
    elif filter_ == MEAN:
        for i in range(first):
            row[i] += above[i] >> 1
        for i in range(step, stride):
            row[i] += (<int>row[i - step] + above[i]) >> 1
    elif filter_ == PAETH:
        for i in range(first):
            row[i] += above[i]
        for i in range(step, stride):
            row[i] += _nearest(row[i - step], above[i], above[i - step])


cdef void _do(
    const uint8_t* row, const uint8_t* above, Py_ssize_t stride, Py_ssize_t step, int filter_, uint8_t* out
) noexcept nogil:
    """Filters a row."""
    cdef Py_ssize_t i, first = min(step, stride)
    if filter_ == PLAIN or filter_ == LEFT:
        memcpy(out, row, stride)
    if filter_ == LEFT:
        for i in range(step, stride):
            out[i] = row[i] - row[i - step]
    elif filter_ == ABOVE:
        for i in range(stride):
            out[i] = row[i] - above[i]
    elif filter_ == MEAN:
        for i in range(first):
            out[i] = row[i] - (above[i] >> 1)
        for i in range(step, stride):
            out[i] = row[i] - ((<int>row[i - step] + above[i]) >> 1)
    elif filter_ == PAETH:
        for i in range(first):
            out[i] = row[i] - above[i]
        for i in range(step, stride):
            out[i] = row[i] - _nearest(row[i - step], above[i], above[i - step])


cdef inline uint64_t _size_of(const uint8_t* row, Py_ssize_t stride) noexcept nogil:
    """The sum of the bytes, taken as numbers with a sign, without it: eight at a time."""
    cdef uint64_t ones = 0x0101010101010101, total = 0, eight, negative
    cdef Py_ssize_t i = 0
    while i + 8 <= stride:
        memcpy(&eight, row + i, 8)
        negative = (eight >> 7) & ones
        eight = (eight ^ (negative * 255)) + negative       # at most 128 each
        total += ((eight & <uint64_t>0x00FF00FF00FF00FF) + (eight >> 8 & <uint64_t>0x00FF00FF00FF00FF)) * <uint64_t>0x0001000100010001 >> 48
        i += 8
    while i < stride:
        total += row[i] if row[i] < 128 else 256 - row[i]
        i += 1
    return total


def undo(const uint8_t[:, ::1] filtered not None, Py_ssize_t step):
    """Rows, each behind the number of its filter, to rows as they were and the numbers."""
    cdef Py_ssize_t rows = filtered.shape[0], stride = filtered.shape[1] - 1, i
    if rows < 1 or stride < 1 or step < 1:
        raise ValueError("a picture has rows of bytes")
    numbers, undone = np.asarray(filtered)[:, 0].copy(), np.asarray(filtered)[:, 1:].copy()
    if numbers.max() > PAETH:
        raise ContentError("damaged", "a filter that does not exist")
    cdef uint8_t[:, ::1] out = undone
    cdef const uint8_t[::1] filters = numbers
    cdef uint8_t[::1] nothing = np.zeros(stride, np.uint8)
    with nogil:
        for i in range(rows):
            _undo(&out[i, 0], &out[i - 1, 0] if i else &nothing[0], stride, step, filters[i])
    return undone, numbers


def do(const uint8_t[:, ::1] raw not None, const uint8_t[::1] filters not None, Py_ssize_t step):
    """Rows to filtered rows, each behind the number of its filter."""
    cdef Py_ssize_t rows = raw.shape[0], stride = raw.shape[1], i
    if rows < 1 or stride < 1 or step < 1 or filters.shape[0] != rows:
        raise ValueError("a picture has rows of bytes, and a filter for each")
    if np.asarray(filters).max() > PAETH:
        raise ContentError("damaged", "a filter that does not exist")
    filtered = np.empty((rows, stride + 1), np.uint8)
    cdef uint8_t[:, ::1] out = filtered
    cdef uint8_t[::1] nothing = np.zeros(stride, np.uint8)
    with nogil:
        for i in range(rows):
            out[i, 0] = filters[i]
            _do(&raw[i, 0], &raw[i - 1, 0] if i else &nothing[0], stride, step, filters[i], &out[i, 1])
    return filtered


def least(const uint8_t[:, ::1] raw not None, Py_ssize_t step, order):
    """For each row the first of the filters in `order` that leaves the least sum."""
    cdef Py_ssize_t rows = raw.shape[0], stride = raw.shape[1], i
    cdef const uint8_t[::1] tried = np.array(order, np.uint8)
    cdef Py_ssize_t n = len(tried), k
    cdef uint64_t size, smallest
    if rows < 1 or stride < 1 or step < 1 or n < 1 or max(order) > PAETH:
        raise ValueError("a picture has rows of bytes, and there are five filters")
    chosen = np.empty(rows, np.uint8)
    cdef uint8_t[::1] out = chosen
    cdef uint8_t[::1] nothing = np.zeros(stride, np.uint8), filtered = np.empty(stride, np.uint8)
    with nogil:
        for i in range(rows):
            smallest = 0
            for k in range(n):
                _do(&raw[i, 0], &raw[i - 1, 0] if i else &nothing[0], stride, step, tried[k], &filtered[0])
                size = _size_of(&filtered[0], stride)
                if k == 0 or size < smallest:
                    smallest = size
                    out[i] = tried[k]
    return chosen
