"""Which matches zlib would choose (deflate.c): a token is foretold from the bytes and the tokens before, along chains of places
with the same hash, as zlib of some level and strategy looks for them.

zlib follows a chain of places whose three bytes have one hash, at most so many, and nearly all of them are in vain. What it would
find is found without: matches of a few bytes more are on much shorter chains, and each place knows its turn in zlib's chain, so
that it is known which of them zlib would still have come to. Only for matches of three bytes zlib's own chain is followed.

Memory safety: places are between 0 and `n`; `_insert`, `_longest` and `walk` look only at places with LEAST bytes before the end,
for keys with KEY_ROOM; chains go back only, at most by the window, which bounds the work for a byte.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from common.kernel.bits cimport log1

cdef enum:
    LOOKAHEAD = MOST + LEAST + 1
    TOO_FAR = 4096               # for the shortest match
    SHORT = 5                    # not worth a match among filtered bytes
    WALK = 4096                  # places that are looked at for one that zlib would not choose
    KEY = 4
    LONG_KEY = SHORT + 1         # where a shorter match is not worth it
    KEY_ROOM = LONG_KEY          # bytes from a place on that are read for its key


cdef inline uint32_t _hash(Matcher* m, Py_ssize_t at) noexcept nogil:
    cdef int shift = (m.effort.hash_bits + 2) // 3
    return ((<uint32_t>m.raw[at] << 2 * shift) ^ (<uint32_t>m.raw[at + 1] << shift) ^ m.raw[at + 2]) & ((1 << m.effort.hash_bits) - 1)


cdef inline uint32_t _key_hash(Matcher* m, Py_ssize_t at) noexcept nogil:
    """Of as many bytes as a key has."""
    cdef const uint8_t* raw = m.raw + at
    cdef uint64_t key = <uint64_t>(raw[4] | raw[5] << 8) << 32 | <uint32_t>(raw[0] | raw[1] << 8 | raw[2] << 16 | raw[3] << 24)
    return <uint32_t>((key << (64 - 8 * m.key)) * <uint64_t>0x9E3779B97F4A7C15 >> (64 - KEY_BITS))


cdef inline void _insert(Matcher* m, Py_ssize_t until) noexcept nogil:
    """All places that are left, this one included."""
    cdef uint32_t hash_
    cdef int32_t head
    cdef Py_ssize_t mask = m.effort.window - 1, at
    if until > m.n - LEAST:
        until = m.n - LEAST
    while m.next <= until:
        at = m.next & mask
        hash_ = _hash(m, m.next)
        head = m.heads[hash_]
        m.before[at] = head
        m.turn[at] = m.turn[head & mask] + 1
        m.heads[hash_] = <int32_t>m.next
        if m.next <= m.n - KEY_ROOM:
            hash_ = _key_hash(m, m.next)
            m.key_before[at] = m.key_heads[hash_]
            m.key_heads[hash_] = <int32_t>m.next
        m.next += 1


cdef void prepare(Matcher* m) noexcept nogil:
    """Before the first token: by how many bytes matches are found."""
    m.key = LONG_KEY if m.effort.is_filtered and m.effort.way == LAZY else KEY


cdef inline int _common(const uint8_t* a, const uint8_t* b, int most) noexcept nogil:
    """How many bytes are the same."""
    cdef int n = 0
    cdef uint64_t x, y
    while n + 8 <= most:
        memcpy(&x, a + n, 8)
        memcpy(&y, b + n, 8)
        if x != y:
            break
        n += 8
    while n < most and a[n] == b[n]:
        n += 1
    return n


cdef Match _longest(Matcher* m, Py_ssize_t at, int best) noexcept nogil:
    """The longest match at a place, if it is longer than `best`: of equal ones the nearest."""
    cdef Match match
    cdef Py_ssize_t farthest = m.effort.window - LOOKAHEAD, limit = at - farthest if at > farthest else 0
    cdef int chain = m.effort.chain, nice = m.effort.nice, most = MOST
    cdef int32_t place
    match.length = match.distance = 0
    if at > m.n - LEAST:
        return match
    place = m.before[at & (m.effort.window - 1)]
    if place <= 0 or at - place > farthest:
        return match
    if best >= m.effort.good:
        chain >>= 2
    if most > m.n - at:
        most = <int>(m.n - at)
    if nice > most:
        nice = most
    if best >= most:
        return match
    if at > m.n - KEY_ROOM or nice < m.key or chain <= 0:
        _along(m, &match, at, best, nice, chain, limit, most)
    else:
        _along_keys(m, &match, at, max(best, m.key - 1), nice, chain, limit, most)
        if match.length == 0 and best < LEAST and m.key == KEY:
            _along(m, &match, at, best, LEAST, chain, limit, LEAST)
    if match.length <= SHORT and m.effort.way == LAZY:
        if m.effort.is_filtered or (match.length == LEAST and match.distance > TOO_FAR):
            match.length = 0
    return match


cdef inline void _along(
    Matcher* m, Match* match, Py_ssize_t at, int best, int nice, int chain, Py_ssize_t limit, int most
) noexcept nogil:
    """As zlib goes: `chain` places at least, until one is nice enough."""
    cdef const uint8_t* scan = m.raw + at
    cdef Py_ssize_t mask = m.effort.window - 1
    cdef int32_t place = m.before[at & mask]
    cdef int length
    while True:
        if m.raw[place + best] == scan[best] and m.raw[place + best - 1] == scan[best - 1] and m.raw[place] == scan[0]:
            length = _common(m.raw + place, scan, most)
            if length > best:
                match.length, match.distance = length, <int>(at - place)
                best = length
                if best >= nice:
                    break
        chain -= 1
        place = m.before[place & mask]
        if place <= limit or chain == 0:
            break


cdef inline void _along_keys(
    Matcher* m, Match* match, Py_ssize_t at, int best, int nice, int chain, Py_ssize_t limit, int most
) noexcept nogil:
    """The same for matches as long as a key and longer than `best`, by the places with this key alone."""
    cdef const uint8_t* scan = m.raw + at
    cdef Py_ssize_t mask = m.effort.window - 1
    cdef int32_t first = m.before[at & mask], place = m.key_before[at & mask]
    cdef uint32_t begins, other
    cdef int length
    memcpy(&begins, scan, KEY)
    # zlib looks at its first place even at the limit.
    while place > limit or (place == limit and place == first):
        memcpy(&other, m.raw + place, KEY)
        if other == begins:  # else another key with this hash: perhaps in another chain of zlib's
            if <uint16_t>(m.turn[at & mask] - m.turn[place & mask]) > chain:
                break
            if m.raw[place + best] == scan[best] and m.raw[place + best - 1] == scan[best - 1]:
                length = _common(m.raw + place, scan, most)
                if length > best:
                    match.length, match.distance = length, <int>(at - place)
                    best = length
                    if best >= nice:
                        break
        place = m.key_before[place & mask]


cdef Match _run(Matcher* m) noexcept nogil:
    """The run of one byte at this place."""
    cdef Match match
    cdef Py_ssize_t most = m.n - m.pos
    match.length, match.distance = 0, 1
    if m.pos > 0 and most >= LEAST:
        match.length = _common(m.raw + m.pos, m.raw + m.pos - 1, <int>min(most, MOST))
    return match


cdef void foretell(Matcher* m, Foretold* foretold) noexcept nogil:
    """The next token."""
    m.ahead.length = 0
    if m.effort.way == RUNS:
        m.here = _run(m)
    elif m.effort.way == NONE:
        m.here.length = 0
    elif not m.is_known:
        _insert(m, m.pos)
        m.here = _longest(m, m.pos, LEAST - 1)
    if m.here.length < LEAST:
        m.here.length = m.here.distance = 0
    elif m.effort.way == LAZY:
        _insert(m, m.pos + 1)
        if m.here.length < m.effort.lazy:
            m.ahead = _longest(m, m.pos + 1, m.here.length)
    foretold.match = m.here
    foretold.kind = 0 if m.here.length == 0 else 1 if m.ahead.length > m.here.length else 2
    foretold.seen = log1(m.here.length) * 16 + min(log1(m.here.distance >> 2), 15)
    if foretold.kind == 1:
        foretold.match.length = foretold.match.distance = 0


cdef void pass_by(Matcher* m, Foretold* foretold) noexcept nogil:
    """Goes past the token that is really there."""
    cdef int length = foretold.token >> 16
    m.is_known = False
    if length == 0:
        m.pos += 1
        if foretold.kind == 1:
            m.here = m.ahead
            m.is_known = True
    else:
        m.pos += length
        if m.effort.way == LAZY or (m.effort.way == FAST and length <= m.effort.lazy):
            _insert(m, m.pos - 1)
        elif m.effort.way == FAST:
            m.next = max(m.next, m.pos)


cdef int walk(Matcher* m, int length, int distance, int hops) noexcept nogil:
    """How many nearer places have a match so long as the one at this distance; or, of distance 0, the distance behind so many hops.

    ESCAPE (or 0) where the chain does not lead there.
    """
    cdef Py_ssize_t place
    cdef int i, n = 0
    if m.effort.way == RUNS or m.effort.way == NONE or m.pos > m.n - LEAST:
        return ESCAPE if distance else 0
    _insert(m, m.pos)
    place = m.before[m.pos & (m.effort.window - 1)]
    for i in range(WALK):
        if place < 0 or m.pos - place > m.effort.window - 1 or n >= ESCAPE:
            break
        if _common(m.raw + place, m.raw + m.pos, length) == length:
            if distance == m.pos - place:
                return n
            if distance == 0 and n == hops:
                return <int>(m.pos - place)
            n += 1
        if m.before[place & (m.effort.window - 1)] >= place:
            break
        place = m.before[place & (m.effort.window - 1)]
    return ESCAPE if distance else 0
