"""What the kernel's codings of pictures share: the whole content in memory, and the limits that come before it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Final

from common.coding.streams import Readable, Writable, check_size, first_bytes, most_coded_bytes, size_of
from common.errors import ContentError
from common.varints import read_varint, to_varint

_SLACK_BYTES: Final = 1 << 16
"""A coded form may be longer than its content by this much: what is longer was never written."""


class InMemory(ABC):
    """Deterministic: a content has one coded form. Holds both, and what is between them, in memory at once."""

    name: str
    magics: tuple[bytes, ...]
    """What contents begin with."""
    limit_bytes: int
    """Larger contents are not tried. Memory is needed by pixels: one of many may need more than a worker has although its file
    is below this; it then ends as any content that needs too much."""

    def encode(self, source: Readable, target: Writable) -> None:
        """Writes the coded form. Errors: ContentError `unsupported`, `not_smaller`, `memory`."""
        size = size_of(source)
        if size > self.limit_bytes:
            raise ContentError("unsupported", f"{self.name}: a file of {size} bytes: at most {self.limit_bytes} are taken")
        content = first_bytes(source, self.limit_bytes)
        if not content.startswith(self.magics):
            raise ContentError("unsupported", f"{self.name}: a file of another kind")
        coded = self._done(lambda: self.coded(content), {"memory", "not_smaller"}, "unsupported")
        if len(coded) > most_coded_bytes(len(content)):
            raise ContentError("not_smaller", f"{self.name}: {len(content)} bytes become {len(coded)}")
        target.write(coded)

    def decode(self, source: Readable, target: Writable, *, size: int) -> None:
        """Writes the content whose coded form `source` holds. Errors: ContentError `damaged`, `too_long`, `memory`."""
        coded = first_bytes(source, size + _SLACK_BYTES)
        if len(coded) > size + _SLACK_BYTES:
            raise ContentError("damaged", f"{self.name}: a coded form that is longer than its content")
        # What no encoder takes is in no coded form.
        content = self._done(lambda: self.decoded(coded, size), {"memory", "too_long"}, "damaged")
        check_size(len(content), size)
        target.write(content)

    @abstractmethod
    def coded(self, content: bytes) -> bytes:
        """The coded form. Errors: ContentError, of any reason: the content is then coded otherwise."""

    @abstractmethod
    def decoded(self, coded: bytes, size: int) -> bytes:
        """The content, which has `size` bytes unless its coded form is damaged. Errors: ContentError `too_long`, or any."""

    def _done(self, work: Callable[[], bytes], reasons: Collection[str], otherwise: str) -> bytes:
        """What the work gives. Errors: ContentError of these reasons, or otherwise."""
        try:
            return work()
        except ContentError as error:
            raise ContentError(error.reason if error.reason in reasons else otherwise, f"{self.name}: {error}") from error
        except MemoryError as error:
            raise ContentError("memory", f"{self.name}: not enough memory") from error


def sized(body: bytes) -> bytes:
    """A body behind its length, a varint: an arithmetic coder's bytes do not show that some of them are missing."""
    return to_varint(len(body)) + body


def unsized(coded: bytes) -> bytes:
    """The body. Errors: ContentError `damaged` where it has another length than it says."""
    try:
        n_bytes, at = read_varint(coded, 0)
    except IndexError as error:
        raise ContentError("damaged", "a coded form that ends early") from error
    if n_bytes != len(coded) - at:
        raise ContentError("damaged", "a coded form of another length than it says")
    return coded[at:]
