"""Tokens and blocks into a deflate stream, with the codes that zlib makes where a block does not tell its own (trees.c).

A token is a literal (0: the byte is in `raw`) or `length << 16 | distance`. `_count` refuses tokens that do not fit in `raw`
before anything is written; `_reserve` makes room for the longest code before each token.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from common.kernel.heads cimport Head, Tree, make_head
from common.kernel.huffman cimport (
    CODE_LENGTHS, DAMAGED, DISTANCES, END, FIXED, LITERALS, SOUND, STORED, Bits, Lengths, base_of_distance, base_of_length, codes_of,
    extra_of_distance, extra_of_length, fill_order, fixed_lengths, read_lengths,
)

from common.errors import ContentError

cdef enum:
    NO_MEMORY = 3

cdef struct Sink:
    uint8_t* stream
    Py_ssize_t capacity
    Py_ssize_t pos
    uint64_t held
    int n

cdef uint8_t[LITERALS] LENGTH_SYMBOL   # of a length less 3: the symbol less 257
cdef uint8_t[512] DISTANCE_SYMBOL      # of a distance less 1 below 256, then of its 128th


cdef void _fill_symbols() noexcept:
    cdef int symbol, value
    for symbol in range(257, 286):
        for value in range(base_of_length(symbol), min(base_of_length(symbol) + (1 << extra_of_length(symbol)), 259)):
            LENGTH_SYMBOL[value - 3] = symbol - 257
    for symbol in range(30):
        for value in range(base_of_distance(symbol) - 1, base_of_distance(symbol) - 1 + (1 << extra_of_distance(symbol))):
            DISTANCE_SYMBOL[value if value < 256 else 256 + (value >> 7)] = symbol


_fill_symbols()


cdef inline int _distance_symbol(int distance) noexcept nogil:
    return DISTANCE_SYMBOL[distance - 1 if distance <= 256 else 256 + ((distance - 1) >> 7)]


# bits

cdef inline int _reserve(Sink* sink, Py_ssize_t n_bytes) noexcept nogil:
    """Room for n_bytes, and for what is yet to be written."""
    cdef uint8_t* larger
    if sink.capacity - sink.pos >= n_bytes + 16:
        return SOUND
    larger = <uint8_t*>realloc(sink.stream, 2 * sink.capacity + n_bytes + 16)
    if larger == NULL:
        return NO_MEMORY
    sink.stream = larger
    sink.capacity = 2 * sink.capacity + n_bytes + 16
    return SOUND


cdef inline void _put(Sink* sink, uint32_t value, int n) noexcept nogil:
    """n bits, at most 16; room is reserved."""
    sink.held |= <uint64_t>value << sink.n
    sink.n += n
    while sink.n >= 8:
        sink.stream[sink.pos] = sink.held & 255
        sink.pos += 1
        sink.held >>= 8
        sink.n -= 8


cdef int _put_head(Sink* sink, Head* head) noexcept nogil:
    cdef uint16_t codes[CODE_LENGTHS]
    cdef uint8_t order[CODE_LENGTHS]
    cdef int i, symbol
    fill_order(order)
    if _reserve(sink, 8 * (LITERALS + DISTANCES)) != SOUND:
        return NO_MEMORY
    codes_of(head.short, CODE_LENGTHS, codes)
    _put(sink, head.n_literals - 257, 5)
    _put(sink, head.n_distances - 1, 5)
    _put(sink, head.n_short - 4, 4)
    for i in range(head.n_short):
        _put(sink, head.short[order[i]], 3)
    for i in range(head.n_runs):
        symbol = head.runs[i]
        _put(sink, codes[symbol], head.short[symbol])
        if symbol >= 16:
            _put(sink, head.extra[i], 2 if symbol == 16 else 3 if symbol == 17 else 7)
    return SOUND


cdef int _put_tokens(Sink* sink, Lengths* lengths, const uint8_t* raw, const uint32_t* tokens, Py_ssize_t n) noexcept nogil:
    """A block's tokens and its end. DAMAGED where one has no code."""
    cdef uint16_t literals[LITERALS]
    cdef uint16_t distances[DISTANCES]
    cdef Py_ssize_t i
    cdef int length, distance, symbol
    if codes_of(lengths.literals, LITERALS, literals) != SOUND or codes_of(lengths.distances, DISTANCES, distances) != SOUND:
        return DAMAGED
    for i in range(n):
        if _reserve(sink, 16) != SOUND:
            return NO_MEMORY
        length = tokens[i] >> 16
        if length == 0:
            if lengths.literals[raw[0]] == 0:
                return DAMAGED
            _put(sink, literals[raw[0]], lengths.literals[raw[0]])
            raw += 1
            continue
        symbol = LENGTH_SYMBOL[length - 3] + 257
        distance = tokens[i] & 0xFFFF
        if lengths.literals[symbol] == 0 or lengths.distances[_distance_symbol(distance)] == 0:
            return DAMAGED
        _put(sink, literals[symbol], lengths.literals[symbol])
        _put(sink, length - base_of_length(symbol), extra_of_length(symbol))
        symbol = _distance_symbol(distance)
        _put(sink, distances[symbol], lengths.distances[symbol])
        _put(sink, distance - base_of_distance(symbol), extra_of_distance(symbol))
        raw += length
    if lengths.literals[END] == 0 or _reserve(sink, 16) != SOUND:
        return DAMAGED
    _put(sink, literals[END], lengths.literals[END])
    return SOUND


cdef int _put_stored(Sink* sink, const uint8_t* raw, Py_ssize_t n) noexcept nogil:
    if _reserve(sink, n + 8) != SOUND:
        return NO_MEMORY
    if sink.n:
        _put(sink, 0, 8 - sink.n)
    _put(sink, n, 16)
    _put(sink, n ^ 0xFFFF, 16)
    if n:
        memcpy(sink.stream + sink.pos, raw, n)
    sink.pos += n
    return SOUND


