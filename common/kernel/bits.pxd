"""The binary coder under mixing.pyx: counters, one mixer, one refinement, a carry-less range coder. All inline, integers only."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    GROUP = 4                    # contexts are mixed by fours
    INPUTS = 8                   # so many at most for one decision
    NODES = 8                    # counters of a line: half a cache line
    TABLE_BITS = 18              # counters of a context's table
    TABLE = 1 << TABLE_BITS
    SELECTORS = 1024             # sets of weights, each for NODES nodes
    FIRST = 1                    # nodes: 0 says that a number is not zero, 1 to 6 that its magnitude has more bits, 7 its sign
    SIGN = 7
    STEPS = 33                   # of log-odds, with which a probability is refined
    COLUMNS = 8192               # blocks beside each other at most
    LIMIT = 2047                 # largest coefficient that is coded
    LONGEST = 13                 # bits of the largest magnitude
    PLAIN_SETS = 256             # sets of counters that are not mixed, each for PLAIN decisions
    PLAIN = 64
    SEEN = 1023                  # bits of a counter that count


cdef struct Coder:
    uint32_t low                 # the interval, both ends included
    uint32_t high
    uint32_t code                # what is decoded: 32 bits of the stream
    uint8_t* stream
    Py_ssize_t position
    Py_ssize_t size
    bint is_decoding
    bint is_full                 # more was coded than the stream has room for
    int32_t* counters            # INPUTS * TABLE: probability of a one less a half in 22 bits, then a count in 10
    int32_t* plain               # PLAIN_SETS * PLAIN of the same
    int16_t* weights             # SELECTORS * NODES * INPUTS, 1/8192
    uint16_t* refined            # SELECTORS * NODES * 33: probabilities of ones
    int16_t* stretch             # 4096: log-odds of a probability in 12 bits, 128 a unit
    uint16_t* squash             # 4096: probability in 16 bits of log-odds + 2048
    int16_t* rates               # 1024: the rate of a counter that has seen so many, 1/32768
    uint32_t lines[INPUTS]       # the first counter of each context's line


cdef extern from * nogil:
    """
    /* The inner loops over a GROUP of inputs, by SSE2 where the processor has it for certain. Both ways give the same numbers. */
    #ifdef __SSE2__
    #include <emmintrin.h>

    static inline int weighed(const int32_t *counters, const uint32_t *lines, const int16_t *stretch, const int16_t *weights,
                              int16_t *inputs)
    {
        __m128i x = _mm_set_epi16(0, 0, 0, 0, stretch[counters[lines[3]] >> 20], stretch[counters[lines[2]] >> 20],
                                  stretch[counters[lines[1]] >> 20], stretch[counters[lines[0]] >> 20]);
        __m128i sums = _mm_madd_epi16(x, _mm_loadl_epi64((const __m128i *)weights));
        _mm_storel_epi64((__m128i *)inputs, x);
        return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32(sums, 1)));
    }

    static inline void learn(int16_t *weights, const int16_t *inputs, int slope)
    {
        __m128i x = _mm_loadl_epi64((const __m128i *)inputs), s = _mm_set1_epi16((short)slope);
        __m128i moved = _mm_srai_epi32(_mm_unpacklo_epi16(_mm_mullo_epi16(x, s), _mm_mulhi_epi16(x, s)), 14);
        moved = _mm_srai_epi32(_mm_add_epi32(moved, _mm_set1_epi32(1)), 1);
        moved = _mm_adds_epi16(_mm_loadl_epi64((const __m128i *)weights), _mm_packs_epi32(moved, moved));
        _mm_storel_epi64((__m128i *)weights, moved);
    }

    static inline void adapt_all(int32_t *counters, const uint32_t *lines, const int16_t *rates, int target)
    {
        int32_t c0 = counters[lines[0]], c1 = counters[lines[1]], c2 = counters[lines[2]], c3 = counters[lines[3]];
        __m128i seen = _mm_set_epi32(c3, c2, c1, c0);
        __m128i rate = _mm_set_epi32(rates[c3 & 1023], rates[c2 & 1023], rates[c1 & 1023], rates[c0 & 1023]);
        __m128i error = _mm_srai_epi32(_mm_sub_epi32(_mm_set1_epi32(target), _mm_srai_epi32(seen, 10)), 7);
        __m128i moved = _mm_srai_epi32(_mm_madd_epi16(_mm_and_si128(error, _mm_set1_epi32(65535)), rate), 8);
        __m128i count = _mm_cmplt_epi32(_mm_and_si128(seen, _mm_set1_epi32(1023)), _mm_set1_epi32(1000));
        seen = _mm_sub_epi32(_mm_add_epi32(seen, _mm_slli_epi32(moved, 10)), count);
        counters[lines[0]] = _mm_cvtsi128_si32(seen);
        counters[lines[1]] = _mm_cvtsi128_si32(_mm_shuffle_epi32(seen, 1));
        counters[lines[2]] = _mm_cvtsi128_si32(_mm_shuffle_epi32(seen, 2));
        counters[lines[3]] = _mm_cvtsi128_si32(_mm_shuffle_epi32(seen, 3));
    }
    #else
    static inline int weighed(const int32_t *counters, const uint32_t *lines, const int16_t *stretch, const int16_t *weights,
                              int16_t *inputs)
    {
        int sum = 0;
        for (int i = 0; i < 4; i++) {
            inputs[i] = stretch[counters[lines[i]] >> 20];
            sum += inputs[i] * weights[i];
        }
        return sum;
    }

    static inline void learn(int16_t *weights, const int16_t *inputs, int slope)
    {
        for (int i = 0; i < 4; i++) {
            int moved = weights[i] + (((inputs[i] * slope >> 14) + 1) >> 1);
            weights[i] = moved > 32767 ? 32767 : moved < -32768 ? -32768 : moved;
        }
    }

    static inline void adapt_all(int32_t *counters, const uint32_t *lines, const int16_t *rates, int target)
    {
        int32_t seen[4];
        for (int i = 0; i < 4; i++) {
            seen[i] = counters[lines[i]];
            seen[i] += (((target - (seen[i] >> 10)) >> 7) * rates[seen[i] & 1023] >> 8) * 1024 + ((seen[i] & 1023) < 1000);
        }
        for (int i = 0; i < 4; i++)
            counters[lines[i]] = seen[i];
    }
    #endif
    """
    int weighed(
        const int32_t* counters, const uint32_t* lines, const int16_t* stretch, const int16_t* weights, int16_t* inputs
    ) noexcept
    void learn(int16_t* weights, const int16_t* inputs, int slope) noexcept
    void adapt_all(int32_t* counters, const uint32_t* lines, const int16_t* rates, int target) noexcept
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
    value = low(value, 4095)
    shift = 29 - leading_zeros(value | 4)
    return 4 * shift + (value >> shift)


cdef inline int log1(int value) noexcept nogil:
    """Return the class of a magnitude: itself to 4, then two an octave (4, 6, 8, 12, 16, ...); at most 23."""
    cdef int fine = log4(value)
    return fine if fine < 4 else 2 + (fine >> 1)


cdef inline uint32_t counter_of(int input, uint32_t index) noexcept nogil:
    """Return the number of a counter in a context's table: in range for every index."""
    return (<uint32_t>input << TABLE_BITS) | (index & (TABLE - 1))


