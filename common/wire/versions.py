"""Versions, attributes and recipes to and from messages, with the limits on every field that a peer fills in."""

from __future__ import annotations

from common.ids import VersionId, digest_from, label
from common.model import Attributes, Kind, Role, Version
from common.paths import MAX_PATH_BYTES, relpath
from common.pb import replication_pb2 as pb

MAX_XATTRS = 256
MAX_XATTR_NAME_BYTES = 255
MAX_XATTR_VALUE_BYTES = 64 * 1024
MAX_XATTRS_BYTES = 256 * 1024
"""Of all names and values of one path: a version must fit into a message."""
MAX_OWNER_CHARS = 256
MAX_SEQ = (1 << 63) - 1
MAX_TIME_NS = (1 << 63) - 1

_KIND_TO_PB = {
    Kind.FILE: pb.FILE,
    Kind.DIRECTORY: pb.DIRECTORY,
    Kind.SYMLINK: pb.SYMLINK,
    Kind.FIFO: pb.FIFO,
    Kind.ABSENT: pb.ABSENT,
}
_KIND_FROM_PB = {number: kind for kind, number in _KIND_TO_PB.items()}
_ROLE_TO_PB = {Role.NONE: pb.ROLE_NONE, Role.REPRESENTATIVE: pb.REPRESENTATIVE, Role.MEMBER: pb.MEMBER}
_ROLE_FROM_PB = {number: role for role, number in _ROLE_TO_PB.items()}


def attributes_to_pb(a: Attributes) -> pb.Attributes:
    """The message of a path's attributes."""
    return pb.Attributes(
        mode=a.mode,
        uid=a.uid,
        gid=a.gid,
        user=a.user,
        group=a.group,
        mtime_ns=a.mtime_ns,
        xattrs=[pb.Xattr(name=n, value=v) for n, v in a.xattrs],
        target=a.target,
        hardlink=a.hardlink,
        sparse=a.sparse,
    )


def attributes_from_pb(m: pb.Attributes) -> Attributes:
    """A path's attributes from a message. Errors: ValueError naming the field that breaks a limit."""
    _limit("xattrs", len(m.xattrs), MAX_XATTRS)
    _limit("user", max(len(m.user), len(m.group)), MAX_OWNER_CHARS)
    _limit("target", len(m.target), MAX_PATH_BYTES)
    _limit("mode", m.mode, 0o7777)
    _whole("target", m.target)
    for x in m.xattrs:
        _limit("xattr name", len(x.name), MAX_XATTR_NAME_BYTES)
        _whole("xattr name", x.name)
        _limit("xattr value", len(x.value), MAX_XATTR_VALUE_BYTES)
    _limit("xattrs together", sum(len(x.name) + len(x.value) for x in m.xattrs), MAX_XATTRS_BYTES)
    return Attributes(
        mode=m.mode,
        uid=m.uid,
        gid=m.gid,
        user=m.user,
        group=m.group,
        mtime_ns=m.mtime_ns,
        xattrs=tuple((x.name, x.value) for x in m.xattrs),
        target=m.target,
        hardlink=m.hardlink,
        sparse=m.sparse,
    )


def attributes_to_bytes(a: Attributes) -> bytes:
    """The stored form of attributes, in the journal and the catalogue: the message's bytes."""
    return attributes_to_pb(a).SerializeToString(deterministic=True)


def attributes_from_bytes(raw: bytes) -> Attributes:
    """Attributes from their stored form."""
    return attributes_from_pb(pb.Attributes.FromString(raw))


def version_to_pb(v: Version) -> pb.Version:
    """The message of a version; the source's name is not in it, the connection says that."""
    return pb.Version(
        seq=v.id.seq,
        policy=v.policy,
        root=v.root,
        path=v.path,
        kind=_KIND_TO_PB[v.kind],
        attributes=attributes_to_pb(v.attributes),
        digest=v.digest or b"",
        size=v.size,
        observed_ns=v.observed_ns,
        role=_ROLE_TO_PB[v.role],
    )


def version_from_pb(m: pb.Version, *, agent: str) -> Version:
    """A version of `agent` from a message. Errors: ValueError naming the field that breaks a limit or a rule."""
    if m.kind not in _KIND_FROM_PB:
        raise ValueError(f"kind {m.kind} is not known")
    _limit("seq", m.seq, MAX_SEQ)
    _limit("size", m.size, MAX_SEQ)
    if m.seq == 0:
        raise ValueError("seq is missing")
    return Version(
        id=VersionId(agent, m.seq),
        policy=label(m.policy),
        root=label(m.root),
        path=relpath(m.path),
        kind=_KIND_FROM_PB[m.kind],
        attributes=attributes_from_pb(m.attributes),
        digest=digest_from(m.digest) if m.digest else None,
        size=m.size,
        observed_ns=m.observed_ns,
        role=_ROLE_FROM_PB.get(m.role, Role.NONE),
    )


def _limit(field: str, value: int, most: int) -> None:
    if value > most:
        raise ValueError(f"{field}: {value} is over the limit of {most}")


def _whole(field: str, value: bytes) -> None:
    """Names end at a NUL for the kernel, so it never made one: whoever sends one means to be misread."""
    if b"\0" in value:
        raise ValueError(f"{field}: has a NUL")
