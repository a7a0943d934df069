"""Where the writer of a deflate stream chose other tokens than zlib would have.

For a stream by zlib nothing needs to be said but its level and strategy; of another writer's tokens each that is not as foretold
(matcher.pyx) is coded: whether it is a literal, how long it is, and how many nearer places have a match so long.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from common.kernel.bits cimport Coder, finish, start
from common.kernel.chances cimport N_CHANCES, Chance, code_number, code_plain, decide
from common.kernel.matcher cimport ESCAPE, KEY_BITS, LEAST, MOST, NONE, Foretold, Matcher, foretell, pass_by, prepare, walk

import numpy as np

from common.errors import ContentError

cdef enum:
    TOGETHER = 64                # tokens of which one decision says that all are as foretold
    N_KINDS = 3                  # of what is foretold: a literal, a literal before a longer match, a match

cdef struct Chances:
    Chance together[64]
    Chance right[N_KINDS * 1024]
    Chance right_lately[N_KINDS * 256]
    Chance literal[N_KINDS * 1024]
    Chance longer[2][N_CHANCES]
    Chance length[N_CHANCES]
    Chance hops[4][N_CHANCES]


cdef int _code_token(Coder* coder, Matcher* m, Chances* chances, Foretold* foretold, int lately) noexcept nogil:
    """Codes what a token really is. -1 of one that cannot be."""
    cdef int at = foretold.kind * 1024 + foretold.seen, wrong, is_literal, length, distance, is_longer, hops
    length, distance = foretold.token >> 16, foretold.token & 0xFFFF
    wrong = foretold.token != <uint32_t>(foretold.match.length << 16 | foretold.match.distance)
    wrong = decide(coder, &chances.right[at] if foretold.kind else &chances.right_lately[lately & 255], wrong)
    if not wrong:
        foretold.token = foretold.match.length << 16 | foretold.match.distance
        return 0
    is_literal = foretold.match.length and decide(coder, &chances.literal[at], length == 0)
    if is_literal:
        foretold.token = 0
        return 1
    if foretold.here.length:
        is_longer = decide(coder, &chances.longer[0][0], length > foretold.here.length)
        if is_longer:
            length = foretold.here.length + 1 + code_number(coder, chances.longer[1], length - foretold.here.length - 1)
        else:
            length = foretold.here.length - code_number(coder, chances.longer[0] + 1, foretold.here.length - length)
    else:
        length = LEAST + code_number(coder, chances.length, length - LEAST)
    if not LEAST <= length <= min(MOST, foretold.left):
        return -1
    hops = code_number(coder, chances.hops[0 if length < 4 else 1 if length < 6 else 2 if length < 16 else 3], foretold.hops)
    if hops >= ESCAPE:
        distance = 1 + code_plain(coder, distance - 1, 15)
    elif coder.is_decoding:
        distance = walk(m, length, 0, hops)
    if not 1 <= distance <= foretold.pos:
        return -1
    foretold.token = length << 16 | distance
    return 1


cdef class _Run:
    """One sequence of tokens that is foretold, and the memory that this needs."""

    cdef Matcher matcher
    cdef Coder coder
    cdef Chances* chances
    cdef const uint8_t[::1] raw
    cdef const int64_t[:, ::1] skips
    cdef Py_ssize_t next_skip
    cdef int32_t[::1] heads, before, key_heads, key_before
    cdef uint16_t[::1] turn
    cdef uint8_t[::1] stream, memory

    def __init__(self, raw, skips, effort):
        self.raw, self.skips = raw, skips
        self.heads = np.full(1 << effort[2], -1, np.int32)
        self.before = np.full(effort[3], -1, np.int32)
        self.key_heads = np.full(1 << KEY_BITS, -1, np.int32)
        self.key_before = np.full(effort[3], -1, np.int32)
        self.turn = np.zeros(effort[3], np.uint16)
        self.memory = np.full(sizeof(Chances), 0x80, np.uint8)
        self.chances = <Chances*>&self.memory[0]
        self.matcher.raw, self.matcher.n = &self.raw[0], len(raw)
        self.matcher.heads, self.matcher.before = &self.heads[0], &self.before[0]
        self.matcher.key_heads, self.matcher.key_before = &self.key_heads[0], &self.key_before[0]
        self.matcher.turn = &self.turn[0]
        self.matcher.effort.way, self.matcher.effort.is_filtered, self.matcher.effort.hash_bits = effort[:3]
        self.matcher.effort.window, self.matcher.effort.good, self.matcher.effort.lazy = effort[3:6]
        self.matcher.effort.nice, self.matcher.effort.chain = effort[6:]
        prepare(&self.matcher)

    def open(self, stream, is_decoding):
        """Codes to, or from, a stream."""
        self.stream = stream
        self.coder.stream, self.coder.size = &self.stream[0], len(stream)
        start(&self.coder, is_decoding)

    def finished(self):
        """Return how many bytes the stream has; -1 where they do not end as the coder did."""
        return finish(&self.coder)

    cdef int skip(self, Py_ssize_t at) noexcept nogil:
        """Goes past the stored bytes before a token. -1 where all bytes are behind it."""
        cdef int64_t n
        while self.next_skip < self.skips.shape[0] and self.skips[self.next_skip, 0] <= at:
            n = self.skips[self.next_skip, 1]
            if not 0 <= n <= self.matcher.n - self.matcher.pos:
                return -1
            self.matcher.pos += n
            self.matcher.is_known = False
            self.next_skip += 1
        return 0 if self.matcher.pos < self.matcher.n else -1

    cdef int foretell(self, Py_ssize_t at, Foretold* foretold) noexcept nogil:
        if self.skip(at) < 0:
            return -1
        foretell(&self.matcher, foretold)
        foretold.here = self.matcher.here
        foretold.hops = 0
        foretold.pos = self.matcher.pos
        foretold.left = self.matcher.n - self.matcher.pos
        return 0

    cdef int is_wrong(self, Foretold* foretold) noexcept nogil:
        return foretold.token != <uint32_t>(foretold.match.length << 16 | foretold.match.distance)

    cdef Py_ssize_t count(self, const uint32_t* tokens, Py_ssize_t n, Py_ssize_t most) noexcept nogil:
        """How many tokens are other ones than foretold, until they are too many; -1 where they do not fit their bytes."""
        cdef Foretold foretold
        cdef Py_ssize_t at, wrong = 0
        for at in range(n):
            if self.foretell(at, &foretold) < 0 or <Py_ssize_t>(tokens[at] >> 16) > self.matcher.n - self.matcher.pos:
                return -1
            foretold.token = tokens[at]
            wrong += self.is_wrong(&foretold)
            pass_by(&self.matcher, &foretold)
            if wrong > most:
                break
        return wrong

    cdef int look(self, const uint32_t* tokens, Py_ssize_t at, int n, Foretold* foretold) noexcept nogil:
        """Foretells n tokens that are known. Returns how many are other ones; -1 where they do not fit their bytes."""
        cdef int i, wrong = 0, length
        for i in range(n):
            length = tokens[at + i] >> 16
            if self.foretell(at + i, &foretold[i]) < 0 or length > self.matcher.n - self.matcher.pos:
                return -1
            foretold[i].token = tokens[at + i]
            if self.is_wrong(&foretold[i]):
                wrong += 1
                if length:
                    foretold[i].hops = walk(&self.matcher, length, tokens[at + i] & 0xFFFF, 0)
            pass_by(&self.matcher, &foretold[i])
        return wrong

    cdef int code(self, uint32_t* tokens, Py_ssize_t n) noexcept nogil:
        """Codes all tokens, TOGETHER at a time. -1 where they do not fit their bytes."""
        cdef Foretold foretold[TOGETHER]
        cdef Py_ssize_t at = 0
        cdef int i, some, wrong, state, history = 0, lately = 0
        while at < n:
            some = <int>min(TOGETHER, n - at)
            wrong = 0
            if not self.coder.is_decoding:
                wrong = self.look(tokens, at, some, foretold)
                if wrong < 0:
                    return -1
            wrong = decide(&self.coder, &self.chances.together[history & 63], wrong > 0)
            history = 2 * history + wrong
            for i in range(some):
                if self.coder.is_decoding:
                    if self.foretell(at + i, &foretold[i]) < 0:
                        return -1
                    foretold[i].token = foretold[i].match.length << 16 | foretold[i].match.distance
                if wrong:
                    state = _code_token(&self.coder, &self.matcher, self.chances, &foretold[i], lately)
                    if state < 0:
                        return -1
                    lately = (2 * lately + state) & 255
                if self.coder.is_decoding:
                    tokens[at + i] = foretold[i].token
                    pass_by(&self.matcher, &foretold[i])
            at += some
        return 0


def _checked(effort, n):
    """The effort as numbers within the limits of deflate."""
    effort = tuple(int(value) for value in effort)
    if len(effort) != 8 or not 0 <= effort[0] <= NONE or effort[1] not in (0, 1) or not 8 <= effort[2] <= 16:
        raise ContentError("damaged", "an effort that makes no sense")
    if effort[3] not in (512, 1024, 2048, 4096, 8192, 16384, 32768) or not all(0 <= value <= 32768 for value in effort[4:]):
        raise ContentError("damaged", "an effort that makes no sense")
    if not 1 <= n < 1 << 30:
        raise ContentError("too_large", f"{n} bytes in a deflate stream")
    return effort


def misses(raw, const uint32_t[::1] tokens not None, skips, effort, Py_ssize_t most):
    """How many of the tokens are other ones than foretold; counting ends beyond `most`."""
    cdef _Run run = _Run(raw, skips, _checked(effort, len(raw)))
    cdef Py_ssize_t wrong = 0, n = len(tokens)
    with nogil:
        wrong = run.count(&tokens[0], n, most) if n else 0
    if wrong < 0:
        raise ContentError("damaged", "tokens that do not fit their bytes")
    return wrong


def encode(raw, uint32_t[::1] tokens not None, skips, effort):
    """What tells the tokens, given the bytes."""
    cdef _Run run = _Run(raw, skips, _checked(effort, len(raw)))
    cdef Py_ssize_t n = len(tokens)
    cdef int state = 0
    run.open(np.empty(6 * n + 64, np.uint8), False)
    with nogil:
        state = run.code(&tokens[0], n) if n else 0
    size = run.finished()
    if state < 0 or size < 0:
        raise ContentError("damaged", "tokens that do not fit their bytes")
    return bytes(run.stream[:size])


def decode(coded, raw, skips, effort, Py_ssize_t n):
    """The tokens."""
    if not 0 <= n <= len(raw):
        raise ContentError("damaged", "more tokens than bytes")
    chosen = np.empty(n + 1, np.uint32)
    cdef uint32_t[::1] tokens = chosen
    cdef _Run run = _Run(raw, skips, _checked(effort, len(raw)))
    cdef int state = 0
    run.open(np.frombuffer(bytes(coded) or b"\0", np.uint8).copy(), True)
    with nogil:
        state = run.code(&tokens[0], n)
    if state < 0 or run.finished() < 0:
        raise ContentError("damaged", "coded tokens that do not fit their bytes")
    return chosen[:n]
