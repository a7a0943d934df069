"""What sources said of their pictures, in the catalogue's tables. Pure SQL over a connection that the catalogue lends.

A sketch belongs to the source that offered it, as a version does: who shares with whom is asked anew each time, so that a
change of namespaces in the configuration holds for the past too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from common.database import Connection, Row
from common.ids import Digest
from common.model import Sketch
from dest_agent.catalogue import Picture, PictureTotals


def put(db: Connection, source: str, pictures: Iterable[Picture], *, offered_ns: int) -> None:
    """See `Catalogue.sketch`; inside a transaction."""
    for p in pictures:
        s = p.sketch
        values = (source, p.digest, p.size, s.features, s.n_features, s.pixels, s.n_metadata, p.group, offered_ns)
        db.execute("INSERT OR REPLACE INTO sketches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def held(db: Connection, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Picture]:
    """See `Catalogue.pictures`."""
    among = _among(sharing)
    query = f"SELECT * FROM sketches AS s WHERE digest = ? AND {among} AND {_durable(sharing)} ORDER BY source LIMIT 1"  # noqa: S608
    rows = [db.execute(query, (digest, *sharing, *sharing)).fetchone() for digest in digests]
    return {picture.digest: picture for row in rows if row is not None for picture in (_picture(row),)}


def page(db: Connection, sharing: AbstractSet[str], *, after: bytes, limit: int) -> list[Digest]:
    """The next `limit` digests of `Catalogue.every_picture`."""
    query = (
        f"SELECT DISTINCT digest FROM sketches AS s WHERE digest > ? AND {_among(sharing)} AND {_durable(sharing)}"  # noqa: S608
        " ORDER BY digest LIMIT ?"
    )
    return [Digest(row["digest"]) for row in db.execute(query, (after, *sharing, *sharing, limit))]


def totals(db: Connection) -> PictureTotals:
    """See `Catalogue.picture_totals`."""
    query = f"SELECT count(DISTINCT digest), count(DISTINCT group_digest) FROM sketches AS s WHERE EXISTS ({_OWN_VERSION})"  # noqa: S608
    return PictureTotals(*db.execute(query).fetchone())


def forget(db: Connection, *, before_ns: int) -> int:
    """See `Catalogue.forget_sketches`; inside a transaction."""
    query = f"DELETE FROM sketches AS s WHERE offered_ns < ? AND NOT EXISTS ({_OWN_VERSION})"  # noqa: S608
    return db.execute(query, (before_ns,)).rowcount


_VERSION = "SELECT 1 FROM versions AS v JOIN sources ON sources.id = v.source WHERE v.digest = s.digest AND "
_OWN_VERSION = _VERSION + "sources.name = s.source"


def _among(sharing: AbstractSet[str]) -> str:
    return f"s.source IN ({', '.join('?' * len(sharing))})"


def _durable(sharing: AbstractSet[str]) -> str:
    return f"EXISTS ({_VERSION}sources.name IN ({', '.join('?' * len(sharing))}))"


def _picture(row: Row) -> Picture:
    sketch = Sketch(row["features"], row["n_features"], row["pixels"], row["n_metadata"])
    return Picture(Digest(row["digest"]), row["size"], sketch, Digest(row["group_digest"]))
