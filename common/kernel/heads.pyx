"""The codes that zlib makes for a block, and how it tells their lengths (trees.c). Which of two equal weights goes first matters.

Memory safety: at most LITERALS symbols, so at most MOST_CODES nodes; a heap's nodes are counted by `n_heap`.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from common.kernel.huffman cimport CODE_LENGTHS, LONGEST, fill_order

cdef enum:
    SHORTEST = 7                       # bits of the longest code of the lengths themselves


cdef inline bint _is_lighter(Tree* tree, int a, int b) noexcept nogil:
    return tree.weight[a] < tree.weight[b] or (tree.weight[a] == tree.weight[b] and tree.depth[a] <= tree.depth[b])


cdef void _sink_down(Tree* tree, int k) noexcept nogil:
    """Restores the heap below its k-th node."""
    cdef int node = tree.heap[k], j = 2 * k
    while j <= tree.n_heap:
        if j < tree.n_heap and _is_lighter(tree, tree.heap[j + 1], tree.heap[j]):
            j += 1
        if _is_lighter(tree, node, tree.heap[j]):
            break
        tree.heap[k] = tree.heap[j]
        k = j
        j *= 2
    tree.heap[k] = node


cdef void _measure(Tree* tree, int root, int n_symbols, int longest) noexcept nogil:
    """Lengths from parents, cut to the longest allowed."""
    cdef int counts[LONGEST + 1]
    cdef int h, node, bits, overflow = 0, m
    memset(counts, 0, sizeof(counts))
    tree.length[root] = 0
    for h in range(tree.n_sorted + 1, MOST_CODES):
        node = tree.heap[h]
        bits = tree.length[tree.parent[node]] + 1
        if bits > longest:
            bits = longest
            overflow += 1
        tree.length[node] = bits
        if node < n_symbols:
            counts[bits] += 1
    if overflow == 0:
        return
    while overflow > 0:
        bits = longest - 1
        while counts[bits] == 0:
            bits -= 1
        counts[bits] -= 1
        counts[bits + 1] += 2
        counts[longest] -= 1
        overflow -= 2
    h = MOST_CODES
    for bits in range(longest, 0, -1):
        m = counts[bits]
        while m:
            h -= 1
            if tree.heap[h] < n_symbols:
                tree.length[tree.heap[h]] = bits
                m -= 1


cdef int _build(Tree* tree, const uint32_t* weights, int n_symbols, int longest, uint8_t* lengths) noexcept nogil:
    """The lengths of codes for symbols of such weights; returns the last symbol that has one."""
    cdef int symbol, last = -1, node, a, b, k
    tree.n_heap = 0
    tree.n_sorted = MOST_CODES
    for symbol in range(n_symbols):
        tree.weight[symbol] = weights[symbol]
        tree.depth[symbol] = 0
        tree.length[symbol] = 0
        if weights[symbol]:
            tree.n_heap += 1
            tree.heap[tree.n_heap] = last = symbol
    while tree.n_heap < 2:             # two codes at least, of distances too
        symbol = 0
        if last < 2:
            last += 1
            symbol = last
        tree.n_heap += 1
        tree.heap[tree.n_heap] = symbol
        tree.weight[symbol] = 1
    for k in range(tree.n_heap // 2, 0, -1):
        _sink_down(tree, k)
    node = n_symbols
    while True:
        a = tree.heap[1]
        tree.heap[1] = tree.heap[tree.n_heap]
        tree.n_heap -= 1
        _sink_down(tree, 1)
        b = tree.heap[1]
        tree.heap[tree.n_sorted - 1] = a
        tree.heap[tree.n_sorted - 2] = b
        tree.n_sorted -= 2
        tree.weight[node] = tree.weight[a] + tree.weight[b]
        tree.depth[node] = max(tree.depth[a], tree.depth[b]) + 1
        tree.parent[a] = tree.parent[b] = node
        tree.heap[1] = node
        node += 1
        _sink_down(tree, 1)
        if tree.n_heap < 2:
            break
    tree.n_sorted -= 1
    tree.heap[tree.n_sorted] = tree.heap[1]
    _measure(tree, tree.heap[1], n_symbols, longest)
    memcpy(lengths, tree.length, n_symbols)
    return last


cdef inline void _tell(Head* head, int symbol, int extra, uint32_t* weights) noexcept nogil:
    head.runs[head.n_runs] = symbol
    head.extra[head.n_runs] = extra
    head.n_runs += 1
    weights[symbol] += 1


cdef void _tell_runs(Head* head, const uint8_t* lengths, int n, uint32_t* weights) noexcept nogil:
    """Adds n lengths to the head's runs."""
    cdef int i = 0, again, least, most, value
    cdef int before = -1
    while i < n:
        value = lengths[i]
        least, most = (3, 138) if value == 0 else (3, 6) if value == before else (4, 7)
        again = 1
        while again < most and i + again < n and lengths[i + again] == value:
            again += 1
        i += again
        if again < least:
            while again:
                _tell(head, value, 0, weights)
                again -= 1
        elif value:
            if value != before:
                _tell(head, value, 0, weights)
                again -= 1
            _tell(head, 16, again - 3, weights)
        elif again <= 10:
            _tell(head, 17, again - 3, weights)
        else:
            _tell(head, 18, again - 11, weights)
        before = value


cdef void make_head(Head* head, Tree* tree, const uint32_t* literals, const uint32_t* distances) noexcept nogil:
    """What zlib tells of a block whose symbols occur so often."""
    cdef uint32_t weights[CODE_LENGTHS]
    cdef uint8_t order[CODE_LENGTHS]
    fill_order(order)
    memset(head, 0, sizeof(Head))
    memset(weights, 0, sizeof(weights))
    head.n_literals = _build(tree, literals, 286, LONGEST, head.lengths.literals) + 1
    head.n_distances = _build(tree, distances, 30, LONGEST, head.lengths.distances) + 1
    _tell_runs(head, head.lengths.literals, head.n_literals, weights)
    _tell_runs(head, head.lengths.distances, head.n_distances, weights)
    _build(tree, weights, CODE_LENGTHS, SHORTEST, head.short)
    head.n_short = CODE_LENGTHS
    while head.n_short > 4 and head.short[order[head.n_short - 1]] == 0:
        head.n_short -= 1
