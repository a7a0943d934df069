"""The nouns of the program as frozen values: versions and their attributes, offers and plans, recipes and receipts.

No I/O and no behaviour beyond checking themselves. `wire` translates these to protobuf and back; the journal and the
catalogue keep them; every decision takes and gives them. The words are those of GLOSSARY.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from common.ids import Digest, VersionId
from common.paths import RelPath


class Kind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    ABSENT = "absent"
    """The path was deleted: a version like any other, so a restore of an earlier time still finds what was there."""


class Role(StrEnum):
    """A file's part in its group of near-duplicates; `NONE` for what is not an image."""

    NONE = "none"
    REPRESENTATIVE = "representative"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What belongs to a path besides its content: enough for `rsync -aAXH` to see no difference after a restore."""

    mode: int = 0
    """Permission bits, 0o7777."""
    uid: int = 0
    gid: int = 0
    user: str = ""
    """Names beside the numbers: they decide where the restoring machine knows them."""
    group: str = ""
    mtime_ns: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """Sorted by name. POSIX ACLs are the attributes `system.posix_acl_*`."""
    target: bytes = b""
    """Of a symbolic link, as it stands: it may point anywhere, nothing follows it."""
    hardlink: int = 0
    """Equal for the names of one inode; 0 where the inode has one name."""
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One content and its attributes at one path at one time. Immutable; a change, a deletion, a chmod is a new version."""

    id: VersionId
    policy: str
    root: str
    path: RelPath
    kind: Kind
    attributes: Attributes
    observed_ns: int
    digest: Digest | None = None
    """Of a FILE, None for every other kind."""
    size: int = 0
    role: Role = Role.NONE

    def __post_init__(self) -> None:
        """Errors: ValueError where kind and digest contradict one another."""
        if (self.digest is not None) != (self.kind is Kind.FILE):
            raise ValueError(f"version {self.id}: a {self.kind} {'has no' if self.digest else 'needs a'} content")


# recipes: how a content is rebuilt from what the object store holds


@dataclass(frozen=True, slots=True)
class Whole:
    """One object that decodes to the content by itself."""

    coding: str
    """A name of `common.coding.CODINGS`."""
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Chunks:
    """The contents whose concatenation this content is."""

    chunks: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class DeltaOver:
    """A delta object that rebuilds this content from another one, which must be kept as long."""

    base: Digest
    method: str
    stored_bytes: int


Recipe = Whole | Chunks | DeltaOver

DELTA = "delta"
"""What an upload is coded as that brings a delta; no coding is called so."""


# the four words of the protocol


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a picture is recognised by from afar, and what decides which of two is richer, in this order; the size comes after."""

    features: bytes
    """Coarse features as `similarity.sketch` writes them; from a peer they may be any bytes."""
    n_features: int
    """How many the source found; more than the sketch carries."""
    pixels: int
    n_metadata: int


@dataclass(frozen=True, slots=True)
class DeltaOffer:
    """A delta that the source can send in place of a content."""

    base: Digest
    method: str
    """A name of `common.delta.METHODS`."""
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A content that the source has and a version needs."""

    digest: Digest
    size: int
    sketch: Sketch | None = None
    """Of a picture that stands for its group; None for everything else, and where the bytes are to be sent whatever is alike."""
    delta: DeltaOffer | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """What an earlier, broken upload left at the destination: a hint that the sender checks against its own bytes."""

    coding: str
    n_bytes: int
    prefix_digest: Digest


@dataclass(frozen=True, slots=True)
class Have:
    """The destination holds this content for this source: only the version needs recording."""


@dataclass(frozen=True, slots=True)
class SendWhole:
    """The destination wants the bytes."""

    staged: Staged | None = None


@dataclass(frozen=True, slots=True)
class SendDelta:
    """The destination wants the delta that was offered."""

    staged: Staged | None = None


class RefusalCode(IntEnum):
    """Why the destination said no; PROTOCOL.md says what the source does about each."""

    PROOF_FAILED = 1
    NEED_CONTENT = 2
    NO_SPACE = 3
    TOO_LARGE = 4
    INVALID = 5
    CONFLICT = 6
    RESTART = 7
    ABORTED = 8
    BAD_BASE = 9


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no with its reason."""

    code: RefusalCode
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A picture at the destination that looks like an offered one."""

    digest: Digest
    size: int
    sketch: Sketch
    sd: float
    """Similarity degree of the two sketches, 0 to 1."""
    inliers: int
    """Points of the sketches that one transform explains."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The destination holds a richer picture like this one; whoever wants this one sent anyway offers it without a sketch."""

    matches: tuple[Match, ...]
    """The best first, never none."""

    def __post_init__(self) -> None:
        """Errors: ValueError where nothing covers."""
        if not self.matches:
            raise ValueError("covered by no picture")


Answer = Have | SendWhole | SendDelta | Covered | Refusal


@dataclass(frozen=True, slots=True)
class Plan:
    """The destination's answer to one offer."""

    digest: Digest
    answer: Answer


class Proved(StrEnum):
    """What the destination proved before its receipt: the content itself, or only the sealed envelope it came in."""

    CONTENT = "content"
    ENVELOPE = "envelope"


@dataclass(frozen=True, slots=True)
class Stored:
    """The version and all that it needs are durable at the destination."""

    proved: Proved = Proved.CONTENT


@dataclass(frozen=True, slots=True)
class Receipt:
    """The destination's last word on one version of the asking source."""

    seq: int
    outcome: Stored | Refusal


@dataclass(frozen=True, slots=True)
class Announcement:
    """A version whose content comes later, and what makes of a held picture roughly what it shows."""

    version: Version
    base: Digest
    approximation: bytes
    """As `common.delta.approximate` writes it; from a peer any bytes."""


# what travels around a content


@dataclass(frozen=True, slots=True)
class Begin:
    """Opens a content on an upload stream."""

    version: Version
    coding: str
    """A name of `common.coding.CODINGS`, or `DELTA`."""
    coded_bytes: int
    offset: int = 0
    base: Digest | None = None
    """Of a delta: the content that it is over; None for every coding."""
    method: str = ""
    """Of a delta."""

    def __post_init__(self) -> None:
        """Errors: ValueError for a delta without a base, and for anything else with one."""
        if (self.coding == DELTA) != (self.base is not None):
            raise ValueError(f"an upload in the coding {self.coding!r} {'has no' if self.base else 'needs a'} base")


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of the coded bytes."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """Closes a content; the digest covers all coded bytes, skipped ones too."""

    coded_digest: Digest


@dataclass(frozen=True, slots=True)
class Abort:
    """The source cannot finish this content."""


Frame = Begin | Data | End | Abort


@dataclass(frozen=True, slots=True)
class Limits:
    """What a destination takes from a peer; it says so in its Hello and enforces it on every message."""

    frame_bytes: int = 256 * 1024
    batch: int = 512
    content_bytes: int = 1 << 44


# reading back


@dataclass(frozen=True, slots=True)
class Selection:
    """Which versions a listing or a restore means. Empty strings select all."""

    policy: str = ""
    source: str = ""
    glob: str = ""
    at_ns: int = 0
    """The state at this time of the source's clock, 0 for now."""
    all_versions: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A catalogued version with what the destination knows of it."""

    version: Version
    received_ns: int
    recipe: Recipe | None = field(default=None)
    """None exactly where the version has no content."""
