"""Decisions that are coded each by one chance, which learns; numbers of such decisions. Inline, integers only.

The range coder is that of bits.pxd. A chance is the mean of two that learn at different speeds: what changes is soon followed,
what never changes costs next to nothing.
"""

from libc.stdint cimport uint16_t

from common.kernel.bits cimport Coder, code_interval

cdef enum:
    N_CHANCES = 48               # of a number: 24 that say how many bits it has, 24 its upper bits
    MOST_BITS = 20

cdef struct Chance:              # of a one, in 1/65536; half of memory that is 0x80 throughout
    uint16_t quick
    uint16_t slow


cdef inline int decide(Coder* coder, Chance* chance, int bit) noexcept nogil:
    """Code one decision, and learn from it."""
    cdef int probability = (<int>chance.quick + chance.slow) >> 1
    bit = code_interval(coder, bit, 1 if probability < 1 else probability)
    if bit:
        chance.quick += (65535 - chance.quick) >> 4
        chance.slow += (65535 - chance.slow) >> 7
    else:
        chance.quick -= chance.quick >> 4
        chance.slow -= chance.slow >> 7
    return bit


cdef inline int code_plain(Coder* coder, int value, int n_bits) noexcept nogil:
    """Code a number of which nothing is known."""
    cdef int i, decoded = 0
    for i in range(n_bits - 1, -1, -1):
        decoded = decoded << 1 | code_interval(coder, (value >> i) & 1, 32768)
    return decoded


cdef inline int code_number(Coder* coder, Chance* chances, int value) noexcept nogil:
    """Code a number from 0 to 2 ** MOST_BITS - 2: how many bits it and one have, then the two upper ones, then the others."""
    cdef int n = 0, decoded = 1, i
    value += 1
    while n < MOST_BITS - 1 and decide(coder, chances + n, value >> (n + 1) != 0):
        n += 1
    for i in range(n - 1, -1, -1):
        if n - i <= 2 and n < 12:
            decoded = decoded << 1 | decide(coder, chances + 24 + 2 * n - 2 + (n - i - 1), (value >> i) & 1)
        else:
            decoded = decoded << 1 | code_interval(coder, (value >> i) & 1, 32768)
    return decoded - 1
