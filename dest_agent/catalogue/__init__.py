"""The catalogue: the destination's truth. Which versions every source has delivered, and how each content is rebuilt.

The whole contract is this file; every implementation passes `tests/contracts/catalogue_contract.py`. A commit is *the*
commit point of a delivery (D3): a version that is in here is there for good, and whatever its recipe names is durable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from common.ids import Digest
from common.model import Announcement, Entry, Recipe, Refusal, Selection, Sketch, Stored, Version


@dataclass(frozen=True, slots=True)
class Content:
    """A content and how it is rebuilt."""

    digest: Digest
    size: int
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version to commit."""

    version: Version
    sharing: frozenset[str]
    """The sources of its namespace, its own among them: what one of them holds, this version may name."""
    content: Content | None = None
    """Where the bytes, or a delta, came along: proved, and durable in the object store."""


@dataclass(frozen=True, slots=True)
class SourceCount:
    """What is known of one source."""

    name: str
    versions: int
    last_seq: int
    """The highest sequence that was committed."""
    last_received_ns: int
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Distinct contents and their bytes, decoded and as stored."""

    contents: int
    logical_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A content with the sketch that came with its offer: a hint, until a version has the content."""

    digest: Digest
    size: int
    sketch: Sketch
    group: Digest
    """The picture that its group began with; its own digest where it began one."""


@dataclass(frozen=True, slots=True)
class PictureTotals:
    """Pictures that versions have, and groups of them."""

    pictures: int
    groups: int


class Catalogue(Protocol):
    """Versions and contents. Threads: every method may be called from any thread. Errors, all methods: DatabaseError."""

    def commit(self, arrivals: Sequence[Arrival], *, received_ns: int) -> list[Stored | Refusal]:
        """Commits arrivals in one transaction, durably, and says of each, in order, whether it is stored.

        A version that is there already is stored again, which changes nothing; the same sequence with another record is
        CONFLICT. A file without `content` needs one that `sharing` holds, else NEED_CONTENT; with another size, INVALID.
        A delta needs a base that `sharing` holds and that is whole, else BAD_BASE.
        A content that is there keeps its recipe, with the new size where the object is the same; but a whole takes the place of
        a delta. A refusal changes nothing.
        """

    def held(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> set[Digest]:
        """Those of `digests` that a version of one of the sources has, at any time."""

    def recipes(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Recipe]:
        """How those of `digests` are rebuilt that `held` gives. Errors: as `contents`."""

    def contents(self, digests: Sequence[Digest]) -> dict[Digest, Content]:
        """What is known of those of `digests` that are there. Errors: IntegrityError for a recipe this program cannot read."""

    def every_content(self, policy: str) -> Iterator[Content]:
        """Every content, or, where `policy` is not empty, those that a version of it has; by digest, in bounded memory."""

    def totals(self, policy: str) -> Totals:
        """Counts of what `every_content` gives."""

    def paths(self, digest: Digest, *, most: int) -> list[str]:
        """Some of the places that have a content, as `source:policy/root/path` for people."""

    def entries(self, selection: Selection) -> Iterator[Entry]:
        """The versions that a selection means, ordered by source, policy, root, path and sequence, in bounded memory.

        A path sorts after the directory that holds it. The state at a time is, of each path, the version with the highest
        sequence among those with min(observed, received) <= that time; where that is an absence, there is nothing.
        The listing is of one moment: what is committed meanwhile is not in it. Errors: ValueError for a glob that is none.
        """

    def sources(self) -> list[SourceCount]:
        """All sources that have delivered, by name."""

    def last_seq(self, source: str) -> int:
        """The highest sequence of a source that was committed; 0 where there is none."""

    def announce(self, announcements: Sequence[Announcement], *, sharing: AbstractSet[str], announced_ns: int) -> list[int]:
        """Keeps what a source announces, in one transaction, and gives the sequences of those that are kept.

        The others name a base that `sharing` has not. An announcement ends with the next version of its path.
        """

    def announced(self, selection: Selection) -> Iterator[Announcement]:
        """What was announced and has not come, by source and sequence, in bounded memory; the selection's time does not matter.

        Errors: ValueError for a glob that is none.
        """

    def sketch(self, source: str, pictures: Sequence[Picture], *, offered_ns: int) -> None:
        """Keeps what a source said its pictures look like, in one transaction; its newest word on a content counts."""

    def pictures(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Picture]:
        """Those of `digests` that one of the sources sketched and a version of one of them has."""

    def every_picture(self, sharing: AbstractSet[str]) -> Iterator[Digest]:
        """What `pictures` would give of every digest; by digest, in bounded memory."""

    def picture_totals(self) -> PictureTotals:
        """Counts of the pictures of all sources."""

    def forget_sketches(self, *, before_ns: int) -> int:
        """Removes, and counts, sketches offered before a time whose source has no version with the content."""

    def remember(self, key: str, value: int) -> None:
        """Keeps a number under a name, as the time of the last verification."""

    def recall(self, key: str) -> int:
        """The number kept under a name; 0 where there is none."""