cdef Py_ssize_t _count(
    const uint8_t* raw, Py_ssize_t size, const uint32_t* tokens, Py_ssize_t n, uint32_t* literals, uint32_t* distances
) noexcept nogil:
    """How often each symbol occurs; returns the bytes that the tokens stand for, -1 if they are not within the size."""
    cdef Py_ssize_t i, pos = 0
    cdef int length, distance
    memset(literals, 0, LITERALS * sizeof(uint32_t))
    memset(distances, 0, DISTANCES * sizeof(uint32_t))
    literals[END] = 1
    for i in range(n):
        length = tokens[i] >> 16
        if length == 0:
            if pos >= size:
                return -1
            literals[raw[pos]] += 1
            pos += 1
            continue
        distance = tokens[i] & 0xFFFF
        if not 3 <= length <= 258 or not 1 <= distance <= 32768 or length > size - pos:
            return -1
        literals[LENGTH_SYMBOL[length - 3] + 257] += 1
        distances[_distance_symbol(distance)] += 1
        pos += length
    return pos


def head_of(const uint8_t[::1] raw not None, const uint32_t[::1] tokens not None):
    """How zlib tells the codes of a block: the bits, and how many they are."""
    cdef uint32_t literals[LITERALS]
    cdef uint32_t distances[DISTANCES]
    cdef Sink sink
    cdef Head head
    cdef Tree tree
    cdef int state = NO_MEMORY
    if _count(&raw[0] if len(raw) else NULL, len(raw), &tokens[0] if len(tokens) else NULL, len(tokens), literals, distances) < 0:
        raise ContentError("damaged", "tokens that do not fit their bytes")
    memset(&sink, 0, sizeof(Sink))
    make_head(&head, &tree, literals, distances)
    try:
        state = _put_head(&sink, &head)
        if state == NO_MEMORY:
            raise MemoryError
        n_bits = 8 * sink.pos + sink.n
        _put(&sink, 0, 7)
        return sink.stream[: (n_bits + 7) >> 3], n_bits
    finally:
        free(sink.stream)


def write(const uint8_t[::1] raw not None, const uint32_t[::1] tokens not None, blocks):
    """The stream: `blocks` are (kind, n, is_last, head or None)."""
    cdef Sink sink
    cdef int state = SOUND
    cdef Py_ssize_t n, used, pos = 0, at = 0
    memset(&sink, 0, sizeof(Sink))
    try:
        for kind, n_of, is_last, head in blocks:
            n = n_of
            if n < 0 or n > (len(raw) - pos if kind == STORED else len(tokens) - at) or (kind == STORED and n > 65535):
                raise ContentError("damaged", "a block of more than there is")
            used = _write_block(
                &sink, &raw[0] + pos if pos < len(raw) else NULL, len(raw) - pos, &tokens[0] + at if at < len(tokens) else NULL,
                n, kind, is_last, head,
            )
            pos += used
            at += n if kind != STORED else 0
        if _reserve(&sink, 8) != SOUND:
            raise MemoryError
        _put(&sink, 0, 7)
        return sink.stream[: sink.pos]
    finally:
        free(sink.stream)


cdef Py_ssize_t _write_block(
    Sink* sink, const uint8_t* raw, Py_ssize_t size, const uint32_t* tokens, Py_ssize_t n, int kind, int is_last, head
) except -1:
    """Writes a block; returns how many raw bytes it holds."""
    cdef uint32_t literals[LITERALS]
    cdef uint32_t distances[DISTANCES]
    cdef Head made
    cdef Tree tree
    cdef Bits bits
    cdef const uint8_t[::1] told
    cdef Py_ssize_t used = n
    cdef int state = _reserve(sink, 16)
    if state == SOUND:
        _put(sink, is_last, 1)
        _put(sink, kind, 2)
    if kind == STORED:
        if state == SOUND:
            state = _put_stored(sink, raw, n)
    else:
        used = _count(raw, size, tokens, n, literals, distances)
        if used < 0:
            raise ContentError("damaged", "tokens that do not fit their bytes")
        if kind == FIXED:
            fixed_lengths(&made.lengths)
        elif head is None:
            make_head(&made, &tree, literals, distances)
            if state == SOUND:
                state = _put_head(sink, &made)
        else:
            told, n_bits = head
            state = _put_told(sink, &made.lengths, told, n_bits)
        if state == SOUND:
            state = _put_tokens(sink, &made.lengths, raw, tokens, n)
    if state == NO_MEMORY:
        raise MemoryError
    if state != SOUND:
        raise ContentError("damaged", "a block whose codes cannot be")
    return used


cdef int _put_told(Sink* sink, Lengths* lengths, const uint8_t[::1] told, Py_ssize_t n_bits):
    """Writes a head as it is told, and reads its lengths. DAMAGED where it does not end where it should."""
    cdef Bits bits
    cdef Py_ssize_t i
    memset(&bits, 0, sizeof(Bits))
    if len(told) < 1 or not 0 < n_bits <= 8 * len(told):
        return DAMAGED
    bits.stream, bits.size = &told[0], len(told)
    if read_lengths(&bits, lengths) != SOUND or 8 * bits.pos - bits.n != n_bits:
        return DAMAGED
    if _reserve(sink, len(told)) != SOUND:
        return NO_MEMORY
    for i in range(n_bits >> 3):
        _put(sink, told[i], 8)
    if n_bits & 7:
        _put(sink, told[n_bits >> 3] & ((1 << (n_bits & 7)) - 1), n_bits & 7)
    return SOUND
