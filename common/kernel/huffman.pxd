"""Deflate's codes (RFC 1951): their lengths as a block's head tells them, and the bits in which it tells them. Inline."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LITERALS = 288               # codes of literals and lengths, of which 286 are used
    DISTANCES = 32               # of which 30 are used
    CODE_LENGTHS = 19
    LONGEST = 15                 # bits of a code
    END = 256                    # ends a block
    LONGEST_MATCH = 258
    STORED = 0                   # kinds of blocks
    FIXED = 1
    DYNAMIC = 2
    SOUND = 0                    # what comes of reading
    DAMAGED = 1
    TOO_LONG = 2

cdef struct Bits:
    const uint8_t* stream
    Py_ssize_t size
    Py_ssize_t pos               # bytes taken; past the end they are zeros, and `pos` tells
    uint64_t held                # the lower n bits are next
    int n

cdef struct Lengths:
    uint8_t literals[LITERALS]
    uint8_t distances[DISTANCES]


cdef inline void refill(Bits* bits) noexcept nogil:
    """Hold 57 bits or more."""
    while bits.n <= 56:
        if bits.pos < bits.size:
            bits.held |= <uint64_t>bits.stream[bits.pos] << bits.n
        bits.pos += 1
        bits.n += 8


cdef inline uint32_t take(Bits* bits, int n) noexcept nogil:
    """The next n bits, at most 16."""
    cdef uint32_t value
    if bits.n < n:
        refill(bits)
    value = bits.held & ((<uint64_t>1 << n) - 1)
    bits.held >>= n
    bits.n -= n
    return value


cdef inline Py_ssize_t place_of(Bits* bits) noexcept nogil:
    """How many bits were taken."""
    return 8 * bits.pos - bits.n


cdef inline uint32_t turned(uint32_t code, int n) noexcept nogil:
    """The lower n bits, the first one last: codes are written with their highest bit first."""
    cdef uint32_t value = 0
    cdef int i
    for i in range(n):
        value = value << 1 | (code >> i & 1)
    return value


cdef inline int codes_of(const uint8_t* lengths, int n, uint16_t* codes) noexcept nogil:
    """The code of each symbol, turned, from the lengths of all; DAMAGED where there are more codes than fit."""
    cdef int counts[LONGEST + 1]
    cdef int next_[LONGEST + 2]
    cdef int i, left = 1
    for i in range(LONGEST + 1):
        counts[i] = 0
    for i in range(n):
        counts[lengths[i]] += 1
    counts[0] = 0
    next_[0] = next_[1] = 0
    for i in range(1, LONGEST + 1):
        left = 2 * left - counts[i]
        if left < 0:
            return DAMAGED
        next_[i + 1] = (next_[i] + counts[i]) << 1
    for i in range(n):
        codes[i] = 0
        if lengths[i]:
            codes[i] = turned(next_[lengths[i]], lengths[i])
            next_[lengths[i]] += 1
    return SOUND


cdef inline void fixed_lengths(Lengths* lengths) noexcept nogil:
    """Those of blocks that tell none."""
    cdef int i
    for i in range(LITERALS):
        lengths.literals[i] = 8 if i < 144 else 9 if i < 256 else 7 if i < 280 else 8
    for i in range(DISTANCES):
        lengths.distances[i] = 5


cdef inline void fill_order(uint8_t* order) noexcept nogil:
    """In which order the lengths' own code lengths are told."""
    cdef uint8_t[CODE_LENGTHS] told = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    cdef int i
    for i in range(CODE_LENGTHS):
        order[i] = told[i]


cdef inline int read_lengths(Bits* bits, Lengths* lengths) noexcept nogil:
    """The lengths that the head of a dynamic block tells, from behind its kind on. SOUND or DAMAGED."""
    cdef uint8_t order[CODE_LENGTHS]
    cdef uint8_t short[CODE_LENGTHS]
    cdef uint16_t codes[CODE_LENGTHS]
    cdef uint8_t told[LITERALS + DISTANCES]
    cdef uint8_t table[128]
    cdef int n_literals, n_distances, n_short, i, at, symbol, again, value
    fill_order(order)
    n_literals = 257 + take(bits, 5)
    n_distances = 1 + take(bits, 5)
    n_short = 4 + take(bits, 4)
    if n_literals > 286:
        return DAMAGED
    for i in range(CODE_LENGTHS):
        short[i] = 0
    for i in range(n_short):
        short[order[i]] = take(bits, 3)
    if codes_of(short, CODE_LENGTHS, codes) != SOUND:
        return DAMAGED
    for i in range(128):
        table[i] = 255
    for symbol in range(CODE_LENGTHS):
        if short[symbol]:
            i = codes[symbol]
            while i < 128:
                table[i] = symbol
                i += 1 << short[symbol]
    at = 0
    while at < n_literals + n_distances:
        refill(bits)
        symbol = table[bits.held & 127]
        if symbol == 255 or bits.pos > bits.size + 8:
            return DAMAGED
        take(bits, short[symbol])
        if symbol < 16:
            told[at] = symbol
            at += 1
            continue
        if symbol == 16 and at == 0:
            return DAMAGED
        value = told[at - 1] if symbol == 16 else 0
        again = 3 + take(bits, 2) if symbol == 16 else 3 + take(bits, 3) if symbol == 17 else 11 + take(bits, 7)
        if at + again > n_literals + n_distances:
            return DAMAGED
        for i in range(again):
            told[at] = value
            at += 1
    for i in range(LITERALS):
        lengths.literals[i] = told[i] if i < n_literals else 0
    for i in range(DISTANCES):
        lengths.distances[i] = told[n_literals + i] if i < n_distances else 0
    return SOUND


cdef inline int base_of_length(int symbol) noexcept nogil:
    """The smallest length of a symbol from 257 to 285."""
    cdef int i = symbol - 257, bits = extra_of_length(symbol)
    if symbol == 285:
        return LONGEST_MATCH
    return 3 + i if i < 8 else 3 + ((4 + (i & 3)) << bits)


cdef inline int extra_of_length(int symbol) noexcept nogil:
    """The bits that follow it."""
    return 0 if symbol < 265 or symbol == 285 else (symbol - 261) >> 2


cdef inline int base_of_distance(int symbol) noexcept nogil:
    """The smallest distance of a symbol from 0 to 29."""
    return 1 + symbol if symbol < 4 else 1 + ((2 + (symbol & 1)) << ((symbol >> 1) - 1))


cdef inline int extra_of_distance(int symbol) noexcept nogil:
    """The bits that follow it."""
    return 0 if symbol < 4 else (symbol >> 1) - 1
