"""The journal's pictures and groups: which near-duplicates belong together, which one stands for them, and how each then goes.

One transaction a step, in the journal's own file: a picture gets its group, its role and the state of its deliveries in one,
or stays IDENTIFIED and is placed again (G1). Places are compared on what `album` has seen; nothing here looks at a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.database import Connection, Row
from common.durable import crash_point
from common.errors import ContentError
from common.ids import Digest
from common.model import Match, Role
from common.similarity import registration
from common.similarity.places import Bond, Picture, Place, Rank
from common.similarity.registration import Relation
from source_agent.journal import Journal
from source_agent.rows import is_durable
from source_agent.selection import ChosenGroup, GroupId, KnownGroup
from source_agent.states import State

_NEVER_WENT = (
    "SELECT digest FROM picture p WHERE of_group = (SELECT of_group FROM picture WHERE digest = ?) AND digest <> ?"
    " AND role = 'representative' AND NOT EXISTS (SELECT 1 FROM durable_content d WHERE d.digest = p.digest) AND NOT EXISTS"
    " (SELECT 1 FROM version v WHERE v.digest = p.digest AND v.state IN ('queued', 'replicated', 'quarantined'))"
)
"""Those of a representative's group that stood for it before, while a review held them back."""
_ALIKE = 16
"""Pictures of one moment that are looked at together; a camera without a clock gives all of its pictures the same."""


@dataclass(frozen=True, slots=True)
class Placing:
    """What a round of grouping found, to be journalled at once."""

    places: Mapping[Digest, Place]
    """Of every picture in `groups`, in the order in which they were placed."""
    groups: Sequence[ChosenGroup]
    fresh: frozenset[Digest]
    """Those that had no place before."""
    now_ns: int
    review_ns: Mapping[Digest, int]
    """Of fresh pictures whose policy lets the user choose: for how long."""
    n_words: int | None = None
    """How often the user had spoken when the round began; None where that does not matter."""

    def deferred(self) -> list[Digest]:
        """The fresh pictures that will wait, if nothing comes in between: members, and all that may be held back by a review."""
        stand = {group.representative for group in self.groups}
        return sorted(self.fresh - (stand - self.review_ns.keys()))


