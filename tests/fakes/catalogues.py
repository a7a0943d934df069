"""A catalogue in memory, written to be plainly right: the model that the real one is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from common.ids import Digest, VersionId
from common.model import Announcement, DeltaOver, Entry, Kind, Recipe, Refusal, RefusalCode, Selection, Stored, Version, Whole
from common.paths import show
from dest_agent.catalogue import Arrival, Content, Picture, PictureTotals, SourceCount, Totals
from dest_agent.catalogue.selecting import matching


class MemoryCatalogue:
    """Dicts of versions and contents."""

    def __init__(self) -> None:
        """Starts empty."""
        self._versions: dict[VersionId, tuple[Version, int]] = {}
        self._contents: dict[Digest, Content] = {}
        self._numbers: dict[str, int] = {}
        self._announced: dict[VersionId, Announcement] = {}
        self._sketches: dict[tuple[str, Digest], tuple[Picture, int]] = {}

    def commit(self, arrivals: Sequence[Arrival], *, received_ns: int) -> list[Stored | Refusal]:
        """See Catalogue."""
        return [self._commit(arrival, received_ns) for arrival in arrivals]

    def held(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> set[Digest]:
        """See Catalogue."""
        return {v.digest for v, _ in self._versions.values() if v.id.agent in sharing and v.digest is not None} & set(digests)

    def recipes(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Recipe]:
        """See Catalogue."""
        return {digest: self._contents[digest].recipe for digest in self.held(sharing, digests)}

    def contents(self, digests: Sequence[Digest]) -> dict[Digest, Content]:
        """See Catalogue."""
        return {digest: self._contents[digest] for digest in digests if digest in self._contents}

    def every_content(self, policy: str) -> Iterator[Content]:
        """See Catalogue."""
        wanted = {v.digest for v, _ in self._versions.values() if v.digest and policy in {"", v.policy}}
        yield from (content for digest, content in sorted(self._contents.items()) if digest in wanted)

    def totals(self, policy: str) -> Totals:
        """See Catalogue."""
        found = list(self.every_content(policy))
        stored = sum(c.recipe.stored_bytes for c in found if isinstance(c.recipe, Whole | DeltaOver))
        return Totals(len(found), sum(c.size for c in found), stored)

    def paths(self, digest: Digest, *, most: int) -> list[str]:
        """See Catalogue."""
        places = {(v.id.agent, v.policy, v.root, v.path) for v, _ in self._versions.values() if v.digest == digest}
        return [f"{agent}:{policy}/{root}/{show(path)}" for agent, policy, root, path in sorted(places)][:most]

    def entries(self, selection: Selection) -> Iterator[Entry]:
        """See Catalogue."""
        match = matching(selection.glob)
        found = [
            Entry(v, received_ns, self._contents[v.digest].recipe if v.digest else None)
            for v, received_ns in self._versions.values()
            if selection.policy in {"", v.policy}
            and selection.source in {"", v.id.agent}
            and (not selection.at_ns or min(v.observed_ns, received_ns) <= selection.at_ns)
        ]
        found.sort(key=lambda e: (_place(e.version), e.version.id.seq))
        if not selection.all_versions:
            last = {_place(e.version): e for e in found}
            found = [e for e in last.values() if e.version.kind is not Kind.ABSENT]
        yield from (e for e in found if match(e.version.path, e.version.kind is Kind.DIRECTORY))

    def sources(self) -> list[SourceCount]:
        """See Catalogue."""
        return [self._source(name) for name in sorted({version.agent for version in self._versions})]

    def last_seq(self, source: str) -> int:
        """See Catalogue."""
        return max((version.seq for version in self._versions if version.agent == source), default=0)

    def announce(self, announcements: Sequence[Announcement], *, sharing: AbstractSet[str], announced_ns: int) -> list[int]:
        """See Catalogue."""
        del announced_ns
        kept = [one for one in announcements if self.held(sharing, [one.base])]
        self._announced |= {one.version.id: one for one in kept if not self._has_come(one.version)}
        return [one.version.id.seq for one in kept]

    def announced(self, selection: Selection) -> Iterator[Announcement]:
        """See Catalogue."""
        match = matching(selection.glob)
        found = [one for _, one in sorted(self._announced.items()) if not self._has_come(one.version)]
        named = (one for one in found if selection.policy in {"", one.version.policy})
        mine = (one for one in named if selection.source in {"", one.version.id.agent})
        return (one for one in mine if match(one.version.path, False))

    def _has_come(self, version: Version) -> bool:
        return any(_place(v) == _place(version) and v.id.seq >= version.id.seq for v, _ in self._versions.values())

    def sketch(self, source: str, pictures: Sequence[Picture], *, offered_ns: int) -> None:
        """See Catalogue."""
        self._sketches |= {(source, picture.digest): (picture, offered_ns) for picture in pictures}

    def pictures(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Picture]:
        """See Catalogue."""
        known = {d: picture for (source, d), (picture, _) in sorted(self._sketches.items(), reverse=True) if source in sharing}
        return {d: known[d] for d in digests if d in known and self.held(sharing, [d])}

    def every_picture(self, sharing: AbstractSet[str]) -> Iterator[Digest]:
        """See Catalogue."""
        yield from sorted(self.pictures(sharing, [digest for _, digest in self._sketches]))

    def picture_totals(self) -> PictureTotals:
        """See Catalogue."""
        durable = [picture for (source, d), (picture, _) in self._sketches.items() if self.held({source}, [d])]
        return PictureTotals(len({p.digest for p in durable}), len({p.group for p in durable}))

    def forget_sketches(self, *, before_ns: int) -> int:
        """See Catalogue."""
        old = [key for key, (_, offered_ns) in self._sketches.items() if offered_ns < before_ns]
        vain = [(source, digest) for source, digest in old if not self.held({source}, [digest])]
        for key in vain:
            del self._sketches[key]
        return len(vain)

    def remember(self, key: str, value: int) -> None:
        """See Catalogue."""
        self._numbers[key] = value

    def recall(self, key: str) -> int:
        """See Catalogue."""
        return self._numbers.get(key, 0)

    def _commit(self, arrival: Arrival, received_ns: int) -> Stored | Refusal:
        version, content = arrival.version, arrival.content
        if version.id in self._versions:
            same = self._versions[version.id][0] == version
            return Stored() if same else Refusal(RefusalCode.CONFLICT)
        if version.digest is not None and content is None:
            if version.digest not in self.held(arrival.sharing, [version.digest]):
                return Refusal(RefusalCode.NEED_CONTENT)
            if self._contents[version.digest].size != version.size:
                return Refusal(RefusalCode.INVALID)
        if content is not None:
            if isinstance(content.recipe, DeltaOver):
                bases = self.recipes(arrival.sharing, [content.recipe.base])
                if not isinstance(bases.get(content.recipe.base), Whole):
                    return Refusal(RefusalCode.BAD_BASE)
            self._put(content)
        self._versions[version.id] = (version, received_ns)
        return Stored()

    def _put(self, content: Content) -> None:
        match self._contents.setdefault(content.digest, content).recipe, content.recipe:
            case (Whole(a), Whole(b)) if a == b:
                self._contents[content.digest] = content
            case DeltaOver(), Whole():
                self._contents[content.digest] = content
            case (DeltaOver(a), DeltaOver(b)) if a == b:
                self._contents[content.digest] = content

    def _source(self, name: str) -> SourceCount:
        own = [(v, received_ns) for v, received_ns in self._versions.values() if v.id.agent == name]
        return SourceCount(
            name=name,
            versions=len(own),
            last_seq=self.last_seq(name),
            last_received_ns=own[-1][1],
            policies=tuple(sorted({v.policy for v, _ in own})),
        )


def _place(v: Version) -> tuple[str, str, str, bytes]:
    return (v.id.agent, v.policy, v.root, v.path)
