"""LZW as TIFF has it: codes of 9 to 12 bits with the highest bit first, one of them to start anew (tif_lzw.c).

libtiff, which nearly all programs write with, starts anew when its table is full, or when what it has coded since the last look
is no longer getting smaller: so the same bytes come out, and what does not is refused by whoever compares.

Memory safety: the reader's strings lead back to a byte by codes that only become smaller; each is written after there is room.
The writer's table has more places than codes. Room for the output is reserved for the worst case: 12 bits a byte.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from common.errors import ContentError

cdef enum:
    CLEAR = 256
    END = 257
    FIRST = 258
    CODES = 4096
    PLACE_BITS = 14
    PLACES = 1 << PLACE_BITS     # of the writer's table: four for each code, so that the first is nearly always the right one
    KEY_BITS = 20                # of a code and a byte; above them is the start that they are of
    LOOK = 10000                 # bytes between two looks at the ratio

cdef struct Reading:
    uint16_t before[CODES]
    uint16_t length[CODES]
    uint8_t last[CODES]
    uint8_t first[CODES]


cdef int _read(Reading* table, const uint8_t* coded, Py_ssize_t n, uint8_t* out, Py_ssize_t size) noexcept nogil:
    """Fills `out`. -1 of bytes that do not."""
    cdef uint64_t held = 0
    cdef int n_held = 0, width = 9, code, old = -1, at, k
    cdef int next_ = FIRST
    cdef Py_ssize_t pos = 0, done = 0
    for code in range(256):
        table.length[code] = 1
        table.last[code] = table.first[code] = code
    while done < size:
        while n_held < width:
            if pos >= n:
                return -1
            held = held << 8 | coded[pos]
            pos += 1
            n_held += 8
        n_held -= width
        code = (held >> n_held) & ((1 << width) - 1)
        if code == CLEAR:
            next_, width, old = FIRST, 9, -1
            continue
        if code == END or code > next_ or (code == next_ and old < 0) or (code >= FIRST and old < 0):
            return -1
        if old >= 0 and next_ < CODES:
            table.before[next_] = old
            table.length[next_] = table.length[old] + 1
            table.first[next_] = table.first[old]
            table.last[next_] = table.first[code] if code < next_ else table.first[old]
            next_ += 1
        elif code == next_:
            return -1
        if table.length[code] > size - done:
            return -1
        at = code
        for k in range(table.length[code] - 1, -1, -1):
            out[done + k] = table.last[at]
            at = table.before[at]
        done += table.length[code]
        old = code
        if next_ >= (1 << width) - 1 and width < 12:
            width += 1
    return 0


cdef struct Writing:
    uint32_t keys[PLACES]
    uint16_t codes[PLACES]
    uint32_t start               # how many there were; what is in the table of an earlier one does not count
    uint8_t* out
    Py_ssize_t pos
    uint64_t held
    int n_held
    int width
    int next_
    Py_ssize_t n_bytes           # since the last start
    Py_ssize_t n_bits
    Py_ssize_t look              # at so many bytes
    Py_ssize_t ratio


cdef inline void _put(Writing* writing, int code) noexcept nogil:
    writing.held = writing.held << writing.width | code
    writing.n_held += writing.width
    writing.n_bits += writing.width
    while writing.n_held >= 8:
        writing.n_held -= 8
        writing.out[writing.pos] = (writing.held >> writing.n_held) & 255
        writing.pos += 1


cdef void _start_anew(Writing* writing) noexcept nogil:
    """Says so, in codes as wide as they were."""
    writing.start += 1
    if writing.start >> (32 - KEY_BITS):
        memset(writing.keys, 0, sizeof(writing.keys))
        writing.start = 1
    writing.ratio = writing.n_bytes = writing.n_bits = 0
    _put(writing, CLEAR)
    writing.width = 9
    writing.next_ = FIRST


cdef inline bint _is_worse(Writing* writing) noexcept nogil:
    """Whether what is coded is no longer getting smaller."""
    cdef Py_ssize_t ratio, n = writing.n_bits >> 8
    if writing.n_bytes > 0x007FFFFF:
        ratio = writing.n_bytes // n if n else 0x7FFFFFFF
    else:
        ratio = (writing.n_bytes << 8) // writing.n_bits
    writing.look = writing.n_bytes + LOOK
    if ratio <= writing.ratio:
        return True
    writing.ratio = ratio
    return False


cdef void _write(Writing* writing, const uint8_t* raw, Py_ssize_t n) noexcept nogil:
    """A strip of at least one byte."""
    cdef int prefix = raw[0]
    cdef uint32_t key, place
    cdef Py_ssize_t i
    memset(writing.keys, 0, sizeof(writing.keys))
    writing.start = 0
    writing.n_held = 0
    writing.width = 9
    writing.look = LOOK
    _start_anew(writing)
    writing.n_bytes = 1
    for i in range(1, n):
        writing.n_bytes += 1
        key = writing.start << KEY_BITS | prefix << 8 | raw[i]
        place = (key * <uint32_t>0x9E3779B1) >> (32 - PLACE_BITS)
        while writing.keys[place] >> KEY_BITS == writing.start and writing.keys[place] != key:
            place = (place + 1) & (PLACES - 1)
        if writing.keys[place] == key:
            prefix = writing.codes[place]
            continue
        _put(writing, prefix)
        prefix = raw[i]
        writing.keys[place] = key
        writing.codes[place] = writing.next_
        writing.next_ += 1
        if writing.next_ == CODES - 2:
            _start_anew(writing)
        elif writing.next_ > (1 << writing.width) - 1:
            writing.width += 1
        elif writing.n_bytes >= writing.look and _is_worse(writing):
            _start_anew(writing)
    _put(writing, prefix)
    if writing.next_ + 1 == CODES - 2:
        _put(writing, CLEAR)
        writing.width = 9
    elif writing.next_ + 1 > (1 << writing.width) - 1:
        writing.width += 1
    _put(writing, END)
    if writing.n_held:
        writing.out[writing.pos] = (writing.held << (8 - writing.n_held)) & 255
        writing.pos += 1


def read(const uint8_t[::1] coded not None, Py_ssize_t size):
    """The `size` bytes of a strip."""
    cdef Reading table
    cdef int state
    if len(coded) < 1 or size < 1:
        raise ContentError("damaged", "a strip of LZW without bytes")
    if size > CODES * len(coded):
        raise ContentError("damaged", "a strip of LZW that cannot hold so much")
    raw = np.empty(size, np.uint8)
    cdef uint8_t[::1] out = raw
    with nogil:
        state = _read(&table, &coded[0], len(coded), &out[0], size)
    if state < 0:
        raise ContentError("damaged", "a strip of LZW that cannot be read")
    return raw


def write(const uint8_t[::1] raw not None):
    """A strip."""
    cdef Writing writing
    if len(raw) < 1:
        raise ContentError("damaged", "a strip of LZW without bytes")
    coded = np.empty(2 * len(raw) + 64, np.uint8)
    cdef uint8_t[::1] out = coded
    writing.out = &out[0]
    writing.pos = 0
    writing.held = 0
    with nogil:
        _write(&writing, &raw[0], len(raw))
    return coded[: writing.pos].tobytes()
