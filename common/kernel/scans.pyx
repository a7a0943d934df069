"""What reading and writing a scan share: its Huffman tables, and a plan that is known to stay inside its planes."""

from libc.stdint cimport int16_t, int32_t, uint8_t, uint64_t
from libc.string cimport memset

from common.errors import ContentError
from common.kernel.headers import NATURAL_ORDER

_ERRORS = {
    SHORT: "the entropy-coded data ends before the picture does",
    NOT_A_CODE: "the entropy-coded data has a code that its tables do not",
    OUT_OF_RANGE: "a coefficient is out of range",
    NO_CODE: "a coefficient has no code in the file's tables",
    OTHER_RUNS: "the coefficients do not have the runs of blocks that are listed",
}


cdef int raise_for(int status) except -1:
    """Turns what C code returned into an exception, or into nothing."""
    if status == NO_MEMORY:
        raise MemoryError
    if status != OK:
        raise ContentError("damaged", _ERRORS[status])
    return 0


cdef class Tables:
    """The Huffman tables of a scan, dc and ac of up to four components; owns their memory."""

    def __cinit__(self):
        memset(self.codes, 0, sizeof(self.codes))

    cdef int fill(self, int at, const uint8_t[::1] counts, const uint8_t[::1] symbols) except -1:
        """Codes of a table as DHT gives it: 16 counts by length, and the symbols."""
        cdef Codes* table = &self.codes[at]
        cdef int32_t code = 0
        cdef Py_ssize_t place = 0
        cdef int length, i, symbol
        for length in range(1, 17):
            table.offset[length] = <int32_t> place - code
            for i in range(counts[length - 1]):
                if place > 255 or code >= (1 << length):
                    raise ContentError("damaged", "a Huffman table has more codes than fit")
                symbol = symbols[place]
                table.symbols[place] = symbol
                table.code[symbol] = code
                table.length[symbol] = length
                if length <= FAST:
                    self.fill_fast(table, code, length, symbol)
                place += 1
                code += 1
            table.largest[length] = code - 1 if counts[length - 1] else -1
            code <<= 1
        return 0


    cdef void fill_fast(self, Codes* table, int code, int length, int symbol) noexcept:
        """What is seen when the next FAST bits begin with a code."""
        cdef int n = symbol & 15
        cdef int rest = FAST - length
        cdef int more, bits
        for more in range(1 << rest):
            table.fast[code << rest | more] = length << 8 | symbol
            if 0 < n <= rest:
                bits = more >> (rest - n)
                table.fast[code << rest | more] |= (length + n) << 12
                table.value[code << rest | more] = bits if bits >> (n - 1) else bits - (1 << n) + 1


cdef int plan_of(Plan* plan, Tables tables, scan, planes) except -1:
    """The scan for C; refuses one that reaches beyond its planes, on which every later access relies."""
    cdef const int16_t[:, :, ::1] blocks
    cdef int i
    if not 1 <= len(scan.parts) <= 4:
        raise ContentError("damaged", "a scan has one to four components")
    plan.n_strips = len(scan.parts)
    plan.mcu_rows, plan.mcu_cols, plan.restart = scan.mcu_rows, scan.mcu_cols, scan.restart
    plan.is_progressive = scan.is_progressive
    plan.first, plan.last, plan.high, plan.low = (scan.first, scan.last, scan.high, scan.low) if plan.is_progressive else (1, 63, 0, 0)
    if not (0 <= plan.first <= plan.last <= 63 and 0 <= plan.low <= 13 and plan.mcu_rows > 0 and plan.mcu_cols > 0):
        raise ContentError("damaged", "a scan has impossible parameters")
    if plan.is_progressive and plan.first == 0 < plan.last or plan.first > 0 and plan.is_progressive and len(scan.parts) > 1:
        raise ContentError("damaged", "a progressive scan mixes what has to be apart")
    if plan.restart <= 0:
        plan.restart = plan.mcu_rows * plan.mcu_cols
    plan.n_intervals = (plan.mcu_rows * plan.mcu_cols + plan.restart - 1) // plan.restart
    plan.n_blocks = 0
    for i in range(64):
        plan.natural[i] = NATURAL_ORDER[i]
        plan.zigzag[plan.natural[i]] = i
    plan.band = (<uint64_t> 2 << plan.last) - (<uint64_t> 1 << plan.first)
    quads = sorted({NATURAL_ORDER[k] & ~3 for k in range(plan.first, plan.last + 1)})
    plan.n_quads = len(quads)
    for i in range(plan.n_quads):
        plan.quads[i] = quads[i]
    for i, part in enumerate(scan.parts):
        blocks = planes[part.plane]
        if not (1 <= part.h <= 4 and 1 <= part.v <= 4 and blocks.shape[2] == 64
                and plan.mcu_rows * part.v <= blocks.shape[0] and plan.mcu_cols * part.h <= blocks.shape[1]):
            raise ContentError("damaged", "a scan does not fit its planes")
        tables.fill(2 * i, part.dc[:16], part.dc[16:])
        tables.fill(2 * i + 1, part.ac[:16], part.ac[16:])
        plan.strips[i].blocks = <int16_t*> &blocks[0, 0, 0]    # `planes` outlives the plan
        plan.strips[i].cols = blocks.shape[1]
        plan.strips[i].h, plan.strips[i].v = part.h, part.v
        plan.n_blocks += plan.mcu_rows * plan.mcu_cols * part.h * part.v
        plan.strips[i].dc, plan.strips[i].ac = &tables.codes[2 * i], &tables.codes[2 * i + 1]
    return 0
