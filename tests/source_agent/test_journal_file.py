"""The journal as a file: crashes, older and newer schemas, damage, and a disk that is full."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from common.database import DatabaseError, SchemaTooNew
from common.ids import digest_of
from common.model import Attributes, Kind
from common.paths import ROOT, RelPath
from common.wire.versions import attributes_to_bytes
from source_agent.deliveries import Observation
from source_agent.deltas import Deltas
from source_agent.journal import Journal
from source_agent.schema import UPGRADES
from source_agent.states import State


def file(path: bytes, content: bytes = b"one", *, xattr_bytes: int = 0) -> Observation:
    """A file as intake finds it; the attribute makes its row as large as a test wants."""
    return Observation(
        root=1,
        path=RelPath(path),
        kind=Kind.FILE,
        attributes=Attributes(mode=0o644, xattrs=((b"user.x", bytes(xattr_bytes)),) if xattr_bytes else ()),
        observed_ns=5,
        signature=b"s",
        digest=digest_of(content),
        size=len(content),
    )


def opened(path: Path) -> Journal:
    """The journal of the agent under test, with its one root."""
    journal = Journal(path, agent="lisbon-1")
    journal.root("photos", "library")
    return journal


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond: what a full disk is to SQLite."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_everything_is_there_again_after_a_crash(tmp_path: Path) -> None:
    """A process that dies closes nothing: a second one reads what the first committed."""
    left = opened(tmp_path / "j")
    made = left.record([file(b"a"), file(b"b")])
    left.mark_dirty([(1, RelPath(b"c"))])
    left.advance([(made[0].version.id.seq, State.REPLICATED, "")], durable=[digest_of(b"one")])
    left.set_meta("destination", "oslo-1")
    with closing(opened(tmp_path / "j")) as found:
        assert found.counts() == {"replicated": 1, "queued": 1}
        assert found.dirty() == [(1, b"c")]
        assert found.durable_among([digest_of(b"one")]) == {digest_of(b"one")}
        assert found.meta("destination") == "oslo-1"
        assert found.queued(after=0, limit=9) == [made[1]]
    left.close()


def test_a_number_is_not_used_again_after_the_newest_version_went(tmp_path: Path) -> None:
    """The destination may know the old number: it must never mean another version."""
    with closing(opened(tmp_path / "j")) as journal:
        (old,) = journal.record([file(b"a")])
        journal.renumber(old.version.id.seq)
    with closing(opened(tmp_path / "j")) as journal:
        (new,) = journal.record([file(b"b")])
        assert new.version.id.seq == old.version.id.seq + 2


@pytest.mark.parametrize("schema", range(len(UPGRADES)))
def test_a_journal_of_every_older_schema_is_brought_up_to_date(tmp_path: Path, schema: int) -> None:
    """Schema 0 is an empty file; nothing that an older one holds is lost."""
    _write_old(tmp_path / "j", schema)
    with closing(opened(tmp_path / "j")) as journal:
        if schema > 0:
            assert journal.signatures(1, ROOT) == {b"old": b"sig"}
            assert [d.version.path for d in journal.queued(after=0, limit=9)] == [b"old"]
            assert journal.dirty() == [(1, b"dirty")]
        assert Deltas(journal).waits() == (schema > 1), "a member that waited before there were deltas waits for one"
        assert journal.record([file(b"new")])
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(UPGRADES),)


def test_the_first_schema_is_frozen() -> None:
    """A journal written by the first release must stay readable: its upgrade is never edited, only followed by others."""
    assert digest_of(UPGRADES[0].encode()).hex()[:16] == "4a57565113a5c1f9"


def test_a_journal_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """In one clear sentence; what it holds is not guessed at."""
    opened(tmp_path / "j").close()
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        db.execute(f"PRAGMA user_version={len(UPGRADES) + 1}")
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(SchemaTooNew, match=r"newer version of this program \(schema \d+, this one knows \d+\)"):
        Journal(tmp_path / "j", agent="lisbon-1")
    assert (tmp_path / "j").read_bytes() == before


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    """Garbage, and a directory."""
    (tmp_path / "j").write_bytes(b"not a database, but long enough to be read as one" * 99)
    with pytest.raises(DatabaseError, match=str(tmp_path / "j")):
        Journal(tmp_path / "j", agent="lisbon-1")
    with pytest.raises(DatabaseError, match=str(tmp_path)):
        Journal(tmp_path, agent="lisbon-1")


def test_a_full_disk_is_an_error_and_loses_nothing_committed(tmp_path: Path) -> None:
    """What was written before stays, what did not fit is not there in part, and with room the same journal goes on."""
    with closing(opened(tmp_path / "j")) as journal:
        journal.record([file(b"before")])
        n_written = 0
        with files_of_at_most(512 * 1024):
            with pytest.raises(DatabaseError):  # noqa: PT012 - which of them fails depends on SQLite's pages
                for n_written in range(100):
                    journal.record([file(b"%d-%d" % (n_written, k), xattr_bytes=4000) for k in range(10)])
            assert 0 < n_written < 99, "the disk was never full, or full from the start"
            with pytest.raises(DatabaseError):
                journal.record([file(b"more-%d" % k, xattr_bytes=60_000) for k in range(10)])
        assert journal.counts() == {"queued": 1 + 10 * n_written}
        assert journal.record([file(b"after")])
    with closing(opened(tmp_path / "j")) as journal:
        assert journal.counts() == {"queued": 2 + 10 * n_written}


def _write_old(path: Path, schema: int) -> None:
    """A journal as the program of that schema left it, with one queued version and one dirty path."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for script in UPGRADES[:schema]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version={schema}")
        if schema > 0:
            db.execute("INSERT INTO root (id, policy, name) VALUES (1, 'photos', 'library')")
            db.execute(
                "INSERT INTO version (seq, root, path, kind, attributes, digest, size, observed_ns, role, state)"
                " VALUES (1, 1, ?, 'file', ?, ?, 3, 5, 'none', 'queued')",
                (b"old", attributes_to_bytes(Attributes(mode=0o644)), digest_of(b"one")),
            )
            db.execute("INSERT INTO entry (root, directory, name, signature, seq) VALUES (1, x'', ?, ?, 1)", (b"old", b"sig"))
            db.execute("INSERT INTO dirty (root, path) VALUES (1, ?)", (b"dirty",))
        if schema > 1:
            db.execute("UPDATE version SET ready = seq")
            db.execute(
                "INSERT INTO version (seq, root, path, kind, attributes, digest, size, observed_ns, role, state)"
                " VALUES (2, 1, ?, 'file', ?, ?, 3, 5, 'member', 'deferred')",
                (b"member", attributes_to_bytes(Attributes(mode=0o644)), digest_of(b"two")),
            )
        if schema > 2:
            db.execute("INSERT INTO delta (target, state) VALUES (?, 'waiting')", (digest_of(b"two"),))