class Groups:
    """Threads: as the journal's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.n_words = 0
        """How often the user has spoken since the start."""

    # what is known

    def roles(self, digests: Iterable[Digest]) -> dict[Digest, Role]:
        """The roles of those that were placed, or found to be no picture after all."""
        found: dict[Digest, Role] = {}
        with self._journal.reading() as db:
            for digest in digests:
                if (row := db.execute("SELECT role FROM picture WHERE digest = ?", (digest,)).fetchone()) is not None:
                    found[digest] = Role(row[0])
                elif db.execute("SELECT 1 FROM unseen WHERE digest = ?", (digest,)).fetchone() is not None:
                    found[digest] = Role.NONE
        return found

    def group_of(self, digest: Digest) -> GroupId | None:
        """The number of a picture's group; None where it was not placed."""
        with self._journal.reading() as db:
            return _group_of(db, digest)

    def scene_of(self, digest: Digest) -> Digest:
        """The representative of a picture's group, itself where it was not placed."""
        query = "SELECT representative FROM picture_group WHERE id = (SELECT of_group FROM picture WHERE digest = ?)"
        with self._journal.reading() as db:
            row = db.execute(query, (digest,)).fetchone()
        return digest if row is None else Digest(row[0])

    def of_moment(self, moment: bytes) -> list[Digest]:
        """The richest pictures of one moment."""
        query = "SELECT digest FROM picture WHERE moment = ? AND moment <> x'' ORDER BY pixels DESC, digest LIMIT ?"
        with self._journal.reading() as db:
            return [Digest(row[0]) for row in db.execute(query, (moment, _ALIKE))]

    def around(self, digests: Iterable[Digest]) -> list[KnownGroup]:
        """The groups that hold any of these pictures, and those whose scene they are shots of, by number."""
        found: dict[GroupId, KnownGroup] = {}
        with self._journal.reading() as db:
            wanted = list(dict.fromkeys(digests))
            for digest in wanted:
                number = _group_of(db, digest)
                if number is not None and number not in found:
                    found[number] = _group(db, number)
                    wanted += [p.base for p in found[number].places if p.bond is Bond.SCENE and p.base is not None]
        return [found[number] for number in sorted(found)]

    def group(self, number: GroupId) -> KnownGroup | None:
        """One group; None where there is none of this number."""
        with self._journal.reading() as db:
            there = db.execute("SELECT 1 FROM picture_group WHERE id = ?", (number,)).fetchone()
            return None if there is None else _group(db, number)

    def every_picture(self) -> list[tuple[Digest, bool]]:
        """Every picture that was placed, and whether by its features."""
        with self._journal.reading() as db:
            return [(Digest(row[0]), bool(row[1])) for row in db.execute("SELECT digest, has_features FROM picture ORDER BY id")]

    def counts(self) -> dict[str, int]:
        """What status shows of pictures and their groups."""
        queries = {
            "pictures": "SELECT count(*) FROM picture",
            "groups": "SELECT count(*) FROM picture_group",
            "representatives": "SELECT count(*) FROM picture WHERE role = 'representative'",
            "members": "SELECT count(*) FROM picture WHERE role = 'member'",
            "unseen": "SELECT count(*) FROM unseen",
            "in_review": "SELECT count(*) FROM picture_group WHERE review_until_ns > 0",
        }
        with self._journal.reading() as db:
            return {name: int(db.execute(query).fetchone()[0]) for name, query in queries.items()}

    # what is journalled

    def set_aside(self, digest: Digest, reason: str) -> None:
        """Notes that a content cannot be looked at: its deliveries go as plain bytes."""
        with self._journal.writing() as db:
            db.execute("INSERT OR REPLACE INTO unseen (digest, reason) VALUES (?, ?)", (digest, reason))
            self._journal.assign(db, digest, Role.NONE, State.QUEUED, among=(State.IDENTIFIED,))

    def follow(self, roles: Mapping[Digest, Role]) -> None:
        """Lets new versions of contents that have a role go the way of their content."""
        with self._journal.writing() as db:
            for digest, role in roles.items():
                self._journal.assign(db, digest, role, self._state_of(db, digest, role), among=(State.IDENTIFIED,))

    def keep(self, placing: Placing) -> bool:
        """Journals a round of grouping: groups, places, roles and the states of deliveries, in one transaction (G1).

        False, and nothing is written, where the user has spoken since the round began: what it was based on may be changed.
        """
        with self._journal.writing() as db:
            if placing.n_words not in {None, self.n_words}:
                return False
            touched = {old for picture in placing.places if (old := _group_of(db, picture)) is not None}
            numbers = {picture: number for number, chosen in _numbered(db, placing.groups) for picture in chosen.pictures}
            for picture, place in placing.places.items():
                _write(db, place, numbers[picture], is_fresh=picture in placing.fresh)
            for chosen in placing.groups:
                self._review(db, numbers[chosen.representative], chosen, placing)
            for number in touched:
                db.execute(
                    "DELETE FROM picture_group WHERE id = ? AND NOT EXISTS (SELECT 1 FROM picture WHERE of_group = ?)",
                    (number, number),
                )
            for chosen in placing.groups:
                self._enthrone(db, chosen.representative)
            for picture in sorted(placing.fresh):
                role = Role(db.execute("SELECT role FROM picture WHERE digest = ?", (picture,)).fetchone()[0])
                self._journal.assign(db, picture, role, self._state_of(db, picture, role), among=(State.IDENTIFIED,))
        crash_point("G1")
        return True

    def end_reviews(self, now_ns: int) -> int:
        """Ends the reviews whose time is over: what was chosen without the user goes. How many there were."""
        with self._journal.writing() as db:
            query = "SELECT id FROM picture_group WHERE review_until_ns > 0 AND review_until_ns <= ?"
            over = [row[0] for row in db.execute(query, (now_ns,))]
            for number in over:
                self._end_review(db, number)
        return len(over)

    def cover(self, digest: Digest, matches: Sequence[Match]) -> bool:
        """Makes a representative a member, for the destination holds richer pictures like it: it goes when members go.

        False, and nothing is changed, where the user chose it, or the destination has it.
        """
        chosen = "SELECT 1 FROM picture_group WHERE representative = ? AND is_pinned"
        with self._journal.writing() as db:
            if is_durable(db, digest) or db.execute(chosen, (digest,)).fetchone() is not None:
                return False
            db.executemany(
                "INSERT OR REPLACE INTO found_match (digest, match, size, sd, inliers) VALUES (?, ?, ?, ?, ?)",
                [(digest, match.digest, match.size, match.sd, match.inliers) for match in matches],
            )
            db.execute("UPDATE picture SET role = ? WHERE digest = ?", (Role.MEMBER, digest))
            self._journal.assign(db, digest, Role.MEMBER, State.DEFERRED, among=(State.QUEUED,))
        return True

    # the user's word

    def pin(self, digest: Digest) -> GroupId:
        """Makes a picture the representative of its group, for good. Errors: KeyError where it was not placed."""
        with self._journal.writing() as db:
            number = _placed_in(db, digest)
            self.n_words += 1
            db.execute("UPDATE picture_group SET representative = ?, is_pinned = 1 WHERE id = ?", (digest, number))
            self._end_review(db, number)
        return number

    def split(self, digest: Digest) -> GroupId:
        """Takes a picture out of its group, into a confirmed one of its own. Errors: KeyError; ValueError where it is alone."""
        with self._journal.writing() as db:
            number = _placed_in(db, digest)
            rest = [place.picture for place in _group(db, number).places if place.picture.digest != digest]
            if not rest:
                raise ValueError("it is alone in its group already")
            self.n_words += 1
            first = max(rest, key=lambda picture: (picture.rank, picture.digest)).digest
            where = "UPDATE picture_group SET representative = ?, is_pinned = 0 WHERE id = ? AND representative = ?"
            db.execute(where, (first, number, digest))
            self._end_review(db, number)
            made = _insert_group(db, digest)
            db.execute("UPDATE picture_group SET is_confirmed = 1 WHERE id = ?", (made,))
            alone = "UPDATE picture SET of_group = ?, base = NULL, bond = ?, witness = NULL, likeness = NULL WHERE digest = ?"
            db.execute(alone, (made, Bond.NONE, digest))
            self._enthrone(db, digest)
        return made

    def confirm(self, number: GroupId) -> None:
        """The pictures of a group belong together: nothing takes them apart or moves them. Errors: KeyError."""
        with self._journal.writing() as db:
            if db.execute("UPDATE picture_group SET is_confirmed = 1 WHERE id = ?", (number,)).rowcount == 0:
                raise KeyError(number)
            self.n_words += 1
            self._end_review(db, number)

    # deliveries

    def _state_of(self, db: Connection, digest: Digest, role: Role) -> State:
        if is_durable(db, digest):
            return State.QUEUED  # only the version needs recording
        query = "SELECT 1 FROM picture_group WHERE review_until_ns > 0 AND id = (SELECT of_group FROM picture WHERE digest = ?)"
        if db.execute(query, (digest,)).fetchone() is not None:
            return State.DEFERRED
        # must: what waits stays readable. A member that could not be pinned goes whole, as soon as members go.
        return State.DEFERRED if role is Role.MEMBER and self._journal.has_pin(digest) else State.QUEUED

    def _enthrone(self, db: Connection, representative: Digest) -> None:
        """Whoever stands for a group goes whole and at once, whatever it was before.

        One that was covered stays a member, unless the user chose it. One that was to go and has not gone is a member again.
        """
        chosen = "SELECT 1 FROM picture_group WHERE representative = f.digest AND is_pinned"
        covered = f"SELECT 1 FROM found_match f WHERE digest = ? AND NOT EXISTS ({chosen})"  # noqa: S608 - names only
        if db.execute(covered, (representative,)).fetchone() is not None:
            return
        for (before,) in db.execute(_NEVER_WENT, (representative, representative)).fetchall():
            db.execute("UPDATE picture SET role = ? WHERE digest = ?", (Role.MEMBER, before))
            self._journal.assign(db, Digest(before), Role.MEMBER, State.DEFERRED, among=(State.DEFERRED,))
        db.execute("UPDATE picture SET role = ? WHERE digest = ?", (Role.REPRESENTATIVE, representative))
        state = self._state_of(db, representative, Role.REPRESENTATIVE)
        self._journal.assign(db, representative, Role.REPRESENTATIVE, state, among=(State.DEFERRED,))

    def _review(self, db: Connection, number: GroupId, chosen: ChosenGroup, placing: Placing) -> None:
        asked = [placing.review_ns[picture] for picture in chosen.pictures & placing.fresh if picture in placing.review_ns]
        if asked and len(chosen.pictures) > 1:
            # One that runs is not made longer: a group that grows every day would wait for ever.
            where = "id = ? AND NOT is_confirmed AND NOT is_pinned AND review_until_ns = 0"
            query = f"UPDATE picture_group SET review_until_ns = ? WHERE {where}"  # noqa: S608 - names only
            db.execute(query, (placing.now_ns + max(asked), number))

    def _end_review(self, db: Connection, number: GroupId) -> None:
        db.execute("UPDATE picture_group SET review_until_ns = 0 WHERE id = ?", (number,))
        row = db.execute("SELECT representative FROM picture_group WHERE id = ?", (number,)).fetchone()
        self._enthrone(db, Digest(row[0]))


