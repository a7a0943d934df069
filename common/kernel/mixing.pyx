"""Coefficients to bytes and back: the arrays around the models in alone.pyx and given.pyx, and the coder in bits.pxd."""

import numpy as np

from common.errors import ContentError

from common.kernel.alone cimport code_alone
from common.kernel.bits cimport COLUMNS, INPUTS, LIMIT, NODES, PLAIN, PLAIN_SETS, SELECTORS, STEPS, TABLE, Coder, finish, start
from common.kernel.blocks cimport BOUND, Shape
from common.kernel.given cimport code_given
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t

VERSION = 1
LIMIT_BLOCKS = 1 << 23
POOR = 0.5
"""Bytes for each coefficient that is not zero, from which on a prediction may be worse than none."""
_E_TO_1_128TH = 1161963980038882736  # e ** (1 / 128) in 1 / 2**60


def _squash_table():
    """Return the probability in 16 bits of each of the log-odds -2048 to 2047, 128 a unit. Exact integers: no libm."""
    one = 1 << 60
    power = one
    below = []                       # the probability of -i / 128
    for _ in range(2049):
        below.append((one << 16) // (one + power))
        power = power * _E_TO_1_128TH // one
    table = [below[-i] if i < 0 else 65536 - below[i] for i in range(-2048, 2048)]
    return np.clip(np.array(table), 1, 65535).astype(np.uint16)


def _stretch_table(squash):
    """Return the log-odds of each probability in 12 bits: the smallest whose probability is not below."""
    middles = np.arange(4096) * 16 + 8
    return np.clip(np.searchsorted(squash, middles) - 2048, -2047, 2047).astype(np.int16)


_SQUASH = _squash_table()
_STRETCH = _stretch_table(_SQUASH)
_RATES = np.array([327680 // (10 * seen + 16) for seen in range(1024)], np.int16)
_REFINED = _SQUASH[np.minimum(np.arange(STEPS) * 128, 4095)]


cdef class _Run:
    """One stream that is coded or decoded, and the memory that its coder learns in (9 MB, of which what is used is touched)."""

    cdef Coder coder
    cdef uint8_t[::1] stream
    cdef int32_t[::1] counters
    cdef int32_t[::1] plain
    cdef int16_t[::1] weights
    cdef uint16_t[:, ::1] refined
    cdef uint16_t[::1] squash
    cdef int16_t[::1] stretch
    cdef int16_t[::1] rates

    def __init__(self, stream, is_decoding):
        self.stream = stream
        self.counters = np.zeros(INPUTS * TABLE + NODES, np.int32)
        self.plain = np.zeros(PLAIN_SETS * PLAIN, np.int32)
        self.weights = np.full(SELECTORS * NODES * INPUTS, 1800, np.int16)  # 0.33 each
        self.refined = np.repeat(_REFINED[None], SELECTORS * NODES, axis=0)
        self.squash = _SQUASH
        self.stretch = _STRETCH
        self.rates = _RATES
        self.coder.stream = &self.stream[0]
        self.coder.size = len(self.stream)
        self.coder.counters = &self.counters[0]
        self.coder.plain = &self.plain[0]
        self.coder.weights = &self.weights[0]
        self.coder.refined = &self.refined[0, 0]
        self.coder.squash = &self.squash[0]
        self.coder.stretch = &self.stretch[0]
        self.coder.rates = &self.rates[0]
        start(&self.coder, is_decoding)

    def code(self, planes, frame, predicted):
        """Code each plane after the other; decoded coefficients are written to the planes."""
        cdef Shape shape
        cdef int16_t[:, :, ::1] values
        cdef const int32_t[:, :, ::1] expected
        cdef int16_t[::1] quantisation
        cdef uint8_t[::1] scratch
        cdef uint8_t[:, ::1] counts
        cdef int number
        kept = []                    # what the next plane looks at
        shape.other.values = NULL
        for number, plane in enumerate(frame.planes):
            values = planes[number]
            counts = np.zeros((plane.block_rows, plane.block_cols), np.uint8)
            scratch = np.zeros(256 * plane.block_cols, np.uint8)
            quantisation = np.minimum(plane.quantisation, BOUND).astype(np.int16)
            kept.append(counts)
            shape.values = &values[0, 0, 0]
            shape.counts = &counts[0, 0]
            shape.scratch = &scratch[0]
            shape.quantisation = &quantisation[0]
            shape.rows = plane.block_rows
            shape.cols = plane.block_cols
            shape.kind = min(number, 2)
            if predicted is None:
                with nogil:
                    code_alone(&self.coder, &shape)
            else:
                expected = predicted[number]
                with nogil:
                    code_given(&self.coder, &shape, &expected[0, 0, 0])
            shape.other.values = shape.values
            shape.other.counts = shape.counts
            shape.other.rows = shape.rows
            shape.other.cols = shape.cols

    def finished(self):
        """Return how many bytes the stream has, and None if they do not end where the coder did."""
        cdef Py_ssize_t size = finish(&self.coder)
        return None if size < 0 else size


def _checked(frame, predicted):
    """Return the shapes of a frame's planes, and what is predicted as arrays that a kernel can walk."""
    shapes = [(plane.block_rows, plane.block_cols, 64) for plane in frame.planes]
    if not 1 <= len(shapes) <= 4 or any(rows < 1 or cols < 1 for rows, cols, _ in shapes):
        raise ContentError("damaged", f"coefficients: planes of {shapes}")
    if sum(rows * cols for rows, cols, _ in shapes) > LIMIT_BLOCKS or any(cols > COLUMNS for _, cols, _ in shapes):
        raise ContentError("too_large", f"coefficients: planes of {shapes}: at most {LIMIT_BLOCKS} blocks, {COLUMNS} in a row")
    tables = [plane.quantisation for plane in frame.planes]
    if any(len(table) != 64 or not 1 <= min(table) <= max(table) <= 65535 for table in tables):
        raise ContentError("damaged", "coefficients: a quantisation step is not 1 to 65535")
    if predicted is not None:
        if [array.shape for array in predicted] != shapes:
            raise ValueError(f"predicted {[array.shape for array in predicted]} for planes of {shapes}")
        predicted = [np.ascontiguousarray(array, np.int32) for array in predicted]
    return shapes, predicted


def encode(planes, frame, predicted=None):
    """Return the coefficients, coded: against what is predicted of them (in 1/64 of a step), or else against their neighbours.

    A prediction that is of no use is not used: a second try, where so much was coded that it may be one.
    """
    shapes, predicted = _checked(frame, predicted)
    if [array.shape for array in planes] != shapes:
        raise ValueError(f"planes of {[array.shape for array in planes]} for a frame of {shapes}")
    if any(int(array.max()) > LIMIT or int(array.min()) < -LIMIT for array in planes):
        raise ContentError("unsupported", f"coefficients: one is beyond {LIMIT}, which 8-bit JPEGs do not have")
    coded = _coded(planes, frame, predicted)
    if predicted is not None and len(coded) > sum(np.count_nonzero(array) for array in planes) * POOR:
        coded = min(coded, _coded(planes, frame, None), key=len)
    return coded


def _coded(planes, frame, predicted):
    stream = np.empty(64 + sum(array.size for array in planes) * 4, np.uint8)
    run = _Run(stream, False)
    run.code([np.array(array, np.int16, order="C") for array in planes], frame, predicted)
    size = run.finished()
    if size is None:
        raise ContentError("not_smaller", "coefficients: they take more than twice their room")
    return bytes([VERSION, predicted is not None]) + stream[:size].tobytes()


def decode(coded, frame, predicted=None):
    """Return the planes that were coded for this frame and this prediction."""
    shapes, predicted = _checked(frame, predicted)
    if len(coded) < 2 or coded[0] != VERSION or coded[1] > (predicted is not None):
        raise ContentError("damaged", f"coefficients: {bytes(coded[:2])!r} is not what coded ones begin with here")
    planes = [np.zeros(shape, np.int16) for shape in shapes]
    run = _Run(np.frombuffer(bytes(coded[2:]) or b"\0", np.uint8).copy(), True)
    run.code(planes, frame, predicted if coded[1] else None)
    if run.finished() is None:
        raise ContentError("damaged", "coefficients: the coded bytes do not end where the planes do")
    return planes
