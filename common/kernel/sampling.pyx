"""Chroma at fewer samples than luma: what libjpeg-turbo does on the way in (jcsample.c) and out (jdsample.c), bit for bit.

Rows are handed to inner loops as pointers with their length, without bounds checks: the address is taken from a checked view
and the lengths follow from shapes that are checked or made here.
"""

import numpy as np


cdef void _widen(const unsigned char *near, Py_ssize_t n, unsigned char *out) noexcept nogil:
    """A row of n > 2 samples to 2n: three quarters of the nearer, one of the further (h2v1_fancy_upsample)."""
    cdef Py_ssize_t i
    out[0] = near[0]
    out[1] = (3 * near[0] + near[1] + 2) >> 2
    for i in range(1, n - 1):
        out[2 * i] = (3 * near[i] + near[i - 1] + 1) >> 2
        out[2 * i + 1] = (3 * near[i] + near[i + 1] + 2) >> 2
    out[2 * n - 2] = (3 * near[n - 1] + near[n - 2] + 1) >> 2
    out[2 * n - 1] = near[n - 1]


cdef void _widen_between(
    const unsigned char *near, const unsigned char *far, Py_ssize_t n, unsigned char *out
) noexcept nogil:
    """Two rows of n > 2 samples to one of 2n between them, nearer to the first (h2v2_fancy_upsample)."""
    cdef Py_ssize_t i
    cdef int last, this = 3 * near[0] + far[0], following = 3 * near[1] + far[1]
    out[0] = (4 * this + 8) >> 4
    out[1] = (3 * this + following + 7) >> 4
    for i in range(1, n - 1):
        last = this
        this = following
        following = 3 * near[i + 1] + far[i + 1]
        out[2 * i] = (3 * this + last + 8) >> 4
        out[2 * i + 1] = (3 * this + following + 7) >> 4
    out[2 * n - 2] = (3 * following + this + 8) >> 4
    out[2 * n - 1] = (4 * following + 7) >> 4


cdef void _blend(
    const unsigned char *near, const unsigned char *far, Py_ssize_t n, int bias, unsigned char *out
) noexcept nogil:
    """Two rows of n samples to one between them, nearer to the first (h1v2_fancy_upsample)."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (3 * near[i] + far[i] + bias) >> 2


cdef void _repeat(const unsigned char *row, Py_ssize_t n, Py_ssize_t times, unsigned char *out) noexcept nogil:
    """A row of n samples to one of n * times."""
    cdef Py_ssize_t i, k
    for i in range(n):
        for k in range(times):
            out[i * times + k] = row[i]


def enlarge(const unsigned char[:, ::1] plane not None, Py_ssize_t across, Py_ssize_t down, bint is_fancy=True):
    """A component's real samples `across` x `down` times as large, as libjpeg-turbo's default ("fancy") upsampling.

    Neighbours are blended where libjpeg blends: 2x1, 2x2 of planes more than two samples wide, and 1x2. All else repeats, and
    everything does that is not fancy.
    """
    cdef Py_ssize_t rows = plane.shape[0], cols = plane.shape[1], row, other
    cdef bint is_wide = is_fancy and across == 2 and cols > 2
    if not 1 <= across <= 4 or not 1 <= down <= 4 or rows < 1 or cols < 1:
        raise ValueError("a plane is enlarged 1 to 4 times")
    if across == 1 and down == 1:
        return np.asarray(plane)
    enlarged = np.empty((rows * down, cols * across), np.uint8)
    cdef unsigned char[:, ::1] out = enlarged
    with nogil:
        for row in range(rows * down):
            other = row // 2 + (1 if row & 1 else -1)  # of two rows that come from one, the first leans to the row before
            other = 0 if other < 0 else rows - 1 if other >= rows else other
            if is_wide and down == 1:
                _widen(&plane[row, 0], cols, &out[row, 0])
            elif is_wide and down == 2:
                _widen_between(&plane[row // 2, 0], &plane[other, 0], cols, &out[row, 0])
            elif is_fancy and across == 1 and down == 2:
                _blend(&plane[row // 2, 0], &plane[other, 0], cols, 2 if row & 1 else 1, &out[row, 0])
            else:
                _repeat(&plane[row // down, 0], cols, across, &out[row, 0])
    return enlarged


cdef void _mean(
    const unsigned char **rows, Py_ssize_t across, Py_ssize_t down, Py_ssize_t cols, Py_ssize_t n, unsigned char *out
) noexcept nogil:
    """n means of `across` x `down` samples; columns past the last of `cols` repeat it. Libjpeg's biases alternate 0 1 and 1 2."""
    cdef Py_ssize_t i, j, k, col
    cdef int total, bias, area = across * down, inner = min(n, cols // across)
    for i in range(inner):
        if across == 2 and down == 2:
            out[i] = (rows[0][2 * i] + rows[0][2 * i + 1] + rows[1][2 * i] + rows[1][2 * i + 1] + 1 + (i & 1)) >> 2
        elif across == 2 and down == 1:
            out[i] = (rows[0][2 * i] + rows[0][2 * i + 1] + (i & 1)) >> 1
        else:
            total = 0
            for j in range(down):
                for k in range(across):
                    total += rows[j][i * across + k]
            out[i] = (total + area // 2) // area
    for i in range(inner, n):
        total = 0
        for j in range(down):
            for k in range(across):
                col = i * across + k
                total += rows[j][col if col < cols else cols - 1]
        bias = (i & 1) if across == 2 and down == 1 else 1 + (i & 1) if across == 2 and down == 2 else area // 2
        out[i] = (total + bias) // area


def shrink(const unsigned char[:, ::1] plane not None, Py_ssize_t across, Py_ssize_t down):
    """A full plane to a component's samples, `across` x `down` times smaller, in whole blocks, its edges repeated.

    As libjpeg: columns are repeated before the means are taken, rows to a multiple of `down` before and to the block after.
    """
    cdef Py_ssize_t height = plane.shape[0], width = plane.shape[1], row, k
    if not 1 <= across <= 4 or not 1 <= down <= 4 or height < 1 or width < 1:
        raise ValueError("a plane is shrunk 1 to 4 times")
    cdef Py_ssize_t real = (height + down - 1) // down
    cdef Py_ssize_t rows = (height + 8 * down - 1) // (8 * down) * 8, cols = (width + 8 * across - 1) // (8 * across) * 8
    cdef const unsigned char *taken[4]
    shrunk = np.empty((rows, cols), np.uint8)
    cdef unsigned char[:, ::1] out = shrunk
    with nogil:
        for row in range(real):
            for k in range(down):
                taken[k] = &plane[min(row * down + k, height - 1), 0]
            _mean(taken, across, down, width, cols, &out[row, 0])
        for row in range(real, rows):
            out[row, :] = out[real - 1, :]
    return shrunk
