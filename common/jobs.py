"""What a worker process can be asked to do: a table of names, and the digesting ends through which a job reads and writes.

A job gets plain values and open descriptors and returns plain values, so nothing but JSON and descriptors crosses between
the agent and its workers. A later kind of work is one more row of `JOBS`.

What looks at pictures (`glance`, `see`, `compare`, `thumbnail`) imports NumPy and OpenCV when it is first asked for: a worker
that only codes never does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from blake3 import blake3

from common.coding import CODINGS
from common.errors import ContentError, IntegrityError

MAX_PICTURE_BYTES = 256 * 1024 * 1024
"""A file that is larger is not looked at as a picture: a worker reads all of it at once."""

Value = str | int
Job = Callable[[Mapping[str, Value], Sequence[int]], dict[str, Value]]


class DigestingSource:
    """A regular file read by offset: where the descriptor's owner stands in it neither matters nor changes.

    The file ends where it ended when this was made. The digest covers one pass over it, begun anew by `seek(0)`; reading
    elsewhere leaves the pass alone.
    """

    def __init__(self, fd: int) -> None:
        """Errors: OSError (EINVAL, ESPIPE at the first read) where `fd` is not a regular file."""
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._at = 0
        self._digested = 0
        self._blake3 = blake3()

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes, empty only at the end. Errors: OSError; ContentError `changed` where the file has shrunk."""
        wanted = min(n, self.size - self._at)
        if wanted <= 0:
            return b""
        piece = os.pread(self._fd, wanted, self._at)
        if not piece:
            raise ContentError("changed", f"the file ended at byte {self._at} of {self.size} while it was read")
        if self._at == self._digested:
            self._blake3.update(piece)
            self._digested += len(piece)
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves to `offset` from the start or, with SEEK_END, from the end."""
        self._at = offset + (self.size if whence == os.SEEK_END else 0)
        if self._at == 0:
            self._blake3, self._digested = blake3(), 0
        return self._at

    def digest(self) -> bytes:
        """The digest of the pass. Errors: ContentError `damaged` where the pass has not come to the end."""
        if self._digested != self.size:
            raise ContentError("damaged", f"only {self._digested} of {self.size} bytes were needed")
        return self._blake3.digest()


class DigestingTarget:
    """A regular file written from its first byte by offset, a pipe written in order, or nothing; all digested."""

    def __init__(self, fd: int | None) -> None:
        """A pipe's end is made blocking: its reader sets the pace."""
        self._fd = fd
        self._is_file = fd is not None and stat.S_ISREG(os.fstat(fd).st_mode)
        self.n_bytes = 0
        self._blake3 = blake3()
        if fd is not None and not self._is_file:
            os.set_blocking(fd, True)

    def write(self, content: bytes, /) -> None:
        """Writes all of `content`. Errors: OSError."""
        self._blake3.update(content)
        rest = memoryview(content)
        while rest and self._fd is not None:
            n = os.pwrite(self._fd, rest, self.n_bytes) if self._is_file else os.write(self._fd, rest)
            self.n_bytes += n
            rest = rest[n:]
        self.n_bytes += len(rest)

    def finish(self) -> bytes:
        """Cuts a file off after the last byte written and gives the digest of all that was. Errors: OSError."""
        if self._fd is not None and self._is_file:
            os.ftruncate(self._fd, self.n_bytes)
        return self._blake3.digest()


