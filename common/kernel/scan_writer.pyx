"""Coefficients into the entropy-coded bytes of one scan, with libjpeg's choices where there is a choice (jcphuff.c).

Memory safety: `_reserve` makes room for the longest block (64 codes with their bits, 32 bits each, every byte stuffed:
512 bytes) before each block, and for what a run brings before each run; `corrections` holds 63 bits of each block of
the longest run.
"""

from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from common.kernel.scans cimport (
    LONGEST_RUN, NO_CODE, NO_MEMORY, OK, OTHER_RUNS, Codes, Plan, Strip, Tables, length_of, locate, lowest_of, not_zero, plan_of, raise_for, swap32,
)

from dataclasses import replace

from common.kernel.skeleton import RESTARTS

ANY_SYMBOL = bytes(7) + bytes([128, 128]) + bytes(7) + bytes(range(256))

cdef enum:
    BLOCK_BYTES = 1024
    MOST_CORRECTIONS = 937             # beyond them libjpeg ends a run

ctypedef struct Sink:
    uint8_t* bytes
    Py_ssize_t pos
    uint64_t bits                      # the lower n are yet to be written
    int n

ctypedef struct Writer:
    Sink out
    Py_ssize_t capacity
    int32_t run                        # blocks that have ended and are not written yet
    int32_t longest                    # run, at which it is written
    uint8_t* corrections               # bits that follow the run, each in a byte
    Py_ssize_t n_corrections
    const uint16_t* runs               # the file's own runs, or NULL for libjpeg's rule
    Py_ssize_t n_runs
    Py_ssize_t next_run


cdef inline int _reserve(Writer* w, Py_ssize_t n_bytes) noexcept nogil:
    """Room for n_bytes, and for what is yet to be written."""
    cdef uint8_t* larger
    if w.capacity - w.out.pos >= n_bytes + 32:
        return OK
    larger = <uint8_t*> realloc(w.out.bytes, 2 * w.capacity + n_bytes + 32)
    if larger == NULL:
        return NO_MEMORY
    w.out.bytes = larger
    w.capacity = 2 * w.capacity + n_bytes + 32
    return OK


cdef Py_ssize_t _stuff(uint8_t* bytes, Py_ssize_t pos, uint32_t word, int n_bytes) noexcept nogil:
    """Writes the lower bytes of a word, 0xFF with its 0; returns the place behind them."""
    cdef int byte
    while n_bytes:
        n_bytes -= 1
        byte = (word >> 8 * n_bytes) & 0xFF
        bytes[pos] = byte
        pos += 1
        if byte == 0xFF:
            bytes[pos] = 0
            pos += 1
    return pos


cdef inline void _put(Sink* out, uint32_t bits, int n) noexcept nogil:
    """n bits, at most 32; the caller has reserved the room."""
    cdef uint32_t word
    out.bits = out.bits << n | bits
    out.n += n
    if out.n >= 32:
        out.n -= 32
        word = <uint32_t> (out.bits >> out.n)
        if (~word - <uint32_t> 0x01010101) & word & <uint32_t> 0x80808080:    # a byte may be 0xFF
            out.pos = _stuff(out.bytes, out.pos, word, 4)
        else:
            word = swap32(word)
            memcpy(out.bytes + out.pos, &word, 4)
            out.pos += 4


cdef inline int _put_symbol(Sink* out, Codes* table, int symbol, uint32_t bits, int n) noexcept nogil:
    """The code of a symbol, and the n bits, at most 16, that belong to it."""
    if table.length[symbol] == 0:
        return NO_CODE
    table.used[symbol] += 1
    _put(out, <uint32_t> table.code[symbol] << n | bits, table.length[symbol] + n)
    return OK


