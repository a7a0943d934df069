"""How contents are rebuilt, in the catalogue's tables. Pure SQL over a connection that the catalogue lends."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from common.database import Connection, Row
from common.errors import IntegrityError
from common.ids import Digest
from common.model import DeltaOver, Recipe, Refusal, RefusalCode, Whole
from dest_agent.catalogue import Arrival, Content

_WHOLE = "whole"
_DELTA = "delta"
_HOLDS = "SELECT 1 FROM versions WHERE digest = ? AND source IN (SELECT id FROM sources WHERE name IN ({})) LIMIT 1"


def recipe_of(row: Row) -> Recipe:
    """The recipe in a row of `contents`. Errors: IntegrityError for a kind that this program cannot read."""
    match row["recipe"]:
        case "whole":
            return Whole(row["coding"], row["stored_bytes"])
        case "delta":
            return DeltaOver(Digest(row["base"]), row["coding"], row["stored_bytes"])
        case kind:
            raise IntegrityError(f"content {row['digest'].hex()}: its recipe {kind!r} is not known to this program")


def content_of(row: Row) -> Content:
    """The content in a row of `contents`. Errors: as `recipe_of`."""
    return Content(Digest(row["digest"]), row["size"], recipe_of(row))


def holds(db: Connection, sharing: AbstractSet[str], digest: Digest) -> bool:
    """Whether a version of one of the sources has a content."""
    marks = ", ".join("?" * len(sharing))
    return db.execute(_HOLDS.format(marks), (digest, *sharing)).fetchone() is not None


def refusal(db: Connection, arrival: Arrival) -> Refusal | None:
    """Why a version may not have its content as it came, or did not come; None where it may."""
    digest = arrival.version.digest
    if digest is None:
        return None
    match arrival.content:
        case Content(recipe=DeltaOver(base)):
            return _bad_base(db, arrival.sharing, base)
        case Content():
            return None
    if not holds(db, arrival.sharing, digest):
        return Refusal(RefusalCode.NEED_CONTENT, "the content is not here")
    (size,) = db.execute("SELECT size FROM contents WHERE digest = ?", (digest,)).fetchone()
    if size != arrival.version.size:
        return Refusal(RefusalCode.INVALID, f"size: the content has {size} bytes, not {arrival.version.size}")
    return None


def _bad_base(db: Connection, sharing: AbstractSet[str], base: Digest) -> Refusal | None:
    """Why nothing may depend on a content: what deltas are over is whole, so that none depends on more than one other."""
    row = db.execute("SELECT recipe FROM contents WHERE digest = ?", (base,)).fetchone()
    if row is None or not holds(db, sharing, base):
        return Refusal(RefusalCode.BAD_BASE, "the base is not here")
    return None if row["recipe"] == _WHOLE else Refusal(RefusalCode.BAD_BASE, "the base is kept as a delta itself")


def put(db: Connection, content: Content) -> None:
    """Keeps how a content is rebuilt, inside a transaction. Errors: IntegrityError for a recipe that cannot be kept.

    What is there stays, with the new size where it is the same object. But a whole takes the place of a delta: it was proved
    just now, and needs no other content.
    """
    match content.recipe:
        case Whole(coding, stored_bytes):
            new: tuple[str, str, int, Digest | None] = (_WHOLE, coding, stored_bytes, None)
        case DeltaOver(base, method, stored_bytes):
            new = (_DELTA, method, stored_bytes, base)
        case recipe:
            kind = type(recipe).__name__
            raise IntegrityError(f"content {content.digest.hex()}: a recipe of the kind {kind} cannot be kept yet")
    there = db.execute("SELECT * FROM contents WHERE digest = ?", (content.digest,)).fetchone()
    if there is None:
        db.execute("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?)", (content.digest, content.size, *new))
        added = (1, content.size, stored_bytes)
    elif _is_same_object(there, new) or (there["recipe"] == _DELTA and new[0] == _WHOLE):
        update = "UPDATE contents SET recipe = ?, coding = ?, stored_bytes = ?, base = ? WHERE digest = ?"
        db.execute(update, (*new, content.digest))
        added = (0, 0, stored_bytes - there["stored_bytes"])
    else:
        return
    db.execute(
        "UPDATE totals SET contents = contents + ?, logical_bytes = logical_bytes + ?, stored_bytes = stored_bytes + ?", added
    )


def _is_same_object(there: Row, new: tuple[str, str, int, Digest | None]) -> bool:
    """A delta is named by its base: one by another method replaces it."""
    if there["recipe"] != new[0]:
        return False
    return bool(there["base"] == new[3] if there["recipe"] == _DELTA else there["coding"] == new[1])
