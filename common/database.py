"""SQLite as the journal and the catalogue use it: WAL, every commit durable, a schema that is a list of upgrades.

The schema's number is `user_version`; upgrade n takes a file from n to n + 1 in one transaction, so a crash in the
middle of an upgrade leaves the old schema. A file of a newer program is refused, never guessed at.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.errors import SmarterError

Connection = sqlite3.Connection
Row = sqlite3.Row


class SchemaTooNew(SmarterError):
    """The file was written by a newer program than this one."""


class DatabaseError(SmarterError):
    """SQLite could not read or write the file: damaged, read-only, or the disk is full."""


def open_database(path: Path, upgrades: Sequence[str]) -> Connection:
    """Opens a database file, made if absent with mode 0600, and brings it to the newest schema.

    Threads: the connection may be used from any thread, by one at a time; its owner sees to that.
    Errors:  SchemaTooNew; DatabaseError naming the file.
    """
    _make_private(path)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a journal that lost its last commits would number two versions alike, a catalogue would break its receipts.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        _upgrade(connection, path, upgrades)
    except sqlite3.Error as error:
        raise DatabaseError(f"{path}: {error}") from error
    return connection


def _make_private(path: Path) -> None:
    """Makes the file where it is absent. SQLite would use the umask, for its log too, and every path is listed in there."""
    try:
        # must: only a new file is opened here, for closing an old one would drop the locks that SQLite has on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror or error}") from error


def _upgrade(connection: Connection, path: Path, upgrades: Sequence[str]) -> None:
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if number > len(upgrades):
        raise SchemaTooNew(
            f"{path}: written by a newer version of this program (schema {number}, this one knows {len(upgrades)})"
        )
    for n, script in enumerate(upgrades[number:], start=number):
        with transaction(connection):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={n + 1}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, for `executescript` would commit in between. A comment may hold a semicolon."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip("; \n"):
        yield statement


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """One write transaction: committed durably at the end of the block, rolled back whole by any exception.

    Errors: DatabaseError for SQLite's own refusals (a full disk among them), the block's exceptions otherwise.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise DatabaseError(str(error)) from error
