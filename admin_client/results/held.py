"""What a destination holds, and what came of restoring it."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12


class Listed(TypedDict):
    """A version that the destination holds."""

    source: str
    seq: int
    policy: str
    root: str
    path: str
    path_base64: NotRequired[str]
    kind: Literal["file", "directory", "symlink", "fifo", "absent"]
    mode: str
    """Octal."""
    uid: int
    gid: int
    user: str
    group: str
    mtime: str
    observed: str
    received: str
    size: NotRequired[int]
    digest: NotRequired[str]
    coding: NotRequired[str]
    """How the content is stored."""
    method: NotRequired[str]
    """Of a delta."""
    base: NotRequired[str]
    """Of a delta: the content that it is over."""
    stored_bytes: NotRequired[int]
    target: NotRequired[str]
    """Of a symbolic link."""


class Found(Listed):
    """With the time at which the next version of the path replaced it; null: it stands."""

    until: str | None


class LsReport(TypedDict):
    """`smarter ls`."""

    entries: list[Listed]


class FindReport(TypedDict):
    """`smarter find`."""

    entries: list[Found]


class Refused(TypedDict):
    """A path that is not as it should be, and why."""

    path: str
    reason: str


class RestoreJson(TypedDict):
    """`smarter restore`."""

    files: int
    directories: int
    symlinks: int
    fifos: int
    hardlinks: int
    bytes: int
    present: int
    refused: list[Refused]
    damaged: list[Refused]
    announced: list[str]
    approximate: list[str]
    manifest: str | None
    """With `--approximate`: where it says of every file whether it is exact, approximate or absent."""
    counts: dict[str, int] | None
    """Of the manifest."""
    notes: dict[str, int]
    seconds: float


class DrillReport(TypedDict):
    """`smarter drill`."""

    files: int
    bytes: int
    of_files: int
    """All that the sample was drawn from."""
    problems: list[Refused]
    seed: int
    """Draws the same sample again, as long as nothing changes."""
    seconds: float


class BrokenContent(TypedDict):
    """A content that the destination cannot prove any more."""

    digest: str
    reason: str
    paths: list[str]


class VerifyReport(TypedDict):
    """`smarter verify`."""

    contents: int
    bytes: int
    problems: list[BrokenContent]
    orphans: int
