"""The binary coder under mixing.pyx: counters, one mixer, one refinement, a carry-less range coder. All inline, integers only."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    FRESH = 0x80000000              # a counter that has seen nothing: one half
    INPUTS = 6                   # contexts that are mixed for each decision
    LINE_BITS = 16               # lines of a context's table
    LANES = 8                    # inputs and weights are padded with zeros to a vector
    NODES = 8                    # counters of a line: half a cache line
    SELECTORS = 1024             # sets of weights, each for NODES nodes
    SIGN = 7                     # node of a sign; 0 says zero, 1 to 6 that the magnitude has more bits
    STEPS = 33                   # of log-odds, with which a probability is refined
    COLUMNS = 8192               # blocks beside each other at most
    LIMIT = 2047                 # largest coefficient that is coded
    LONGEST = 13                 # bits of the largest magnitude


cdef struct Coder:
    uint32_t low                 # the interval, both ends included
    uint32_t high
    uint32_t code                # what is decoded: 32 bits of the stream
    uint8_t* stream
    Py_ssize_t position
    Py_ssize_t size
    bint is_decoding
    bint is_full                 # more was coded than the stream has room for
    uint32_t* counters           # INPUTS << LINE_BITS lines of NODES: probability of a one in 22 bits, upper bit turned
                                 # over so that memory of zeros says one half; then a count in 10
    int16_t* weights             # SELECTORS * NODES * LANES, 1/8192
    uint16_t* refined            # SELECTORS * NODES * 33: probabilities of ones
    int16_t* stretch             # 4096: log-odds of a probability in 12 bits, 128 a unit
    uint16_t* squash             # 4096: probability in 16 bits of log-odds + 2048
    int32_t* rates               # 1024: the rate of a counter that has seen so many
    uint32_t lines[INPUTS]       # the first counter of each context's line


cdef extern from * nogil:
    int leading_zeros "__builtin_clz"(unsigned int) noexcept


cdef inline int absolute(int value) noexcept nogil:
    return -value if value < 0 else value


cdef inline int bounded(int value) noexcept nogil:
    """Return a value that a coefficient can have."""
    return LIMIT if value > LIMIT else -LIMIT if value < -LIMIT else value


cdef inline int low(int value, int limit) noexcept nogil:
    """Return a value, at most the limit."""
    return value if value < limit else limit


cdef inline int log4(int value) noexcept nogil:
    """Return the class of a magnitude: itself to 7, then four an octave (8, 10, 12, 14, 16, 20, ...); at most 43."""
    cdef int shift
    if value < 8:
        return value
    shift = 29 - leading_zeros(low(value, 4095))
    return 4 * shift + (low(value, 4095) >> shift)


cdef inline int log1(int value) noexcept nogil:
    """Return the class of a magnitude: itself to 4, then two an octave (4, 6, 8, 12, 16, ...); at most 23."""
    cdef int fine = log4(value)
    return fine if fine < 4 else 2 + (fine >> 1)


cdef inline uint32_t line_of(int input, uint32_t context) noexcept nogil:
    """Return the first counter of a context's line. In range for every context: it is masked to the input's part of the table.

    The lower half of a part is for contexts that are plain indices; those that are marked in their upper bits are hashed into the
    upper half: they are many, and few of them occur.
    """
    if context >> 28:
        context *= <uint32_t>0x9E3779B1
        context = ((context ^ (context >> 15)) * <uint32_t>0x85EBCA77 >> 17) | (1 << (LINE_BITS - 1))
    return ((<uint32_t>input << LINE_BITS) | (context & ((1 << LINE_BITS) - 1))) * NODES


cdef inline void start(Coder* coder, bint is_decoding) noexcept nogil:
    """Begin at the stream's first byte."""
    cdef int i
    coder.low = coder.code = 0
    coder.high = <uint32_t>0xFFFFFFFF
    coder.is_decoding = is_decoding
    coder.is_full = False
    coder.position = 0
    if is_decoding:
        for i in range(4):
            coder.code = (coder.code << 8) | (coder.stream[i] if i < coder.size else 0)
        coder.position = 4


cdef inline Py_ssize_t finish(Coder* coder) noexcept nogil:
    """Return the stream's size, -1 if it has no room, or too few or too many bytes for what was decoded."""
    cdef int i
    if coder.is_decoding:
        return coder.size if coder.position - 4 <= coder.size <= coder.position else -1
    # The decoder reads zeros after the end: as few bytes as name a number in the interval.
    for i in range(1, 5):
        if coder.position + i > coder.size:
            return -1
        coder.stream[coder.position + i - 1] = (coder.high >> (32 - 8 * i)) & 255
        if (coder.high >> (32 - 8 * i)) << (32 - 8 * i) >= coder.low:
            break
    return -1 if coder.is_full else coder.position + i


