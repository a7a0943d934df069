"""Databases: schemas grow one upgrade at a time, and what a transaction began it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.database import DatabaseError, SchemaTooNew, open_database, transaction

FIRST = """
-- a comment; with a semicolon
CREATE TABLE t (a TEXT DEFAULT ';');
CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 'x'; UPDATE t SET a = a || 'y'; END;
"""
SECOND = "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 7"


def test_a_schema_is_brought_forward_one_upgrade_at_a_time(tmp_path: Path) -> None:
    """Semicolons inside comments, texts and triggers end no statement; what was there stays."""
    path = tmp_path / "x.sqlite"
    old = open_database(path, [FIRST])
    old.execute("INSERT INTO t VALUES ('')")
    old.close()
    new = open_database(path, [FIRST, SECOND])
    assert [tuple(row) for row in new.execute("SELECT a, b FROM t")] == [("xy", 7)]
    new.close()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """An older program would not know what it must not forget."""
    path = tmp_path / "x.sqlite"
    open_database(path, [FIRST, SECOND]).close()
    with pytest.raises(SchemaTooNew, match="schema 2"):
        open_database(path, [FIRST])


def test_an_upgrade_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    """A crash in the middle is like this failure: the transaction is not there."""
    path = tmp_path / "x.sqlite"
    with pytest.raises(DatabaseError, match="syntax error"):
        open_database(path, [FIRST, "CREATE TABLE u (a); CREATE NONSENSE"]).close()
    connection = open_database(path, [FIRST])
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'u'").fetchall()
    connection.close()


def test_a_transaction_is_whole_or_absent(tmp_path: Path) -> None:
    """Whatever ends the block."""
    connection = open_database(tmp_path / "x.sqlite", ["CREATE TABLE t (a INTEGER PRIMARY KEY)"])
    with pytest.raises(DatabaseError, match="no such table"), transaction(connection):
        connection.executemany("INSERT INTO t VALUES (?)", [(1,)]).execute("INSERT INTO nowhere VALUES (1)")
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(DatabaseError, match="UNIQUE"), transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    assert [tuple(row) for row in connection.execute("SELECT a FROM t")] == [(2,)]
    connection.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """The operator must know which file is damaged."""
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseError, match=r"x\.sqlite"):
        open_database(path, [FIRST])


def test_a_new_database_and_its_log_are_their_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask: the paths of a whole library are in there."""
    before = os.umask(0o022)
    try:
        connection = open_database(tmp_path / "x.sqlite", [FIRST])
        connection.execute("INSERT INTO t VALUES ('')")
        found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        connection.close()
    finally:
        os.umask(before)
    assert found == {"x.sqlite": 0o600, "x.sqlite-wal": 0o600, "x.sqlite-shm": 0o600}


def test_a_database_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As every other reason why a file cannot be opened."""
    with pytest.raises(DatabaseError, match="No such file"):
        open_database(tmp_path / "gone" / "x.sqlite", [FIRST])
