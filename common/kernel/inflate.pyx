"""A deflate stream taken apart (RFC 1951): what it holds, and what its writer chose: the matches, and where blocks end.

Memory safety: `_read_tokens` writes a literal or a match only after it has seen that there is room in `raw`; there are no more
tokens than bytes. Bits past the end are zeros, which is found out after each token.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from common.kernel.huffman cimport (
    DAMAGED, DISTANCES, DYNAMIC, END, FIXED, LITERALS, LONGEST, SOUND, STORED, TOO_LONG, Bits, Lengths, base_of_distance, base_of_length,
    codes_of, extra_of_distance, extra_of_length, fixed_lengths, place_of, read_lengths, refill, take,
)

import numpy as np

from common.errors import ContentError

cdef struct Reading:
    Bits bits
    uint8_t* raw
    Py_ssize_t size
    Py_ssize_t pos
    uint32_t* tokens
    Py_ssize_t n_tokens
    uint16_t literals[1 << LONGEST]    # by the next bits: a symbol times 16, and the length of its code; 0 where none begins so
    uint16_t distances[1 << LONGEST]


cdef int _fill_table(const uint8_t* lengths, int n, uint16_t* table) noexcept nogil:
    cdef uint16_t codes[LITERALS]
    cdef int symbol, at
    if codes_of(lengths, n, codes) != SOUND:
        return DAMAGED
    memset(table, 0, sizeof(uint16_t) << LONGEST)
    for symbol in range(n):
        if lengths[symbol]:
            at = codes[symbol]
            while at < 1 << LONGEST:
                table[at] = symbol << 4 | lengths[symbol]
                at += 1 << lengths[symbol]
    return SOUND


cdef int _read_tokens(Reading* reading) noexcept nogil:
    """The tokens of a block whose tables are filled, and what they stand for."""
    cdef Bits* bits = &reading.bits
    cdef int symbol, length, distance, i
    cdef uint16_t entry
    cdef uint8_t* to
    while True:
        refill(bits)
        entry = reading.literals[bits.held & ((1 << LONGEST) - 1)]
        symbol = entry >> 4
        if entry == 0 or bits.pos > bits.size + 8:
            return DAMAGED
        bits.held >>= entry & 15
        bits.n -= entry & 15
        if symbol == END:
            return SOUND
        if symbol < END:
            if reading.pos >= reading.size:
                return TOO_LONG
            reading.raw[reading.pos] = symbol
            reading.tokens[reading.n_tokens] = 0
            reading.pos += 1
            reading.n_tokens += 1
            continue
        if symbol > 285:
            return DAMAGED
        length = base_of_length(symbol) + take(bits, extra_of_length(symbol))
        entry = reading.distances[bits.held & ((1 << LONGEST) - 1)]
        symbol = entry >> 4
        if entry == 0 or symbol > 29:
            return DAMAGED
        bits.held >>= entry & 15
        bits.n -= entry & 15
        distance = base_of_distance(symbol) + take(bits, extra_of_distance(symbol))
        if distance > reading.pos:
            return DAMAGED
        if length > reading.size - reading.pos:
            return TOO_LONG
        to = reading.raw + reading.pos
        for i in range(length):
            to[i] = to[i - distance]
        reading.tokens[reading.n_tokens] = length << 16 | distance
        reading.pos += length
        reading.n_tokens += 1


cdef int _read_stored(Reading* reading) noexcept nogil:
    """The bytes of a stored block."""
    cdef Bits* bits = &reading.bits
    cdef Py_ssize_t at, length
    if take(bits, (<int>(-place_of(bits))) & 7) != 0:
        return DAMAGED               # what fills the byte is not kept
    length = take(bits, 16)
    if length + take(bits, 16) != 0xFFFF:
        return DAMAGED
    at = place_of(bits) >> 3
    if at + length > bits.size:
        return DAMAGED
    if length > reading.size - reading.pos:
        return TOO_LONG
    memcpy(reading.raw + reading.pos, bits.stream + at, length)
    reading.pos += length
    bits.pos = at + length
    bits.held = 0
    bits.n = 0
    return SOUND


cdef struct Block:
    int kind
    int is_last
    Py_ssize_t n                       # tokens; bytes of a stored one
    Py_ssize_t head                    # where the lengths of a dynamic one are told, in bits
    Py_ssize_t head_bits


cdef int _read(Reading* reading, Block* block) noexcept nogil:
    """The next block. SOUND, DAMAGED or TOO_LONG."""
    cdef Lengths lengths
    cdef Py_ssize_t pos = reading.pos
    cdef int state = SOUND
    block.n = reading.n_tokens
    block.is_last = take(&reading.bits, 1)
    block.kind = take(&reading.bits, 2)
    block.head = place_of(&reading.bits)
    if block.kind == STORED:
        state = _read_stored(reading)
        block.n = reading.pos - pos
    elif block.kind == FIXED:
        fixed_lengths(&lengths)
    elif block.kind == DYNAMIC:
        state = read_lengths(&reading.bits, &lengths)
    else:
        state = DAMAGED
    block.head_bits = place_of(&reading.bits) - block.head if block.kind == DYNAMIC else 0
    if block.kind != STORED and state == SOUND:
        state = _fill_table(lengths.literals, LITERALS, reading.literals)
        if state == SOUND:
            state = _fill_table(lengths.distances, DISTANCES, reading.distances)
        if state == SOUND:
            state = _read_tokens(reading)
        block.n = reading.n_tokens - block.n
    return DAMAGED if place_of(&reading.bits) > 8 * reading.bits.size else state


def read(const uint8_t[::1] stream not None, Py_ssize_t size):
    """The raw bytes, the tokens, the blocks, and how many bits were read."""
    cdef Reading reading
    cdef Block block
    cdef int state = SOUND
    if size < 0:
        raise ValueError("a size is not negative")
    content, chosen = np.empty(size + 1, np.uint8), np.empty(size + 1, np.uint32)
    cdef uint8_t[::1] raw = content
    cdef uint32_t[::1] tokens = chosen
    memset(&reading.bits, 0, sizeof(Bits))
    reading.bits.stream = &stream[0] if len(stream) else NULL
    reading.bits.size = len(stream)
    reading.raw, reading.tokens = &raw[0], &tokens[0]
    reading.size, reading.pos, reading.n_tokens = size, 0, 0
    blocks = []
    block.is_last = 0
    while state == SOUND and not block.is_last:
        with nogil:
            state = _read(&reading, &block)
        blocks.append((block.kind, block.n, block.is_last, block.head, block.head_bits))
    if state == TOO_LONG or (state == SOUND and reading.pos != size):
        raise ContentError("damaged", f"a deflate stream that does not hold {size} bytes")
    if state != SOUND:
        raise ContentError("damaged", "a deflate stream that cannot be read")
    return content[:size], chosen[: reading.n_tokens].copy(), np.array(blocks, np.int64), place_of(&reading.bits)
