"""The samples of a picture, losslessly to few bytes and back: on their own, or against the samples that a base makes one expect.

What is coded is how far a sample is from what is expected of it (or from 0). A filter that learns guesses that from the samples
around and from the other channels; the error of the guess is coded by chances that know how large the errors around were. With
an expectation, one decision for each RUN pixels of a row says that they are all as expected.

Memory safety: rows are kept with MARGIN samples on each side, so what is around a pixel is always there; chances and weights are
addressed by classes that are limited.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from libc.string cimport memset

from common.kernel.bits cimport Coder, code_interval, finish, log1, start
from common.kernel.chances cimport Chance, decide

import numpy as np

from common.errors import ContentError

cdef enum:
    MARGIN = 2
    RUN = 32                     # pixels of which one decision says that all are as expected
    CHANNELS = 4
    INPUTS = 22                  # of a guess: AROUND samples, then the mean of the two nearest, then eight that are expected
    AROUND = 13
    UNIT = 65536                 # of weights
    MOST_WEIGHT = 4 * UNIT
    SPEED = 8                    # of learning, in 1/512
    CLASSES = 24
    NODES = 32                   # of a number: zero, sign, 15 of its length, 15 of the bits below the first
    FINE = 8                     # parts of a level in which guesses are made

VERSION = 1

cdef struct Rows:                # of one channel, each MARGIN + cols + MARGIN
    int16_t* here                # how far the samples are from what is expected
    int16_t* above
    int16_t* top                 # the row above that
    uint8_t* off                 # how far the guesses were off
    uint8_t* off_above

cdef struct Memory:
    Chance runs[16]
    Chance near[CHANNELS][CLASSES][FINE][NODES]
    Chance other[CHANNELS][CLASSES][CLASSES][NODES]
    int32_t weights[CHANNELS][INPUTS]

cdef struct Picture:
    uint8_t* samples             # rows * cols * channels
    const uint8_t* expected      # the same, or NULL
    Py_ssize_t rows
    Py_ssize_t cols
    int channels


cdef inline int _decide(Coder* coder, Chance* a, Chance* b, int bit) noexcept nogil:
    """Code one decision of two chances, both of which learn from it."""
    cdef int probability = (<int>a.quick + a.slow + b.quick + b.slow) >> 2
    bit = code_interval(coder, bit, 1 if probability < 1 else probability)
    if bit:
        a.quick += (65535 - a.quick) >> 4
        a.slow += (65535 - a.slow) >> 7
        b.quick += (65535 - b.quick) >> 4
        b.slow += (65535 - b.slow) >> 7
    else:
        a.quick -= a.quick >> 4
        a.slow -= a.slow >> 7
        b.quick -= b.quick >> 4
        b.slow -= b.slow >> 7
    return bit


cdef inline int _code_error(Coder* coder, Chance* a, Chance* b, int error) noexcept nogil:
    """Code how far a guess is off: is it, to which side, how many bits that is, and these."""
    cdef int size = -error if error < 0 else error, n = 0, decoded = 1, i, is_below, node
    if not _decide(coder, a, b, error != 0):
        return 0
    is_below = _decide(coder, a + 1, b + 1, error < 0)
    while n < 8 and _decide(coder, a + 2 + n, b + 2 + n, size >> (n + 1) != 0):
        n += 1
    for i in range(n - 1, -1, -1):
        if n - i <= 2:
            node = 11 + 2 * n + (n - i - 1 if n - i == 1 else 1)
            decoded = 2 * decoded + _decide(coder, a + node, b + node, (size >> i) & 1)
        else:
            decoded = 2 * decoded + code_interval(coder, (size >> i) & 1, 32768)
    return -decoded if is_below else decoded


cdef inline void _look_around(Rows* channels, int channel, Py_ssize_t at, int32_t* inputs) noexcept nogil:
    """The samples around, less the mean of the two nearest; in the channels before, at this pixel too. Last that mean."""
    cdef Rows* rows = channels + channel
    cdef int mean = (rows.here[at - 1] + rows.above[at]) >> 1, n = 5, other, mean_there
    inputs[0] = rows.here[at - 1] - mean
    inputs[1] = rows.above[at - 1] - mean
    inputs[2] = rows.above[at + 1] - mean
    inputs[3] = rows.here[at - 2] - mean
    inputs[4] = rows.top[at] - mean
    for other in range(channel - 1, -1, -1):
        if n + 4 > AROUND:
            break
        rows = channels + other
        mean_there = (rows.here[at - 1] + rows.above[at]) >> 1
        inputs[n] = rows.here[at] - mean_there
        inputs[n + 1] = rows.here[at - 1] - mean_there
        inputs[n + 2] = rows.above[at - 1] - mean_there
        inputs[n + 3] = rows.above[at + 1] - mean_there
        n += 4
    while n < AROUND:
        inputs[n] = 0
        n += 1
    inputs[AROUND] = mean


cdef inline void _look_ahead(Picture* picture, int channel, Py_ssize_t y, Py_ssize_t x, int32_t* inputs) noexcept nogil:
    """The eight samples that are expected around a pixel, less the one that is expected there."""
    cdef Py_ssize_t stride = picture.cols * picture.channels
    cdef Py_ssize_t up = -stride if y else 0, down = stride if y + 1 < picture.rows else 0
    cdef Py_ssize_t left = -picture.channels if x else 0, right = picture.channels if x + 1 < picture.cols else 0
    cdef const uint8_t* at = picture.expected + y * stride + x * picture.channels + channel
    cdef int here = at[0]
    inputs[0] = at[left] - here
    inputs[1] = at[right] - here
    inputs[2] = at[up] - here
    inputs[3] = at[down] - here
    inputs[4] = at[up + left] - here
    inputs[5] = at[up + right] - here
    inputs[6] = at[down + left] - here
    inputs[7] = at[down + right] - here


cdef inline void _learn(int32_t* weights, const int32_t* inputs, int n, int error) noexcept nogil:
    """Moves the weights so that the guess would have been nearer; the error is in 1/FINE."""
    cdef int64_t energy = 32, pull
    cdef int i
    cdef int64_t weight
    for i in range(n):
        energy += inputs[i] * inputs[i]
    pull = (<int64_t>error * (UNIT // FINE) * SPEED) // energy
    for i in range(n):
        weight = weights[i] + ((pull * inputs[i] + 256) >> 9)
        weights[i] = <int32_t>(MOST_WEIGHT if weight > MOST_WEIGHT else -MOST_WEIGHT if weight < -MOST_WEIGHT else weight)


cdef void _code_pixel(Coder* coder, Memory* memory, Picture* picture, Rows* channels, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    cdef Py_ssize_t at = x + MARGIN, place = (y * picture.cols + x) * picture.channels
    cdef int32_t inputs[INPUTS]
    cdef int channel, i, expected, guess, whole, part, error, near, other, beside, n_inputs, sample, least, most
    cdef int64_t total
    cdef Rows* rows
    n_inputs = INPUTS if picture.expected != NULL else AROUND + 1
    for channel in range(picture.channels):
        rows = channels + channel
        expected = picture.expected[place + channel] if picture.expected != NULL else 0
        _look_around(channels, channel, at, inputs)
        total = UNIT // FINE // 2
        if picture.expected != NULL:
            _look_ahead(picture, channel, y, x, inputs + AROUND + 1)
        for i in range(n_inputs):
            total += <int64_t>inputs[i] * memory.weights[channel][i]
        total = total >> 13
        least, most = -expected * FINE, (255 - expected) * FINE
        guess = <int>(least if total < least else most if total > most else total)
        whole = (guess + FINE // 2) >> 3
        part = guess - whole * FINE + FINE // 2                  # 0 to 7
        near = 2 * (rows.off[at - 1] + rows.off_above[at]) + rows.off_above[at - 1] + rows.off_above[at + 1]
        other = 0
        if channel:
            other = channels[channel - 1].off[at] * 4
            near += other >> 1
            if channel > 1:
                other += channels[channel - 2].off[at] * 2
        error = 0
        if not coder.is_decoding:
            error = <int>picture.samples[place + channel] - expected - whole
        beside = log1(rows.off[at - 1] + rows.off_above[at])
        error = _code_error(
            coder, &memory.near[channel][log1(near)][part][0], &memory.other[channel][log1(other)][beside][0], error
        )
        sample = expected + whole + error
        sample = 0 if sample < 0 else 255 if sample > 255 else sample
        picture.samples[place + channel] = sample
        rows.here[at] = sample - expected
        error = rows.here[at] - whole
        rows.off[at] = -error if error < 0 else error
        _learn(memory.weights[channel], inputs, n_inputs if picture.expected != NULL else AROUND, rows.here[at] * FINE - guess)


cdef void _start_row(Rows* rows, Py_ssize_t cols) noexcept nogil:
    """Makes this row the one above, with margins as wide as is looked."""
    cdef int16_t* oldest = rows.top
    cdef uint8_t* off = rows.off_above
    cdef int i
    rows.top, rows.above, rows.here = rows.above, rows.here, oldest
    rows.off_above, rows.off = rows.off, off
    for i in range(MARGIN):
        rows.above[MARGIN + cols + i] = rows.above[MARGIN + cols - 1]
        rows.off_above[MARGIN + cols + i] = rows.off_above[MARGIN + cols - 1]
        rows.here[i] = rows.above[MARGIN]
        rows.off[i] = rows.off_above[MARGIN]


cdef bint _is_as_expected(Picture* picture, Py_ssize_t place, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(place, place + n):
        if picture.samples[i] != picture.expected[i]:
            return False
    return True


cdef void _code_rows(Coder* coder, Memory* memory, Picture* picture, Rows* channels, uint8_t* equal) noexcept nogil:
    """All rows; `equal` has a place for each run of a row, and one before them and one behind."""
    cdef Py_ssize_t y, x, i, n, place, run
    cdef int is_equal, c, around, before
    for y in range(picture.rows):
        for c in range(picture.channels):
            _start_row(channels + c, picture.cols)
        before = 1
        for run in range(1, (picture.cols + RUN - 1) // RUN + 1):
            x = (run - 1) * RUN
            n = min(RUN, picture.cols - x)
            place = (y * picture.cols + x) * picture.channels
            is_equal = 0
            if picture.expected != NULL:
                # Of this row up to `run`, of the one above from there on; `before` is what was there above the last one.
                around = before << 3 | equal[run - 1] << 2 | equal[run] << 1 | equal[run + 1]
                if not coder.is_decoding:
                    is_equal = _is_as_expected(picture, place, n * picture.channels)
                is_equal = decide(coder, &memory.runs[around], is_equal)
                before = equal[run]
                equal[run] = is_equal
            if is_equal:
                for i in range(n * picture.channels):
                    picture.samples[place + i] = picture.expected[place + i]
                for c in range(picture.channels):
                    memset(channels[c].here + MARGIN + x, 0, n * sizeof(int16_t))
                    memset(channels[c].off + MARGIN + x, 0, n)
            else:
                for i in range(n):
                    _code_pixel(coder, memory, picture, channels, y, x + i)


def _code(picture, expected, stream, bint is_decoding):
    """Codes the samples to, or from, the stream; returns how many bytes it has, -1 where they do not end as the coder did."""
    cdef uint8_t[:, :, ::1] samples = picture
    cdef const uint8_t[:, :, ::1] known
    cdef uint8_t[::1] coded = stream
    cdef uint8_t[::1] learned = np.full(sizeof(Memory), 0x80, np.uint8), equal
    cdef int16_t[:, :, ::1] kept
    cdef uint8_t[:, :, ::1] off
    cdef Memory* memory = <Memory*>&learned[0]
    cdef Rows channels[CHANNELS]
    cdef Picture shown
    cdef Coder coder
    cdef Py_ssize_t width
    cdef int c
    shown.samples = &samples[0, 0, 0]
    shown.rows, shown.cols, shown.channels = samples.shape[0], samples.shape[1], <int>samples.shape[2]
    shown.expected = NULL
    if expected is not None:
        known = expected
        shown.expected = &known[0, 0, 0]
    width = shown.cols + 2 * MARGIN
    kept, off = np.zeros((shown.channels, 3, width), np.int16), np.zeros((shown.channels, 2, width), np.uint8)
    equal = np.ones(shown.cols // RUN + 3, np.uint8)
    memset(memory.weights, 0, sizeof(memory.weights))
    for c in range(shown.channels):
        channels[c].here, channels[c].above, channels[c].top = &kept[c, 0, 0], &kept[c, 1, 0], &kept[c, 2, 0]
        channels[c].off, channels[c].off_above = &off[c, 0, 0], &off[c, 1, 0]
        if expected is None:
            memory.weights[c][1], memory.weights[c][2] = -UNIT // 3, UNIT // 4
            memory.weights[c][5] = UNIT // 2 if c else 0
            memory.weights[c][AROUND] = UNIT
    coder.stream, coder.size = &coded[0], len(coded)
    with nogil:
        start(&coder, is_decoding)
        _code_rows(&coder, memory, &shown, channels, &equal[0])
    return finish(&coder)


def _checked(shape, expected):
    if len(shape) != 3 or min(shape) < 1 or shape[2] > CHANNELS:
        raise ContentError("damaged", f"samples of {shape}")
    if expected is None:
        return None
    if expected.shape != shape or expected.dtype != np.uint8:
        raise ValueError(f"samples of {expected.shape} are expected where there are {shape}")
    return np.ascontiguousarray(expected)


def encode(samples, expected=None):
    """Return the samples, coded: against those that are expected, or else by themselves."""
    expected = _checked(samples.shape, expected)
    stream = np.empty(64 + samples.size + samples.size // 4, np.uint8)
    size = _code(np.array(samples, np.uint8, order="C"), expected, stream, False)
    if size < 0:
        raise ContentError("not_smaller", "samples that take more than their room")
    return bytes([VERSION, expected is not None]) + stream[:size].tobytes()


def decode(coded, shape, expected=None):
    """Return the samples of this shape."""
    expected = _checked(tuple(shape), expected)
    if len(coded) < 2 or coded[0] != VERSION or coded[1] != (expected is not None):
        raise ContentError("damaged", f"samples: {bytes(coded[:2])!r} is not what coded ones begin with here")
    samples = np.zeros(shape, np.uint8)
    if _code(samples, expected, np.frombuffer(bytes(coded[2:]) or b"\0", np.uint8).copy(), True) < 0:
        raise ContentError("damaged", "samples: the coded bytes do not end where the picture does")
    return samples