def encode(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Codes the content in the first descriptor into the second. Errors: ContentError, OSError."""
    source, target = DigestingSource(fds[0]), DigestingTarget(fds[1])
    CODINGS[str(arguments["coding"])].encode(source, target)
    coded_digest = target.finish()
    return {
        "content_digest": source.digest().hex(),
        "content_bytes": source.size,
        "coded_digest": coded_digest.hex(),
        "coded_bytes": target.n_bytes,
    }


def decode(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Decodes the first descriptor into the second, or without a second only digests the content. Errors: as `encode`."""
    source, target = DigestingSource(fds[0]), DigestingTarget(fds[1] if len(fds) > 1 else None)
    CODINGS[str(arguments["coding"])].decode(source, target, size=int(arguments["size"]))
    return {"digest": target.finish().hex(), "bytes": target.n_bytes}


def glance(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Takes a first look at the picture in the first descriptor and writes what it saw into the last.

    The argument `digest_0` names the content that is expected. Errors: ContentError, `changed` where it is another; OSError.
    """
    from common.similarity import first_look  # noqa: PLC0415 - slow, and not needed to code

    content = _whole(arguments, fds, at=0)
    return _told(first_look.to_bytes(first_look.first_look(content)), fds)


def see(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes what comparing needs of a picture; arguments, descriptors and errors as `glance`."""
    from common.similarity import sight  # noqa: PLC0415 - likewise

    content = _whole(arguments, fds, at=0)
    return _told(sight.to_bytes(sight.see(content)), fds)


def compare(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Looks closely at the pictures in the first two descriptors and writes how they relate; `digest_0`, `digest_1`."""
    from common.similarity import closer, registration  # noqa: PLC0415 - likewise

    # One content at a time in memory.
    a, b = (closer.look(_whole(arguments, fds, at=at)) for at in (0, 1))
    return _told(registration.to_bytes(closer.compare(a, b)), fds)


def thumbnail(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes a JPEG of the picture in the first descriptor, of at most `side` pixels a side and `bytes` bytes, into the last.

    The argument `digest_0` as in `glance`. Errors: ContentError, `changed` where it is another content; OSError.
    """
    from common.images import decode as pictures  # noqa: PLC0415 - likewise

    content = _whole(arguments, fds, at=0)
    return _told(pictures.thumbnail(content, long_side=int(arguments["side"]), max_bytes=int(arguments["bytes"])), fds)


def delta_encode(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes the smallest delta of the second descriptor's content over the first's into the last.

    With two descriptors there is no base, and the smallest whole coding is written. Where `digest_0` and `digest_1` name the
    contents that are expected, others are refused: ContentError `base_changed`, `changed`. The argument `hint` may say where in
    the base the target is believed to be: the six numbers of a place, as `hint_of` writes them; and `approximation` what
    `approximate` made of the same two, in hexadecimal digits. Errors: ContentError, OSError.
    """
    from common import delta  # noqa: PLC0415 - likewise

    if "digest_0" in arguments:
        try:
            base = [_whole(arguments, fds, at=0)]
        except ContentError as error:
            raise ContentError("base_changed" if error.reason == "changed" else error.reason, str(error)) from error
        target = _whole(arguments, fds, at=1)
    else:
        *base, target = (_read(fd) for fd in fds[:-1])
    approximation = bytes.fromhex(str(arguments.get("approximation", "")))
    made = delta.encode_best(target, base[0] if base else None, _hint(arguments), approximation)
    method, needed = delta.described(made)
    sizes = {"target_bytes": len(target), "delta_bytes": len(made)}
    return {"method": method, "needs_base": int(needed is not None), **sizes, **_told(made, fds)}


def approximate(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes what makes of the first descriptor's picture roughly that of the second into the last; `hint` as `delta_encode`.

    Errors: ContentError, `unsupported` where the base shows nothing of the target; OSError.
    """
    from common.delta import approximate  # noqa: PLC0415 - likewise

    base, target = (_read(fd) for fd in fds[:-1])
    return _told(approximate.recipe(target, base, _hint(arguments)), fds)


def render(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes what the approximation in the second descriptor makes of the first's picture into the last, as a PNG.

    Errors: ContentError `damaged`, `unsupported`; OSError.
    """
    import io  # noqa: PLC0415 - likewise

    from PIL import Image  # noqa: PLC0415

    from common.delta import approximate  # noqa: PLC0415

    del arguments
    base, approximation = (_read(fd) for fd in fds[:-1])
    picture = approximate.render(approximation, base)
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    target = io.BytesIO()
    image.save(target, "PNG")
    return _told(target.getvalue(), fds)


def delta_decode(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes the target of the delta in the last descriptor but one, over the base in the first, into the last.

    As a proof (`is_proof`) the delta is in the last descriptor, and nothing is written.
    Errors: ContentError, `integrity` where base, delta and target do not belong together; OSError.
    """
    from common import delta  # noqa: PLC0415 - likewise

    is_proof = bool(arguments.get("is_proof"))
    *base, made = (_read(fd) for fd in (fds if is_proof else fds[:-1]))
    try:
        target = delta.decode(made, base[0] if base else None)
    except IntegrityError as error:
        raise ContentError("integrity", str(error)) from error
    if not is_proof:
        _told(target, fds)
    return {"digest": blake3(target).hexdigest(), "bytes": len(target)}


def hint_of(transform: Sequence[Sequence[float]]) -> str:
    """A transform (2, 3) of shares, from a target to its base, as jobs take it: see `Relation.transform`."""
    return " ".join(repr(float(number)) for row in transform for number in row)


def _hint(arguments: Mapping[str, Value]) -> list[float] | None:
    """What `hint_of` wrote; None where nothing was said."""
    return [float(number) for number in str(arguments.get("hint", "")).split()] or None


def _read(fd: int) -> bytes:
    source = DigestingSource(fd)
    if source.size > MAX_PICTURE_BYTES:
        raise ContentError("too_large", f"a file of {source.size >> 20} MiB is in no delta")
    return b"".join(iter(lambda: source.read(source.size or 1), b""))


def _whole(arguments: Mapping[str, Value], fds: Sequence[int], *, at: int) -> bytes:
    source = DigestingSource(fds[at])
    if source.size > MAX_PICTURE_BYTES:
        raise ContentError("too_large", f"a picture of {source.size >> 20} MiB is not looked at")
    pieces = []
    while piece := source.read(source.size):
        pieces.append(piece)
    if source.digest().hex() != arguments[f"digest_{at}"]:
        raise ContentError("changed", "the file is no longer the content that was to be looked at")
    return b"".join(pieces)


def _told(seen: bytes, fds: Sequence[int]) -> dict[str, Value]:
    target = DigestingTarget(fds[-1])
    target.write(seen)
    target.finish()
    return {"bytes": target.n_bytes}


JOBS: Mapping[str, Job] = MappingProxyType(
    {
        "encode": encode,
        "decode": decode,
        "glance": glance,
        "see": see,
        "compare": compare,
        "thumbnail": thumbnail,
        "delta_encode": delta_encode,
        "delta_decode": delta_decode,
        "render": render,
        "approximate": approximate,
    }
)
