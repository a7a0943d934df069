"""The messages of the Restore service to and from the model."""

from __future__ import annotations

from collections.abc import Iterable

from common.ids import agent_name, digest_from, label
from common.model import Announcement, DeltaOver, Entry, Recipe, Selection, Whole
from common.pb import restore_pb2 as pb
from common.wire.versions import version_from_pb, version_to_pb

MAX_GLOB_CHARS = 4096


def selection_to_pb(s: Selection) -> pb.Selection:
    """The message of a selection."""
    return pb.Selection(policy=s.policy, source=s.source, glob=s.glob, at_ns=s.at_ns, all_versions=s.all_versions)


def selection_from_pb(m: pb.Selection) -> Selection:
    """A selection from a message. Errors: ValueError."""
    if len(m.glob) > MAX_GLOB_CHARS:
        raise ValueError(f"a glob of {len(m.glob)} characters: at most {MAX_GLOB_CHARS} are taken")
    return Selection(
        policy=label(m.policy) if m.policy else "",
        source=agent_name(m.source) if m.source else "",
        glob=m.glob,
        at_ns=m.at_ns,
        all_versions=m.all_versions,
    )


def entries_to_pb(entries: Iterable[Entry]) -> pb.EntryBatch:
    """The message of a batch of catalogued versions."""
    return pb.EntryBatch(entries=[_entry_to_pb(e) for e in entries])


def entries_from_pb(m: pb.EntryBatch) -> list[Entry]:
    """Catalogued versions from a message. Errors: ValueError; a restore trusts the destination no more than it must."""
    return [
        Entry(
            version=version_from_pb(e.version, agent=agent_name(e.source)),
            received_ns=e.received_ns,
            recipe=_recipe_from_pb(e),
        )
        for e in m.entries
    ]


def announced_to_pb(announcements: Iterable[Announcement]) -> pb.EntryBatch:
    """The message of a batch of what is announced."""
    return pb.EntryBatch(
        entries=[
            pb.Entry(source=a.version.id.agent, version=version_to_pb(a.version), base=a.base, approximation=a.approximation)
            for a in announcements
        ]
    )


def announced_from_pb(m: pb.EntryBatch) -> list[Announcement]:
    """What is announced from a message. Errors: ValueError."""
    return [
        Announcement(version_from_pb(e.version, agent=agent_name(e.source)), digest_from(e.base), e.approximation)
        for e in m.entries
    ]


def _recipe_from_pb(m: pb.Entry) -> Recipe | None:
    if m.base:
        return DeltaOver(digest_from(m.base), m.coding, m.stored_bytes)
    return Whole(m.coding, m.stored_bytes) if m.coding else None


def _entry_to_pb(e: Entry) -> pb.Entry:
    entry = pb.Entry(source=e.version.id.agent, version=version_to_pb(e.version), received_ns=e.received_ns)
    match e.recipe:
        case Whole(coding, stored_bytes):
            entry.coding, entry.stored_bytes = coding, stored_bytes
        case DeltaOver(base, method, stored_bytes):
            entry.base, entry.coding, entry.stored_bytes = base, method, stored_bytes
    return entry