cdef inline uint32_t line_of(int input, int start, uint32_t n_lines, uint32_t context) noexcept nogil:
    """Return the first counter of a line: of one of the `n_lines` (a power of two) from `start` on, found by a hash."""
    context *= <uint32_t>0x9E3779B1
    context = (context ^ (context >> 15)) * <uint32_t>0x85EBCA77
    return counter_of(input, start + (context >> 12 & (n_lines - 1)) * NODES)


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


cdef inline int code_plain(Coder* coder, int bit, int number) noexcept nogil:
    """Code one decision by one counter: what hardly has a pattern. In range: number < PLAIN_SETS * PLAIN."""
    cdef int32_t seen = coder.plain[number]
    cdef int probability = (seen >> 16) + 32768, error
    bit = code_interval(coder, bit, probability + (probability == 0))
    error = ((2097151 if bit else -2097152) - (seen >> 10)) >> 7
    coder.plain[number] = seen + (error * coder.rates[seen & SEEN] >> 8) * 1024 + ((seen & SEEN) < 1000)
    return bit


cdef inline int code_bit(Coder* coder, int bit, int node, int selector, int n_groups) noexcept nogil:
    """Code one decision: the node of each context line of one or two groups in `coder.lines`, weighed by the selector's weights.

    In range: a line ends NODES counters after its start, node < NODES; selector < SELECTORS; everything else is masked or
    clamped to its table below.
    """
    cdef int16_t inputs[INPUTS]
    cdef int32_t* counters = coder.counters + node
    cdef int set_ = selector * NODES + node
    cdef int16_t* weights = coder.weights + set_ * INPUTS
    cdef uint16_t* refined
    cdef int odds, part, target
    cdef int32_t probability
    odds = weighed(counters, coder.lines, coder.stretch + 2048, weights, inputs)
    if n_groups == 2:
        odds += weighed(counters, coder.lines + GROUP, coder.stretch + 2048, weights + GROUP, inputs + GROUP)
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
    probability = (target - probability) >> 1
    learn(weights, inputs, probability)
    if n_groups == 2:
        learn(weights + GROUP, inputs + GROUP, probability)
    refined += part >> 6
    refined[0] += (target - <int32_t>refined[0]) >> 6
    target = 2097151 if bit else -2097152
    adapt_all(counters, coder.lines, coder.rates, target)
    if n_groups == 2:
        adapt_all(counters, coder.lines + GROUP, coder.rates, target)
    return bit


cdef inline int code_count(Coder* coder, int count, int longest, int selector) noexcept nogil:
    """Code a number from 0 to 2**longest - 1: how many bits it has, then those below the first, by one group of context lines."""
    cdef int length = 0, i = 0, node
    while (count >> length) > 0:
        length += 1
    while i < longest and code_bit(coder, length > i, i, selector, 1):
        i += 1
    if i < 2:
        return i
    length = i
    for i in range(GROUP):
        coder.lines[i] ^= <uint32_t>(length * NODES)  # other lines of the same table
    node = 1
    for i in range(length - 2, -1, -1):
        if node < 8:
            node = 2 * node + code_bit(coder, (count >> i) & 1, node, selector + 1, 1)
        else:
            node = 2 * node + code_interval(coder, (count >> i) & 1, 32768)
    return node


cdef inline int code_magnitude(Coder* coder, int magnitude, int selector, int plain, int n_groups) noexcept nogil:
    """Code a number from 1 on: how many bits it has, by the context lines, then those below the first by plain counters."""
    cdef int length = 0, i = 0, node
    while length < LONGEST and (magnitude >> length) > 1:
        length += 1
    while i < LONGEST and code_bit(coder, length > i, FIRST + low(i, 5), selector, n_groups):
        i += 1
    length = i
    if length == 0:
        return 1
    node = 1
    plain = plain * PLAIN + low(length, 15) * 4
    for i in range(length - 1, -1, -1):
        if node < 4:
            node = 2 * node + code_plain(coder, (magnitude >> i) & 1, plain + node)
        else:
            node = 2 * node + code_interval(coder, (magnitude >> i) & 1, 32768)
    return node