cdef inline int code_interval(Coder* coder, int bit, uint32_t probability) noexcept nogil:
    """Code one decision whose probability of a one is given in 16 bits, 1 to 65535."""
    cdef uint32_t width = coder.high - coder.low
    cdef uint32_t middle = coder.low + (width >> 16) * probability + (((width & 0xFFFF) * probability) >> 16)
    if coder.is_decoding:
        bit = coder.code <= middle
    if bit:
        coder.high = middle
    else:
        coder.low = middle + 1
    while not ((coder.low ^ coder.high) & <uint32_t>0xFF000000):
        if coder.is_decoding:
            coder.code <<= 8
            if coder.position < coder.size:
                coder.code |= coder.stream[coder.position]
        elif coder.position < coder.size:
            coder.stream[coder.position] = coder.high >> 24
        else:
            coder.is_full = True
        coder.position += 1
        coder.low <<= 8
        coder.high = (coder.high << 8) | 255
    return bit


cdef inline int code_bit(Coder* coder, int bit, int node, int selector) noexcept nogil:
    """Code one decision: the node of each of the context lines in `coder.lines`, weighed by the selector's weights.

    In range: a line ends NODES counters after its start, node < NODES; selector < SELECTORS; everything else is masked or
    clamped to its table below.
    """
    cdef int16_t inputs[LANES]
    cdef uint32_t* counter
    cdef int set_ = selector * NODES + node
    cdef int16_t* weights = coder.weights + set_ * LANES
    cdef uint16_t* refined
    cdef uint32_t seen
    cdef int i, odds = 0, error, part, target, moved
    cdef int16_t slope
    cdef int32_t probability
    inputs[INPUTS] = inputs[INPUTS + 1] = 0
    for i in range(INPUTS):
        inputs[i] = coder.stretch[(coder.counters[coder.lines[i] + node] ^ FRESH) >> 20]
        odds += <int>inputs[i] * weights[i]
    odds >>= 13
    odds = 2047 if odds > 2047 else odds
    odds = -2047 if odds < -2047 else odds
    probability = coder.squash[odds + 2048]
    part = (odds + 2048) & 127
    refined = coder.refined + set_ * STEPS + ((odds + 2048) >> 7)
    target = (probability + ((refined[0] * (128 - part) + refined[1] * part) >> 7)) >> 1
    bit = code_interval(coder, bit, target + (target == 0))
    # Adaptation: the weights along the gradient of the cost, then the nearer refined one and the counters towards what came.
    target = 65535 if bit else 0
    slope = (target - probability) >> 1
    for i in range(LANES):
        moved = weights[i] + ((((<int>inputs[i] * slope) >> 14) + 1) >> 1)
        moved = 32767 if moved > 32767 else moved
        weights[i] = -32767 if moved < -32767 else moved
    refined += part >> 6
    refined[0] += (target - <int32_t>refined[0]) >> 6
    target = (bit << 22) - bit
    for i in range(INPUTS):
        counter = coder.counters + coder.lines[i] + node
        seen = counter[0] ^ FRESH
        moved = (((target - <int32_t>(seen >> 10)) >> 6) * coder.rates[seen & 1023]) >> 8
        counter[0] = (seen + (<uint32_t>moved << 10) + ((seen & 1023) < 1000)) ^ FRESH
    return bit


cdef inline int code_tree(Coder* coder, int value, int n_bits, int selector) noexcept nogil:
    """Code a number of at most three bits, the highest first, each bit by the ones above it."""
    cdef int node = 1, i
    for i in range(n_bits - 1, -1, -1):
        node = 2 * node + code_bit(coder, (value >> i) & 1, node, selector)
    return node - (1 << n_bits)


cdef inline int code_value(Coder* coder, int value, int selector, int mantissa_selector) noexcept nogil:
    """Code a number of up to LONGEST bits: is it zero, how many bits, its sign, then the bits below the first."""
    cdef int magnitude = -value if value < 0 else value
    cdef int length = 0, i, node, is_negative, bit
    if not code_bit(coder, magnitude != 0, 0, selector):
        return 0
    while length < LONGEST and (magnitude >> length) > 1:
        length += 1
    i = 1
    while i < LONGEST and code_bit(coder, length >= i, i if i < 6 else 6, selector):
        i += 1
    length = i - 1
    is_negative = code_bit(coder, value < 0, SIGN, selector)
    if length:
        for i in range(INPUTS):
            coder.lines[i] ^= <uint32_t>(length * NODES * 5)  # stays in the table: whole lines below 128 are exchanged
        node = 1
        bit = 1
        for i in range(length - 1, -1, -1):
            if length - i <= 3:
                bit = code_bit(coder, (magnitude >> i) & 1, node, mantissa_selector)
                node = 2 * node + bit
            else:
                node = 2 * node + code_bit(coder, (magnitude >> i) & 1, 0, mantissa_selector)
        return -node if is_negative else node
    return -1 if is_negative else 1
