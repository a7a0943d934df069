"""The question that no crash may answer wrongly: whether everything that the source believes delivered is really there.

Both truths are read from disk, the journal first: it only ever grows in receipts, and so does the catalogue in versions, so
the answer is right whether the agents run, have stopped or were killed a moment ago.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from common import delta
from common.coding import CODINGS
from common.errors import ContentError, IntegrityError
from common.model import DELTA
from tests.fakes.sites import SOURCE, Sites

_CLAIMED = (
    "SELECT v.seq, r.policy, r.name, v.path, v.kind, v.attributes, v.digest, v.size FROM version v JOIN root r ON r.id = v.root"
    " WHERE v.state = 'replicated' ORDER BY v.seq"
)
_HELD = (
    "SELECT v.seq, r.policy, r.root, v.path, v.kind, v.attributes, v.digest, v.size FROM versions v"
    " JOIN roots r ON r.id = v.root JOIN sources s ON s.id = v.source WHERE s.name = ?"
)

Row = tuple[Any, ...]


Recipes = dict[bytes, tuple[str, int, bytes | None]]
"""By digest: the coding or method, the size, and the base of a delta."""


@dataclass(frozen=True, slots=True)
class Lie:
    """Something that is not as it was said to be."""

    seq: int
    what: str


def n_replicated(at: Sites) -> int:
    """How many versions the source believes delivered; 0 before there is a journal."""
    if not at.journal.exists():
        return 0
    with _reading(at.journal) as db:
        try:
            return int(db.execute("SELECT count(*) FROM version WHERE state = 'replicated'").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the tables are not made yet


def false_receipts(at: Sites, *, source: str = SOURCE) -> list[Lie]:
    """Versions, and contents, that the source believes delivered and the destination cannot give back."""
    claimed, durable = _claims(at.journal)
    if not claimed:
        return []
    held, recipes = _catalogued(at.catalogue, source)
    digests_held = {row[6] for row in held.values()}
    lies = [
        Lie(0, f"content {digest.hex()} is believed durable, no version at the destination has it")
        for digest in durable - digests_held
    ]
    proofs: dict[bytes, str] = {}
    for row in claimed:
        seq, path, digest = row[0], row[3], row[6]
        if seq not in held:
            lies.append(Lie(seq, f"{path!r}: not in the catalogue"))
        elif tuple(held[seq]) != tuple(row):
            lies.append(Lie(seq, f"{path!r}: the catalogue has another version under this number"))
        elif digest is not None:
            if digest not in proofs:
                proofs[digest] = _unproved(at.objects, digest, recipes)
            if proofs[digest]:
                lies.append(Lie(seq, f"{path!r}: {proofs[digest]}"))
    return lies


def broken_recipes(at: Sites) -> list[str]:
    """Contents that the catalogue has a recipe for and the store no object that decodes to them."""
    if not at.catalogue.exists():
        return []
    with _reading(at.catalogue) as db:
        recipes = _recipes(db)
    return [why for digest in recipes if (why := _unproved(at.objects, digest, recipes))]


def _claims(journal: Path) -> tuple[list[Row], set[bytes]]:
    if not journal.exists():
        return [], set()
    with _reading(journal) as db:
        db.execute("BEGIN")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'version'").fetchone():
            return [], set()
        claimed = db.execute(_CLAIMED).fetchall()
        durable = {row[0] for row in db.execute("SELECT digest FROM durable_content")}
    return claimed, durable


def _catalogued(catalogue: Path, source: str) -> tuple[dict[int, Row], Recipes]:
    with _reading(catalogue) as db:
        db.execute("BEGIN")
        held = {row[0]: row for row in db.execute(_HELD, (source,))}
        recipes = _recipes(db)
    return held, recipes


def _recipes(db: sqlite3.Connection) -> Recipes:
    return {row[0]: row[1:] for row in db.execute("SELECT digest, coding, size, base FROM contents")}


def _unproved(objects: Path, digest: bytes, recipes: Recipes) -> str:
    """Why a content cannot be rebuilt from its objects; empty where it can."""
    if digest not in recipes:
        return "its content has no recipe"
    coding, size, base = recipes[digest]
    try:
        content = _decoded(objects, digest, coding if base is None else DELTA + base.hex(), size=size, base=base, recipes=recipes)
    except (OSError, ContentError, IntegrityError) as error:
        return f"its object {digest.hex()[:12]}.{coding} cannot be decoded: {error}"
    if content is None:
        return f"its object {digest.hex()[:12]}.{coding} is not there"
    if blake3(content).digest() != digest or len(content) != size:
        return f"its object {digest.hex()[:12]}.{coding} decodes to something else"
    return ""


def _decoded(objects: Path, digest: bytes, coding: str, *, size: int, base: bytes | None, recipes: Recipes) -> bytes | None:
    """A content as its object gives it; None where that, or its base's, is not there."""
    path = next((objects / "objects" / digest.hex()[:2]).glob(f"**/{digest.hex()}.{coding}"), None)
    if path is None:
        return None
    if base is None:
        target = io.BytesIO()
        with path.open("rb") as file:
            CODINGS[coding].decode(file, target, size=size)
        return target.getvalue()
    base_coding, base_size, chain = recipes[base]
    assert chain is None, "a delta over a delta"
    below = _decoded(objects, base, base_coding, size=base_size, base=None, recipes=recipes)
    return None if below is None else delta.decode(path.read_bytes(), below)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing, whoever else has the file open."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30, isolation_level=None)) as db:
        yield db
