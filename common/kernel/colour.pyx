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
