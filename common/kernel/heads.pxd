"""The head of a dynamic block, as zlib makes it."""

from libc.stdint cimport uint8_t, uint32_t

from common.kernel.huffman cimport CODE_LENGTHS, DISTANCES, LITERALS, Lengths

cdef enum:
    MOST_CODES = 2 * LITERALS + 1

cdef struct Tree:
    uint32_t weight[MOST_CODES]        # of a symbol, or of the node that joins two
    uint8_t depth[MOST_CODES]
    int parent[MOST_CODES]
    int heap[MOST_CODES]
    int n_heap
    int n_sorted                       # nodes from the heap's end on: the lightest last
    uint8_t length[MOST_CODES]

cdef struct Head:
    Lengths lengths
    uint8_t runs[LITERALS + DISTANCES] # the lengths as they are told: below 16 themselves, else repeated
    uint8_t extra[LITERALS + DISTANCES]
    int n_runs
    int n_literals
    int n_distances
    int n_short
    uint8_t short[CODE_LENGTHS]

cdef void make_head(Head* head, Tree* tree, const uint32_t* literals, const uint32_t* distances) noexcept nogil
