"""Numbers and bytes one behind the other, as skeletons tell them, and what reads them again."""

from __future__ import annotations

from common.errors import ContentError
from common.varints import read_varint, to_varint


def to_told(*values: int | bytes) -> bytes:
    """Numbers as varints, bytes behind their length."""
    return b"".join(to_varint(value) if isinstance(value, int) else to_varint(len(value)) + value for value in values)


class Told:
    """What `to_told` wrote, taken from its beginning on. Errors of all: ContentError `damaged`."""

    def __init__(self, raw: bytes) -> None:
        """Nothing is read yet."""
        self._raw = raw
        self._at = 0

    def number(self, *, most: int) -> int:
        """The next number, which is no larger."""
        try:
            value, self._at = read_varint(self._raw, self._at)
        except IndexError as error:
            raise ContentError("damaged", "a skeleton that ends early") from error
        if value > most:
            raise ContentError("damaged", f"a skeleton with {value} where {most} is the most")
        return value

    def octets(self) -> bytes:
        """The next bytes."""
        n = self.number(most=len(self._raw) - self._at)
        taken = self._raw[self._at : self._at + n]
        if len(taken) != n:
            raise ContentError("damaged", "a skeleton that ends early")
        self._at += n
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        taken, self._at = self._raw[self._at :], len(self._raw)
        return taken

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._raw)
