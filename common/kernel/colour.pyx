"""Colour in integers: libjpeg's YCbCr and RGB (jccolor.c, jdcolor.c), a 3x3 matrix, and a table for each channel.

Inner loops go over one row by pointers, without bounds checks: addresses are taken from checked views, and all planes of a
picture have the shape that is checked before.
"""

import numpy as np

# round(x * 2**16), libjpeg's FIX(x)
cdef enum:
    HALF = 32768
    Y_R = 19595
    Y_G = 38470
    Y_B = 7471
    CB_R = 11058
    CB_G = 21710
    CR_G = 27439
    CR_B = 5329
    CENTRE = (128 << 16) + HALF - 1
    R_CR = 91881
    G_CB = 22554
    G_CR = 46802
    B_CB = 116130


cdef inline unsigned char _clamp(int value) noexcept nogil:
    return 255 if value > 255 else 0 if value < 0 else value


cdef void _to_rgb(
    const unsigned char *y, const unsigned char *cb, const unsigned char *cr, Py_ssize_t n, unsigned char *rgb
) noexcept nogil:
    """n pixels to RGB."""
    cdef Py_ssize_t i
    cdef int u, v
    for i in range(n):
        u = <int> cb[i] - 128
        v = <int> cr[i] - 128
        rgb[3 * i] = _clamp(y[i] + ((R_CR * v + HALF) >> 16))
        rgb[3 * i + 1] = _clamp(y[i] + ((-G_CB * u - G_CR * v + HALF) >> 16))
        rgb[3 * i + 2] = _clamp(y[i] + ((B_CB * u + HALF) >> 16))


cdef void _to_ycc(
    const unsigned char *rgb, Py_ssize_t n, unsigned char *y, unsigned char *cb, unsigned char *cr
) noexcept nogil:
    """n pixels to YCbCr."""
    cdef Py_ssize_t i
    cdef int r, g, b
    for i in range(n):
        r = rgb[3 * i]
        g = rgb[3 * i + 1]
        b = rgb[3 * i + 2]
        y[i] = (Y_R * r + Y_G * g + Y_B * b + HALF) >> 16
        cb[i] = (HALF * b - CB_R * r - CB_G * g + CENTRE) >> 16
        cr[i] = (HALF * r - CR_G * g - CR_B * b + CENTRE) >> 16


def rgb_from_ycc(
    const unsigned char[:, ::1] y not None, const unsigned char[:, ::1] cb not None, const unsigned char[:, ::1] cr not None,
    Py_ssize_t height, Py_ssize_t width,
):
    """The top left (height, width) of three planes to RGB, uint8 (height, width, 3)."""
    cdef Py_ssize_t row
    if height < 1 or min(y.shape[0], cb.shape[0], cr.shape[0]) < height:
        raise ValueError("the planes cover the rows of the picture")
    if width < 1 or min(y.shape[1], cb.shape[1], cr.shape[1]) < width:
        raise ValueError("the planes cover the columns of the picture")
    picture = np.empty((height, width, 3), np.uint8)
    cdef unsigned char[:, :, ::1] out = picture
    with nogil:
        for row in range(height):
            _to_rgb(&y[row, 0], &cb[row, 0], &cr[row, 0], width, &out[row, 0, 0])
    return picture


def ycc_from_rgb(const unsigned char[:, :, ::1] picture not None):
    """RGB, uint8 (height, width, 3), to three planes of the same size."""
    cdef Py_ssize_t height = picture.shape[0], width = picture.shape[1], row
    if picture.shape[2] != 3 or height < 1 or width < 1:
        raise ValueError("a picture has pixels of three channels")
    planes = [np.empty((height, width), np.uint8) for _ in range(3)]
    cdef unsigned char[:, ::1] y = planes[0], cb = planes[1], cr = planes[2]
    with nogil:
        for row in range(height):
            _to_ycc(&picture[row, 0, 0], width, &y[row, 0], &cb[row, 0], &cr[row, 0])
    return planes


cdef enum:
    MIX_BITS = 24