def _group_of(db: Connection, digest: Digest) -> GroupId | None:
    row = db.execute("SELECT of_group FROM picture WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else int(row[0])


def _placed_in(db: Connection, digest: Digest) -> GroupId:
    """The number of a picture's group. Errors: KeyError where it was not placed."""
    number = _group_of(db, digest)
    if number is None:
        raise KeyError(digest)
    return number


def _group(db: Connection, number: GroupId) -> KnownGroup:
    row = db.execute("SELECT * FROM picture_group WHERE id = ?", (number,)).fetchone()
    rows = db.execute("SELECT * FROM picture WHERE of_group = ? ORDER BY id", (number,)).fetchall()
    return KnownGroup(
        id=number,
        representative=Digest(row["representative"]),
        places=tuple(place_from(one) for one in rows),
        is_pinned=bool(row["is_pinned"]),
        is_confirmed=bool(row["is_confirmed"]),
    )


def place_from(row: Row) -> Place:
    """The place of a picture from its row."""
    return Place(
        picture=Picture(
            Digest(row["digest"]),
            Rank(row["n_features"], row["pixels"], row["n_metadata"], row["n_bytes"]),
            row["moment"],
        ),
        base=None if row["base"] is None else Digest(row["base"]),
        bond=Bond(row["bond"]),
        likeness=likeness_of(row["likeness"]),
        has_features=bool(row["has_features"]),
        witness=None if row["witness"] is None else Digest(row["witness"]),
    )


def likeness_of(stored: bytes | None) -> Relation | None:
    """A relation as kept; one of another version is not known, and is found again when it is asked for."""
    try:
        return None if stored is None else registration.from_bytes(stored)
    except ContentError:
        return None


def _numbered(db: Connection, groups: Iterable[ChosenGroup]) -> Iterator[tuple[GroupId, ChosenGroup]]:
    """Gives every group its number, a new one where it has none, and journals what stands for it."""
    for chosen in groups:
        if chosen.id is None:
            yield _insert_group(db, chosen.representative), chosen
        else:
            db.execute("UPDATE picture_group SET representative = ? WHERE id = ?", (chosen.representative, chosen.id))
            yield chosen.id, chosen


def _insert_group(db: Connection, representative: Digest) -> GroupId:
    number = db.execute("INSERT INTO picture_group (representative) VALUES (?)", (representative,)).lastrowid
    return int(number or 0)


def _write(db: Connection, place: Place, number: GroupId, *, is_fresh: bool) -> None:
    likeness = registration.to_bytes(place.likeness) if isinstance(place.likeness, Relation) else None
    where = (number, place.has_features, place.base, place.bond, place.witness, likeness)
    if not is_fresh:
        set_to = "of_group = ?, has_features = ?, base = ?, bond = ?, witness = ?, likeness = ?"
        db.execute(f"UPDATE picture SET {set_to} WHERE digest = ?", (*where, place.picture.digest))  # noqa: S608 - names only
        return
    rank = place.picture.rank
    db.execute(
        "INSERT INTO picture (of_group, has_features, base, bond, witness, likeness, digest, role,"
        " n_features, pixels, n_metadata, n_bytes, moment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*where, place.picture.digest, Role.MEMBER, *rank, place.picture.moment),
    )
