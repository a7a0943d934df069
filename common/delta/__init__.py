"""Bit-exact deltas: a target rebuilt from a base by the method that took fewest bytes, each proved by decoding.

A name in `METHODS` is in deltas on disks and on the wire: it stays for ever, and a changed algorithm gets a new name. The order
is that in which they are tried: what is cheap and often enough comes first, what needs no base last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from common.coding import CODINGS, candidates
from common.delta.container import Container, from_bytes, to_bytes
from common.delta.jpegs import JpegCoefficients
from common.delta.opened import Opened
from common.delta.patch import ZstdPatch
from common.delta.planes import JpegPlanes
from common.delta.replay import JpegReplay, RasterReplay
from common.delta.whole import Whole
from common.errors import ContentError, IntegrityError
from common.ids import Digest, digest_of

SMALL_ENOUGH = 1 / 500
"""Of a target: no other method is tried below this, nor below what the little that is always told takes."""
_ALWAYS_TOLD = 512
_PATCH = "zstd-patch"
WHOLE_AT_BEST = 1 / 8
"""Of a target: what it takes without a base is hardly ever less, so that below it nobody tries."""
MAX_BYTES = 256 * 1024 * 1024
"""Of a base or a target: all of both is in memory at once."""


class Method(Protocol):
    """One way to make a target from a base, or from nothing. Stateless.

    Errors of both: ContentError with a reason of `unsupported` (not for such contents), `damaged`, `memory`.
    """

    needs_base: bool

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The body of a delta; what it needs besides the base, which is empty where none is needed."""

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The target of `size` bytes; the caller proves its digest.

        Errors: besides, IntegrityError where the base comes out in other pixels than it did at the encoder's.
        """


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        _PATCH: ZstdPatch(),
        "jpeg-coefficients": JpegCoefficients(),
        "jpeg-planes": JpegPlanes(),
        "jpeg-replay": JpegReplay(),
        "raster-replay": RasterReplay(),
        **{name: Whole(coding) for name, coding in CODINGS.items()},
    },
)


def encode_best(target: bytes, base: bytes | None, hint: Sequence[float] | None = None, approximation: bytes = b"") -> bytes:
    """The smallest delta that was found, decoded and compared; without a base, the smallest whole coding.

    It is never longer than the target and 64 bytes. `hint` says where in the base the target is believed to be, as a comparison
    of both told: the six numbers of a `Place`; a wrong one costs time. An `approximation` of this pair, as `approximate.recipe`
    makes it, saves a search where it is exact.
    Errors: ContentError `too_large`; IntegrityError where a method decodes to other bytes than it was given, which is a bug.
    """
    best = b""
    wanted, known = Opened(target, hint, approximation), Opened(base or b"")
    for name in _tried(wanted, known):
        method = METHODS[name]
        enough = WHOLE_AT_BEST * len(target)
        if method.needs_base:
            enough = min(enough, max(SMALL_ENOUGH * len(target), _ALWAYS_TOLD))
        if best and len(best) <= enough:
            continue
        try:
            body = method.encode(wanted, known)
        except ContentError:
            continue  # not for this content: the next, at last raw
        made = Container(name, wanted.digest, len(target), known.digest if method.needs_base else None, body)
        coded = to_bytes(made)
        if (not best or len(coded) < len(best)) and _decodes(made, known, target):
            best = coded
    if not best:
        raise IntegrityError("not even raw bytes come back as they were")
    return best


def decode(delta: bytes, base: bytes | None) -> bytes:
    """The target of a delta, its digest proved.

    Errors: IntegrityError where the base is another than the delta's, or what comes out is not the target; ContentError
    `damaged`, `unsupported` for bytes that are no delta this program knows.
    """
    return _decoded(from_bytes(delta), Opened(base or b""))


def _decoded(container: Container, base: Opened) -> bytes:
    method = METHODS.get(container.method)
    if method is None:
        raise ContentError("unsupported", f"a delta by {container.method!r}, which this program does not know")
    if container.size > MAX_BYTES:
        raise ContentError("too_large", f"a target of {container.size} bytes")
    if method.needs_base and base.digest != container.base:
        raise IntegrityError("the base is not the one that the delta was made from")
    target = method.decode(container.body, base, size=container.size)
    if digest_of(target) != container.target:
        raise IntegrityError("the delta does not come out as its target: it is damaged")
    return target


def described(delta: bytes) -> tuple[str, Digest | None]:
    """The method of a delta and the base that it needs. Errors: ContentError `damaged`."""
    container = from_bytes(delta)
    return container.method, container.base


def _tried(target: Opened, base: Opened) -> Sequence[str]:
    if max(len(target.content), len(base.content)) > MAX_BYTES:
        raise ContentError("too_large", f"more than {MAX_BYTES >> 20} MiB are in no delta")
    based = [name for name, method in METHODS.items() if method.needs_base] if base.content else []
    if target.is_raster and not base.is_raster:
        based.sort(key=_PATCH.__eq__)  # last: samples and codes have no bytes in common, and of bare samples there are many
    return (*based, *candidates(target.content[:64], len(target.content)))


def _decodes(made: Container, base: Opened, target: bytes) -> bool:
    """What the base was taken apart into is used again: a proof that starts from nothing is the caller's."""
    try:
        return _decoded(made, base) == target
    except (ContentError, IntegrityError):
        return False