cdef void _put_corrections(Writer* w, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The bits first to last of the corrections."""
    cdef Py_ssize_t i
    for i in range(first, last):
        _put(&w.out, w.corrections[i], 1)


cdef int _write_run(Writer* w, Codes* ac) noexcept nogil:
    """The run of ended blocks, if there is one, and its corrections."""
    cdef int digits
    if w.run == 0:
        return OK
    if w.runs != NULL:
        if w.next_run >= w.n_runs or w.run != w.runs[w.next_run]:
            return OTHER_RUNS
        w.next_run += 1
        w.longest = w.runs[w.next_run] if w.next_run < w.n_runs else LONGEST_RUN
    digits = length_of(w.run) - 1
    if _reserve(w, w.n_corrections // 4 + BLOCK_BYTES) != OK:
        return NO_MEMORY
    if _put_symbol(&w.out, ac, digits << 4, w.run & ((1 << digits) - 1), digits) != OK:
        return NO_CODE
    _put_corrections(w, 0, w.n_corrections)
    w.run, w.n_corrections = 0, 0
    return OK


cdef inline int _end_block(Writer* w, Codes* ac) noexcept nogil:
    """One block more in the run."""
    w.run += 1
    if w.run >= w.longest or (w.runs == NULL and w.n_corrections > MOST_CORRECTIONS):
        return _write_run(w, ac)
    return OK


cdef inline int _write_dc(Writer* w, const Plan* plan, const Strip* strip, const int16_t* block, int32_t* last) noexcept nogil:
    """The DC coefficient, first time: its difference to the block before."""
    cdef int32_t value = block[0] >> plan.low
    cdef int32_t step = value - last[0]
    cdef int n = length_of(step if step > 0 else -step)
    last[0] = value
    if n > 15:
        return NO_CODE
    return _put_symbol(&w.out, strip.dc, n, (step if step > 0 else step + (1 << n) - 1), n)


cdef int _write_ac(Writer* w, const Plan* plan, const Strip* strip, const int16_t* block) noexcept nogil:
    """The AC coefficients of a sequential scan, or of a band, first time."""
    cdef Sink out = w.out              # a copy stays in registers
    cdef uint64_t found = not_zero(plan, block)
    cdef int k, n, size, zeros, status
    cdef int before = plan.first - 1
    cdef int32_t value
    while found:
        k = lowest_of(found)
        found &= found - 1
        value = block[plan.natural[k]]
        size = (value if value > 0 else -value) >> plan.low
        if size == 0:
            continue
        if w.run:                      # nothing of this block is written yet
            status = _write_run(w, strip.ac)
            if status != OK:
                return status
            out = w.out
        zeros = k - before - 1
        while zeros > 15:
            if _put_symbol(&out, strip.ac, 0xF0, 0, 0) != OK:
                return NO_CODE
            zeros -= 16
        n = length_of(size)
        if n > 15 or _put_symbol(&out, strip.ac, zeros << 4 | n, size ^ (((1 << n) - 1) & (value >> 31)), n) != OK:
            return NO_CODE
        before = k
    if before != plan.last and not plan.is_progressive and _put_symbol(&out, strip.ac, 0, 0, 0) != OK:
        return NO_CODE
    w.out = out
    return _end_block(w, strip.ac) if before != plan.last and plan.is_progressive else OK


cdef int _refine_ac(Writer* w, const Plan* plan, const Strip* strip, const int16_t* block) noexcept nogil:
    """One more bit of the AC coefficients of a band. Corrections wait for the code before which they have to stand."""
    cdef int k, size, status
    cdef int last_new = 0
    cdef int zeros = 0
    cdef int before = plan.first - 1
    cdef int[64] sizes
    cdef uint64_t found = not_zero(plan, block)
    cdef uint64_t left = 0                          # those that this scan knows of
    cdef Py_ssize_t waiting = w.n_corrections       # of this block, from here to `end`
    cdef Py_ssize_t end = waiting
    if found == 0:
        return _end_block(w, strip.ac)
    while found:
        k = lowest_of(found)
        found &= found - 1
        size = block[plan.natural[k]]
        sizes[k] = (size if size > 0 else -size) >> plan.low
        if sizes[k]:
            left |= <uint64_t> 1 << k
        if sizes[k] == 1:
            last_new = k
    while left:
        k = lowest_of(left)
        left &= left - 1
        zeros += k - before - 1
        before = k
        while zeros > 15 and k <= last_new:
            status = _write_run(w, strip.ac)
            if status != OK or _put_symbol(&w.out, strip.ac, 0xF0, 0, 0) != OK:
                return status or NO_CODE
            zeros -= 16
            _put_corrections(w, waiting, end)
            waiting = end = 0
        if sizes[k] > 1:
            w.corrections[end] = sizes[k] & 1
            end += 1
            continue
        status = _write_run(w, strip.ac)
        if status != OK or _put_symbol(&w.out, strip.ac, zeros << 4 | 1, block[plan.natural[k]] > 0, 1) != OK:
            return status or NO_CODE
        _put_corrections(w, waiting, end)
        waiting = end = zeros = 0
    if zeros == 0 and before == plan.last and end == waiting:
        return OK
    w.n_corrections = end
    return _end_block(w, strip.ac)


cdef int _write_interval(Writer* w, const Plan* plan, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The MCUs from `first` up to `last`, which lie between two restart markers."""
    cdef int32_t[4] dc
    cdef Py_ssize_t row, col, mcu
    cdef int s, y, x, status
    cdef const Strip* strip
    cdef const int16_t* block
    memset(dc, 0, sizeof(dc))
    row = first // plan.mcu_cols
    col = first % plan.mcu_cols
    for mcu in range(first, last):
        for s in range(plan.n_strips):
            strip = &plan.strips[s]
            for y in range(strip.v):
                for x in range(strip.h):
                    block = locate(strip, row, col, y, x)
                    status = _reserve(w, BLOCK_BYTES)
                    if status != OK:
                        return status
                    if not plan.is_progressive:
                        status = _write_dc(w, plan, strip, block, &dc[s])
                        if status == OK:
                            status = _write_ac(w, plan, strip, block)
                    elif plan.first == 0:
                        if plan.high == 0:
                            status = _write_dc(w, plan, strip, block, &dc[s])
                        else:
                            _put(&w.out, (block[0] >> plan.low) & 1, 1)
                    elif plan.high == 0:
                        status = _write_ac(w, plan, strip, block)
                    else:
                        status = _refine_ac(w, plan, strip, block)
                    if status != OK:
                        return status
        col += 1
        if col == plan.mcu_cols:
            row, col = row + 1, 0
    return _write_run(w, plan.strips[0].ac)


cdef int _end_interval(Writer* w, int pad, const uint8_t[::1] ending) except -1:
    """Fills the last byte with the lower bits of pad, and appends the interval's ending."""
    cdef int n = -w.out.n & 7
    raise_for(_reserve(w, ending.shape[0] + BLOCK_BYTES))
    _put(&w.out, pad & ((1 << n) - 1), n)
    w.out.pos = _stuff(w.out.bytes, w.out.pos, <uint32_t> w.out.bits, w.out.n // 8)
    w.out.n = 0
    for byte in ending:
        w.out.bytes[w.out.pos] = byte
        w.out.pos += 1
    return 0


def write_scan(scan, traits, planes):
    """The entropy-coded bytes of a scan of planes of int16 (rows, cols, 64).

    `traits.runs` None means libjpeg's rule. Errors: ContentError `damaged` (a coefficient that the tables have no code for).
    """
    return _written(Tables(), scan, traits, planes)


def count_symbols(scan, traits, planes):
    """How often `write_scan` would write each symbol: of each part of the scan for DC and for AC, two lists of 256.

    Whatever tables the scan has: with one that has a code for every symbol in their stead. Errors: as `write_scan`.
    """
    cdef Tables tables = Tables()
    _written(tables, replace(scan, parts=[replace(part, dc=ANY_SYMBOL, ac=ANY_SYMBOL) for part in scan.parts]), traits, planes)
    return [(tables.codes[2 * n].used, tables.codes[2 * n + 1].used) for n in range(len(scan.parts))]


cdef bytes _written(Tables tables, scan, traits, planes):
    """The bytes; and how often each symbol of the tables was used."""
    cdef Plan plan
    cdef Writer w
    cdef const uint16_t[::1] runs
    cdef Py_ssize_t interval, n_mcus
    cdef int status
    plan_of(&plan, tables, scan, planes)
    memset(&w, 0, sizeof(w))
    n_mcus = plan.mcu_rows * plan.mcu_cols
    w.longest = LONGEST_RUN
    if traits.runs is not None and len(traits.runs):
        runs = traits.runs
        w.runs, w.n_runs = &runs[0], runs.shape[0]
        w.longest = min(<int> runs[0], LONGEST_RUN)
    oddities = {oddity.interval: oddity for oddity in traits.oddities}
    usual = -1 if traits.pads_with_ones else 0
    try:
        if plan.is_progressive and plan.first and plan.high:
            w.corrections = <uint8_t*> malloc(64 * (LONGEST_RUN + 1))
            if w.corrections == NULL:
                raise MemoryError
        for interval in range(plan.n_intervals):
            with nogil:
                status = _write_interval(&w, &plan, interval * plan.restart, min((interval + 1) * plan.restart, n_mcus))
            raise_for(status)
            oddity = oddities.get(interval)
            if oddity is not None:
                _end_interval(&w, oddity.pad, oddity.ending)
            else:
                _end_interval(&w, usual, b"" if interval == plan.n_intervals - 1 else RESTARTS[interval % 8])
        return w.out.bytes[:w.out.pos]
    finally:
        free(w.out.bytes)
        free(w.corrections)
