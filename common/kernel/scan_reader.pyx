"""The entropy-coded bytes of one scan into coefficients (ITU T.81 F.2.2, G.2).

Memory safety rests on two places: `_refill` is the only one that reads the file, and checks `end`; blocks come from
`locate`, on a plan that fits its planes, and are indexed with k <= last <= 63.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from common.kernel.scans cimport (
    FAST, NOT_A_CODE, OK, OUT_OF_RANGE, SHORT, Codes, Plan, Strip, Tables, length_of, locate, lowest_of, not_zero, plan_of, raise_for, swap32,
)

import numpy

from common.errors import ContentError
from common.kernel.skeleton import MAX_ODDITIES, RESTARTS, Oddity, Traits

ctypedef struct Reader:
    const uint8_t* data
    Py_ssize_t pos
    Py_ssize_t end
    uint64_t bits                      # the lower n are yet to be used
    int64_t n
    int64_t n_invented                 # zero bits given out after the end
    int32_t run                        # blocks that have ended already


cdef inline void _refill(Reader* r) noexcept nogil:
    """At least 32 bits; zeros after the end or a marker, where the position stays."""
    cdef uint32_t word
    cdef int byte
    if r.n > 32:
        return
    if r.end - r.pos >= 4:
        memcpy(&word, r.data + r.pos, 4)
        if not ((~word - <uint32_t> 0x01010101) & word & <uint32_t> 0x80808080):   # no byte may be 0xFF
            r.bits = r.bits << 32 | swap32(word)
            r.n += 32
            r.pos += 4
            return
    while r.n <= 56:
        byte = 0
        if r.pos < r.end and r.data[r.pos] != 0xFF:
            byte = r.data[r.pos]
            r.pos += 1
        elif r.pos + 1 < r.end and r.data[r.pos + 1] == 0:
            byte = 0xFF
            r.pos += 2
        else:
            r.n_invented += 8
        r.bits = r.bits << 8 | <uint64_t> byte
        r.n += 8


cdef inline int _symbol(Reader* r, const Codes* table) noexcept nogil:
    """The next symbol, or -1; leaves at least 16 bits for what belongs to it."""
    cdef int32_t look, code
    cdef int length
    _refill(r)
    look = (r.bits >> (r.n - 16)) & 0xFFFF
    cdef int found = table.fast[look >> (16 - FAST)]
    if found:
        r.n -= (found >> 8) & 15
        return found & 255
    for length in range(FAST + 1, 17):
        code = look >> (16 - length)
        if code <= table.largest[length]:
            r.n -= length
            return table.symbols[(code + table.offset[length]) & 255]
    return -1


cdef inline int32_t _take(Reader* r, int n) noexcept nogil:
    """n bits, at most 16, that `_symbol` or `_refill` has left."""
    r.n -= n
    return <int32_t> ((r.bits >> r.n) & ((<uint64_t> 1 << n) - 1))


cdef inline int32_t _signed(Reader* r, int n) noexcept nogil:
    """A number of n > 0 binary digits; negative ones are written as their complement."""
    cdef int32_t value = _take(r, n)
    return value + (((value >> (n - 1)) - 1) & (1 - (1 << n)))     # no branch: signs cannot be predicted


cdef int _read_dc(Reader* r, const Plan* plan, const Strip* strip, int16_t* block, int32_t* last) noexcept nogil:
    """The DC coefficient, first time: its difference to the block before."""
    cdef int n = _symbol(r, strip.dc)
    if n < 0 or n > 15:
        return NOT_A_CODE
    if n:
        last[0] += _signed(r, n)
    cdef int32_t value = last[0] * (1 << plan.low)
    if not -32768 <= value <= 32767:
        return OUT_OF_RANGE
    block[0] = <int16_t> value
    return OK


cdef int _read_ac(Reader* r, const Plan* plan, const Strip* strip, int16_t* block, uint16_t* runs, Py_ssize_t* n_runs) noexcept nogil:
    """The AC coefficients of a sequential scan, or of a band, first time."""
    cdef int k = plan.first
    cdef int last = plan.last
    cdef int low = plan.low
    cdef int symbol, n, zeros, look, found
    cdef int32_t value
    if r.run > 0:
        r.run -= 1
        return OK
    while k <= last:
        _refill(r)
        look = (r.bits >> (r.n - FAST)) & ((1 << FAST) - 1)
        found = strip.ac.fast[look]
        if found >> 12:                # nearly always: symbol and value are seen at once
            k += (found >> 4) & 15
            if k > last:
                return NOT_A_CODE
            r.n -= found >> 12
            value = strip.ac.value[look] * (1 << low)
            if not -32768 < value <= 32767:
                return OUT_OF_RANGE
            block[plan.natural[k]] = <int16_t> value
            k += 1
            continue
        symbol = _symbol(r, strip.ac)
        if symbol < 0:
            return NOT_A_CODE
        n = symbol & 15
        zeros = symbol >> 4
        if n:
            k += zeros
            if k > last:
                return NOT_A_CODE
            value = _signed(r, n) * (1 << low)
            if not -32768 < value <= 32767:
                return OUT_OF_RANGE
            block[plan.natural[k]] = <int16_t> value
            k += 1
        elif zeros == 15:
            k += 16
        elif plan.is_progressive:
            r.run = (1 << zeros) + _take(r, zeros)
            runs[n_runs[0]] = <uint16_t> r.run
            n_runs[0] += 1
            r.run -= 1
            return OK
        elif zeros:
            return NOT_A_CODE
        else:
            return OK
    return OK


cdef inline void _correct(Reader* r, int16_t* value, int32_t one) noexcept nogil:
    """One more bit of a coefficient that is known not to be 0."""
    if r.n < 1:
        _refill(r)
    if _take(r, 1) and not ((value[0] if value[0] > 0 else -value[0]) & one):
        value[0] = <int16_t> (value[0] + one if value[0] > 0 else value[0] - one)


cdef int _refine_ac(Reader* r, const Plan* plan, const Strip* strip, int16_t* block, uint16_t* runs, Py_ssize_t* n_runs) noexcept nogil:
    """One more bit of the AC coefficients of a band (T.81 G.1.2.3)."""
    cdef int k = plan.first
    cdef int symbol, zeros
    cdef int32_t one = 1 << plan.low
    cdef int32_t value
    cdef int16_t* here
    cdef uint64_t found
    if r.run == 0:
        while k <= plan.last:
            symbol = _symbol(r, strip.ac)
            if symbol < 0 or symbol & 15 > 1:
                return NOT_A_CODE
            zeros = symbol >> 4
            value = 0
            if symbol & 15:
                value = one if _take(r, 1) else -one
            elif zeros != 15:
                r.run = (1 << zeros) + _take(r, zeros)
                runs[n_runs[0]] = <uint16_t> r.run
                n_runs[0] += 1
                break
            while k <= plan.last:
                here = block + plan.natural[k]
                if here[0]:
                    _correct(r, here, one)
                elif zeros == 0:
                    break
                else:
                    zeros -= 1
                k += 1
            if value:
                if k > plan.last:
                    return NOT_A_CODE
                block[plan.natural[k]] = <int16_t> value
            k += 1
    if r.run > 0:
        r.run -= 1
        found = not_zero(plan, block) >> k << k if k <= plan.last else 0
        while found:
            _correct(r, block + plan.natural[lowest_of(found)], one)
            found &= found - 1
    return OK


cdef int _read_interval(Reader* r, const Plan* plan, Py_ssize_t first, Py_ssize_t last, uint16_t* runs, Py_ssize_t* n_runs) noexcept nogil:
    """The MCUs from `first` up to `last`, which lie between two restart markers."""
    cdef int32_t[4] dc
    cdef Py_ssize_t row, col, mcu
    cdef int s, y, x, status
    cdef const Strip* strip
    cdef int16_t* block
    memset(dc, 0, sizeof(dc))
    row = first // plan.mcu_cols
    col = first % plan.mcu_cols
    for mcu in range(first, last):
        for s in range(plan.n_strips):
            strip = &plan.strips[s]
            for y in range(strip.v):
                for x in range(strip.h):
                    block = locate(strip, row, col, y, x)
                    status = OK
                    if not plan.is_progressive:
                        status = _read_dc(r, plan, strip, block, &dc[s])
                        if status == OK:
                            status = _read_ac(r, plan, strip, block, runs, n_runs)
                    elif plan.first == 0:
                        if plan.high == 0:
                            status = _read_dc(r, plan, strip, block, &dc[s])
                        else:
                            _refill(r)
                            block[0] |= <int16_t> (_take(r, 1) << plan.low)
                    elif plan.high == 0:
                        status = _read_ac(r, plan, strip, block, runs, n_runs)
                    else:
                        status = _refine_ac(r, plan, strip, block, runs, n_runs)
                    if status != OK:
                        return SHORT if r.n_invented > r.n else status
        if r.n_invented > r.n:
            return SHORT
        col += 1
        if col == plan.mcu_cols:
            row, col = row + 1, 0
    return OK


cdef int _align(Reader* r) noexcept nogil:
    """Moves the position behind the last byte that was used; its unused bits, below a 1, are returned."""
    cdef int64_t n_left = r.n - r.n_invented
    cdef int n = n_left & 7
    cdef int pad = 1
    if n:
        pad = 1 << n | <int> ((r.bits >> (r.n - n)) & ((1 << n) - 1))
    for _ in range(n_left >> 3):       # a 0 behind 0xFF is always the second half of one byte
        r.pos -= 2 if r.data[r.pos - 1] == 0 and r.data[r.pos - 2] == 0xFF else 1
    r.bits, r.n, r.n_invented, r.run = 0, 0, 0, 0
    return pad


cdef Py_ssize_t _end_of(const uint8_t[::1] content, Py_ssize_t pos, Py_ssize_t end, bint is_last) except -1:
    """Where an interval ends: behind the next restart marker, or with the scan."""
    if is_last:
        return end
    while pos + 1 < end and not (content[pos] == 0xFF and 0xD0 <= content[pos + 1] <= 0xD7):
        pos += 1
    if pos + 1 >= end:
        raise ContentError("damaged", "a restart marker is missing")
    return pos + 2


def read_scan(const uint8_t[::1] content not None, scan, planes):
    """Reads the entropy-coded bytes `scan.start` to `scan.end` of a file into planes of int16 (rows, cols, 64).

    Returns its Traits, with all runs of blocks. Errors: ContentError `damaged`.
    """
    cdef Tables tables = Tables()
    cdef Plan plan
    cdef Reader r
    cdef Py_ssize_t interval, n_mcus, ending, n_runs = 0
    cdef int pad, ones, status
    cdef int usual = -1
    cdef uint16_t[::1] runs
    plan_of(&plan, tables, scan, planes)
    memset(&r, 0, sizeof(r))
    if not 1 < scan.start <= scan.end <= content.shape[0]:
        raise ContentError("damaged", "a scan outside its file")
    r.data, r.pos, r.end = &content[0], scan.start, scan.end
    n_mcus = plan.mcu_rows * plan.mcu_cols
    runs = numpy.empty(plan.n_blocks if plan.is_progressive and plan.first else 1, numpy.uint16)
    oddities = []
    for interval in range(plan.n_intervals):
        with nogil:
            status = _read_interval(
                &r, &plan, interval * plan.restart, min((interval + 1) * plan.restart, n_mcus), &runs[0], &n_runs)
        raise_for(status)
        pad = _align(&r)
        ones = length_of(pad) - 1
        if usual < 0 and ones and pad in (1 << ones, (2 << ones) - 1):
            usual = pad & 1
        ending = _end_of(content, r.pos, r.end, interval == plan.n_intervals - 1)
        expected = b"" if interval == plan.n_intervals - 1 else RESTARTS[interval % 8]
        found = bytes(content[r.pos:ending])
        if found != expected or ones and pad != ((2 << ones) - 1 if usual else 1 << ones):
            if len(oddities) == MAX_ODDITIES:
                raise ContentError("unsupported", "nearly every interval of a scan ends in a way of its own")
            oddities.append(Oddity(interval, pad - (1 << ones), found))
        r.pos = ending
    return Traits(usual != 0, tuple(oddities), numpy.array(runs[:n_runs]))
