"""What zlib would choose next, and what was chosen instead."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

cdef enum:
    LEAST = 3                    # bytes of a match
    MOST = 258
    ESCAPE = 4095                # instead of a number of hops: the chain does not lead there
    FAST = 0                     # ways to look for matches: the first that is found
    LAZY = 1                     # unless the next place has a longer one
    RUNS = 2                     # of one byte only
    NONE = 3
    KEY_BITS = 15                # of the hash of a key

cdef struct Effort:
    int way
    int is_filtered
    int hash_bits
    int window
    int good                     # from this length on, a quarter of the chain is enough
    int lazy                     # from this length on, the next place is not looked at; FAST: nor are its places inserted
    int nice                     # long enough
    int chain

cdef struct Match:
    int length                   # less than LEAST: none
    int distance

cdef struct Matcher:
    Effort effort
    const uint8_t* raw
    Py_ssize_t n
    Py_ssize_t pos
    Py_ssize_t next              # the first place that is not yet inserted
    int32_t* heads
    int32_t* before
    uint16_t* turn               # of a place in its chain, counted on and on
    int key                      # bytes of which longer matches are found by chains of their own: they are seldom, so these are short
    int32_t* key_heads
    int32_t* key_before
    Match here
    Match ahead                  # at the next place
    bint is_known                # `here` was looked at when it was ahead

cdef struct Foretold:
    Match match                  # the token; of a literal the length is 0
    Match here                   # what was found, of which a literal may be the better part
    int kind
    int seen                     # what is near, for the chances
    uint32_t token               # what it really is
    int hops
    Py_ssize_t pos
    Py_ssize_t left

cdef void prepare(Matcher* m) noexcept nogil
cdef void foretell(Matcher* m, Foretold* foretold) noexcept nogil
cdef void pass_by(Matcher* m, Foretold* foretold) noexcept nogil
cdef int walk(Matcher* m, int length, int distance, int hops) noexcept nogil
