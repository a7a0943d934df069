"""The plan of a scan, for C. The rule that makes it safe: what `plan_of` has accepted stays inside its planes."""

from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define swap32(x) (x)
    #else
    #define swap32(x) __builtin_bswap32(x)
    #endif
    #define length_of(x) ((x) ? 32 - __builtin_clz(x) : 0)
    #define lowest_of(x) __builtin_ctzll(x)
    """
    uint32_t swap32(uint32_t) nogil    # between a number and its bytes, the highest first
    int length_of(uint32_t) nogil      # of a number, in binary digits
    int lowest_of(uint64_t) nogil      # place of the lowest 1; there must be one

cdef enum:
    FAST = 10                          # codes up to this length are found by one look
    LONGEST_RUN = 0x7FFF
    OK = 0
    SHORT = 1
    NOT_A_CODE = 2
    OUT_OF_RANGE = 3
    NO_CODE = 4
    OTHER_RUNS = 5
    NO_MEMORY = 6

ctypedef struct Codes:
    uint16_t fast[1 << FAST]           # by the next bits: length with value << 12 | length << 8 | symbol; 0 if longer
    int16_t value[1 << FAST]           # by the next bits, if symbol and value are in them
    int32_t largest[17]                # code of a length, -1 if there is none
    int32_t offset[17]                 # code + offset is the place of its symbol
    uint8_t symbols[256]
    uint16_t code[256]                 # by symbol
    uint8_t length[256]                # by symbol, 0 if it has no code
    uint32_t used[256]                 # by symbol, how often it was written

ctypedef struct Strip:                 # what a component has in the scan
    int16_t* blocks
    Py_ssize_t cols
    int h                              # blocks in an MCU
    int v
    Codes* dc
    Codes* ac

ctypedef struct Plan:
    Strip strips[4]
    int n_strips
    Py_ssize_t mcu_rows
    Py_ssize_t mcu_cols
    Py_ssize_t restart                 # MCUs in an interval
    Py_ssize_t n_intervals
    Py_ssize_t n_blocks
    bint is_progressive
    int first                          # of the band; a sequential scan has them all
    int last
    int high
    int low
    uint8_t natural[64]                # place in the block, by place in the file
    uint8_t zigzag[64]                 # the other way round
    uint8_t quads[16]                  # quarters of rows, by the place of their first, that the band has a part in
    int n_quads
    uint64_t band                      # a 1 for each place in the file


cdef class Tables:
    cdef Codes codes[8]
    cdef int fill(self, int at, const uint8_t[::1] counts, const uint8_t[::1] symbols) except -1
    cdef void fill_fast(self, Codes* table, int code, int length, int symbol) noexcept


cdef int plan_of(Plan* plan, Tables tables, scan, planes) except -1
cdef int raise_for(int status) except -1


cdef inline int16_t* locate(const Strip* strip, Py_ssize_t row, Py_ssize_t col, int y, int x) noexcept nogil:
    """A block of the strip's part of the MCU at (row, col): y < v and x < h, so it is inside the MCU."""
    return strip.blocks + ((row * strip.v + y) * strip.cols + col * strip.h + x) * 64


cdef inline uint64_t not_zero(const Plan* plan, const int16_t* block) noexcept nogil:
    """A 1 at the place in the file of each coefficient of the band that is not 0. Most are 0, four at a time."""
    cdef uint64_t four
    cdef uint64_t found = 0
    cdef int i, j
    for i in range(plan.n_quads):
        memcpy(&four, block + plan.quads[i], 8)
        if four:
            for j in range(plan.quads[i], plan.quads[i] + 4):
                found |= <uint64_t> (block[j] != 0) << plan.zigzag[j]
    return found & plan.band


cdef inline bint is_dc(const Plan* plan) noexcept nogil:
    """Whether the scan has DC coefficients."""
    return not plan.is_progressive or plan.first == 0
