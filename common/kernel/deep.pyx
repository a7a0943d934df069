"""Pictures of 16 bits, 257 to a level of 8 bits, as ImageMagick and GraphicsMagick keep them while they work: blurred,
sharpened, modulated, and brought back to 8 bits.

Weights travel in deltas and are checked first; then inner loops follow pointers without bounds checks, inside of a row whose
length is known.
"""

import numpy as np

from common.errors import ContentError

cdef enum:
    TOP = 65535
    TAP_BITS = 30
    GAIN_BITS = 24
    MOST_TAPS = 512  # from the centre on
    FINE_BITS = 8
    MOST_THOUSANDTHS = 10000
    SEXTANT_BITS = 24


cdef inline unsigned short _limited(long long level) noexcept nogil:
    return TOP if level > TOP else 0 if level < 0 else <unsigned short> level


def flatten(const unsigned short[:, :, ::1] picture not None, bint is_cut):
    """To 8 bits, rounded as ImageMagick does it or cut as GraphicsMagick."""
    flat = np.empty((picture.shape[0], picture.shape[1], picture.shape[2]), np.uint8)
    cdef unsigned char[:, :, ::1] out = flat
    cdef Py_ssize_t row, i, line = picture.shape[1] * picture.shape[2]
    cdef int half = 0 if is_cut else 128
    cdef const unsigned short *source
    cdef unsigned char *target
    with nogil:
        for row in range(picture.shape[0] if line else 0):
            source, target = &picture[row, 0, 0], &out[row, 0, 0]
            for i in range(line):
                target[i] = <unsigned char> ((source[i] + half) // 257)
    return flat


cdef void _across(
    const unsigned short *source, Py_ssize_t n, Py_ssize_t channels, const int *taps, Py_ssize_t reach, int bits, int *out
) noexcept nogil:
    """n samples of a row that begins `reach` pixels before them; |sum| < 2**16 * 2**40."""
    cdef Py_ssize_t i, k
    cdef int shift = TAP_BITS - bits
    cdef long long total, top = <long long> TOP << bits
    cdef const unsigned short *centre = source + reach * channels
    for i in range(n):
        total = (<long long> 1 << (shift - 1)) + <long long> taps[0] * centre[i]
        for k in range(1, reach + 1):
            total += <long long> taps[k] * (<int> centre[i - k * channels] + centre[i + k * channels])
        total >>= shift
        out[i] = <int> (top if total > top else 0 if total < 0 else total)


cdef void _down(
    int **rows, const unsigned short *centre, Py_ssize_t n, const int *taps, Py_ssize_t reach, int bits, long long gain,
    int threshold, unsigned short *out
) noexcept nogil:
    """n samples from 2 * reach + 1 rows, and what the centre's differ by, times gain; |sum| < 2**24 * 2**36, product < 2**25 * 2**32."""
    cdef Py_ssize_t i, k
    cdef long long total, differs, half = <long long> 1 << (GAIN_BITS + bits - 1)
    for i in range(n):
        total = (<long long> 1 << (TAP_BITS - 1)) + <long long> taps[0] * rows[reach][i]
        for k in range(1, reach + 1):
            total += <long long> taps[k] * (<long long> rows[reach - k][i] + rows[reach + k][i])
        differs = (<long long> centre[i] << bits) - (total >> TAP_BITS)
        if 2 * abs(differs) < <long long> threshold << bits:
            out[i] = centre[i]
        else:
            out[i] = _limited(centre[i] + ((gain * differs + half) >> (GAIN_BITS + bits)))


def unsharpen(
    const unsigned short[:, :, ::1] picture not None, const int[::1] taps not None, long long gain, int threshold, bint is_fine
):
    """What a sample differs by from the blur around it, times `gain` in 1/2**24, added to it; where it is `threshold` / 2 or more.

    `taps` are the blur's weights from its centre on, in 1/2**30; the picture is that much larger on each side, and loses it. A
    gain of -1 leaves the blur. Across, then down, rounded to 16 bits between unless `is_fine`.
    Errors: ContentError `damaged` of weights that are too large.
    """
    cdef Py_ssize_t reach = taps.shape[0] - 1, channels = picture.shape[2], row, k
    cdef Py_ssize_t rows = picture.shape[0] - 2 * reach, cols = picture.shape[1] - 2 * reach, count = 2 * reach + 1
    cdef long long total = 0
    cdef int bits = FINE_BITS if is_fine else 0
    if not 0 <= reach < MOST_TAPS or abs(gain) > <long long> 1 << 32 or not 0 <= threshold <= 2 * TOP + 1:
        raise ContentError("damaged", "a blur of too many weights, or a gain too large")
    for k in range(reach + 1):
        total += (1 if k == 0 else 2) * abs(<long long> taps[k])
    if total > <long long> 1 << 36:
        raise ContentError("damaged", "the weights of a blur are too large")
    if rows < 1 or cols < 1 or channels < 1:
        raise ValueError("a picture is larger than the blur reaches")
    sharpened = np.empty((rows, cols, channels), np.uint16)
    cdef unsigned short[:, :, ::1] out = sharpened
    cdef int[:, ::1] lines = np.empty((count, cols * channels), np.int32)
    cdef int *ring[2 * MOST_TAPS]
    with nogil:
        for row in range(rows + 2 * reach):
            _across(&picture[row, 0, 0], cols * channels, channels, &taps[0], reach, bits, &lines[row % count, 0])
            if row < 2 * reach:
                continue
            for k in range(count):
                ring[k] = &lines[(row - 2 * reach + k) % count, 0]
            _down(
                ring, &picture[row - reach, reach, 0], cols * channels, &taps[0], reach, bits, gain, threshold,
                &out[row - 2 * reach, 0, 0]
            )
    return sharpened


cdef inline long long _share(long long hue, int channel) noexcept nogil:
    """How much of a channel a hue shows, in 1/2**24; hues and channels stand in sextants."""
    cdef long long one = <long long> 1 << SEXTANT_BITS, apart = hue - 2 * channel * one
    apart = abs(apart)
    if apart > 3 * one:
        apart = 6 * one - apart
    apart = 2 * one - apart
    return one if apart > one else 0 if apart < 0 else apart


cdef void _modulate(
    const unsigned short *rgb, Py_ssize_t n, long long brightness, long long saturation, long long turn, unsigned short *out
) noexcept nogil:
    """n pixels. Twice the lightness is below 2**17, thousandths and their sums are below 2**31, products below 2**62."""
    cdef Py_ssize_t i
    cdef int c
    cdef long long high, low, both, chroma, light, divisor, wide, hue, part
    for i in range(n):
        high = max(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2])
        low = min(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2])
        both, chroma = high + low, high - low
        light = both * brightness
        if chroma == 0:
            for c in range(3):
                out[3 * i + c] = _limited((light + 1000) // 2000)
            continue
        divisor = both if both <= TOP else 2 * TOP - both
        wide = (light if light <= 1000 * TOP else 2000 * TOP - light) * saturation
        hue = 0
        if turn:
            if rgb[3 * i] == high:
                hue = ((<long long> rgb[3 * i + 1] - rgb[3 * i + 2]) << SEXTANT_BITS) // chroma
            elif rgb[3 * i + 1] == high:
                hue = (2 << SEXTANT_BITS) + ((<long long> rgb[3 * i + 2] - rgb[3 * i]) << SEXTANT_BITS) // chroma
            else:
                hue = (4 << SEXTANT_BITS) + ((<long long> rgb[3 * i] - rgb[3 * i + 1]) << SEXTANT_BITS) // chroma
            hue = (hue + turn + (12 << SEXTANT_BITS)) % (6 << SEXTANT_BITS)
        for c in range(3):
            if turn:
                part = ((2 * _share(hue, c) - (1 << SEXTANT_BITS)) * chroma) >> SEXTANT_BITS
            else:
                part = 2 * <long long> rgb[3 * i + c] - both
            part = light * divisor * 1000 + wide * part + 1000000 * divisor
            out[3 * i + c] = 0 if part < 0 else _limited(part // (2000000 * divisor))


def modulate(const unsigned short[:, :, ::1] picture not None, long long brightness, long long saturation, long long hue):
    """Lightness and saturation of HSL times so many thousandths, hues turned by hue - 1000 thousandths of a half turn.

    As ImageMagick's -modulate; halves are rounded up.  Errors: ContentError `damaged` of numbers above 10000.
    """
    cdef Py_ssize_t row
    cdef long long turn
    if min(brightness, saturation, hue) < 0 or max(brightness, saturation, hue) > MOST_THOUSANDTHS:
        raise ContentError("damaged", "a picture is modulated by at most ten times")
    if picture.shape[2] != 3 or picture.shape[1] < 1:
        raise ValueError("three channels are modulated")
    turn = ((3 * (hue - 1000) << SEXTANT_BITS) // 1000) % (6 << SEXTANT_BITS)
    modulated = np.empty((picture.shape[0], picture.shape[1], 3), np.uint16)
    cdef unsigned short[:, :, ::1] out = modulated
    with nogil:
        for row in range(picture.shape[0]):
            _modulate(&picture[row, 0, 0], picture.shape[1], brightness, saturation, turn, &out[row, 0, 0])
    return modulated