cdef void _mix(const unsigned char *rgb, Py_ssize_t n, const int *weights, Py_ssize_t terms, unsigned char *out) noexcept nogil:
    """n pixels; |sum| < 2**31 * (4 * 255 + 6 * 255 * 255) < 2**63."""
    cdef Py_ssize_t i, c
    cdef long long r, g, b, total
    cdef const int *w
    for i in range(n):
        r = rgb[3 * i]
        g = rgb[3 * i + 1]
        b = rgb[3 * i + 2]
        for c in range(3):
            w = weights + c * terms
            total = (1 << (MIX_BITS - 1)) + w[0] * r + w[1] * g + w[2] * b + 256 * <long long> w[3]
            if terms == 10:
                total += w[4] * (r * r) + w[5] * (g * g) + w[6] * (b * b)
                total += w[7] * (r * g) + w[8] * (r * b) + w[9] * (g * b)
            total >>= MIX_BITS
            out[3 * i + c] = 255 if total > 255 else 0 if total < 0 else total


def mix(const unsigned char[:, :, ::1] picture not None, const int[:, ::1] weights not None):
    """Each channel a sum of r, g, b, 256 (and r*r, g*g, b*b, r*g, r*b, g*b): weights (3, 4) or (3, 10) in 1/2**24."""
    cdef Py_ssize_t row
    if picture.shape[2] != 3 or picture.shape[1] < 1 or weights.shape[0] != 3 or weights.shape[1] not in (4, 10):
        raise ValueError("three channels, each of 4 or 10 terms")
    mixed = np.empty((picture.shape[0], picture.shape[1], 3), np.uint8)
    cdef unsigned char[:, :, ::1] out = mixed
    with nogil:
        for row in range(picture.shape[0]):
            _mix(&picture[row, 0, 0], picture.shape[1], &weights[0, 0], weights.shape[1], &out[row, 0, 0])
    return mixed


cdef void _look_up(
    const unsigned char *row, Py_ssize_t n, Py_ssize_t channels, const unsigned char *tables, unsigned char *out
) noexcept nogil:
    """n pixels; a table has 256 levels for each channel."""
    cdef Py_ssize_t i, c
    for i in range(n):
        for c in range(channels):
            out[i * channels + c] = tables[256 * c + row[i * channels + c]]


def look_up(const unsigned char[:, :, ::1] picture not None, const unsigned char[:, ::1] tables not None):
    """Each channel through its table of 256 levels; tables (channels, 256)."""
    cdef Py_ssize_t row
    if tables.shape[0] != picture.shape[2] or tables.shape[1] != 256 or picture.shape[1] < 1 or picture.shape[2] < 1:
        raise ValueError("a table of 256 levels for each channel")
    changed = np.empty((picture.shape[0], picture.shape[1], picture.shape[2]), np.uint8)
    cdef unsigned char[:, :, ::1] out = changed
    with nogil:
        for row in range(picture.shape[0]):
            _look_up(&picture[row, 0, 0], picture.shape[1], picture.shape[2], &tables[0, 0], &out[row, 0, 0])
    return changed


cdef enum:
    BLEND_BITS = 24
    HAIR = 256  # what floats lack of a whole level is less, what factors of a few digits leave of one is more


cdef void _blend(
    const unsigned char *other, const unsigned char *picture, Py_ssize_t n, long long factor, unsigned char *out
) noexcept nogil:
    """n samples; |sum| < 2**40."""
    cdef Py_ssize_t i
    cdef long long total
    for i in range(n):
        total = ((<long long> other[i] << BLEND_BITS) + factor * (<int> picture[i] - other[i]) + HAIR) >> BLEND_BITS
        out[i] = 255 if total > 255 else 0 if total < 0 else <unsigned char> total


def blend(const unsigned char[:, :, ::1] other not None, const unsigned char[:, :, ::1] picture not None, int factor):
    """From one picture a factor, in 1/2**24, of the way to the other one and beyond, cut to whole levels as Pillow's `blend`."""
    cdef Py_ssize_t row, line = picture.shape[1] * picture.shape[2]
    if other.shape[0] != picture.shape[0] or other.shape[1] != picture.shape[1] or other.shape[2] != picture.shape[2]:
        raise ValueError("pictures of one size are blended")
    blended = np.empty((picture.shape[0], picture.shape[1], picture.shape[2]), np.uint8)
    cdef unsigned char[:, :, ::1] out = blended
    with nogil:
        for row in range(picture.shape[0] if line else 0):
            _blend(&other[row, 0, 0], &picture[row, 0, 0], line, factor, &out[row, 0, 0])
    return blended
