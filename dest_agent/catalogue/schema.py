"""The catalogue's tables: upgrade n takes a file from schema n to n + 1. What is here is on disks: add, never edit."""

from __future__ import annotations

UPGRADES = (
    """
    CREATE TABLE sources (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        versions INTEGER NOT NULL DEFAULT 0,
        last_seq INTEGER NOT NULL DEFAULT 0,
        last_received_ns INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE roots (
        id INTEGER PRIMARY KEY,
        source INTEGER NOT NULL REFERENCES sources,
        policy TEXT NOT NULL,
        root TEXT NOT NULL,
        UNIQUE (source, policy, root)
    );
    CREATE TABLE contents (
        digest BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        recipe TEXT NOT NULL,
        coding TEXT NOT NULL,
        stored_bytes INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE versions (
        source INTEGER NOT NULL REFERENCES sources,
        seq INTEGER NOT NULL,
        root INTEGER NOT NULL REFERENCES roots,
        path BLOB NOT NULL,
        kind TEXT NOT NULL,
        attributes BLOB NOT NULL,
        digest BLOB REFERENCES contents,
        size INTEGER NOT NULL,
        role TEXT NOT NULL,
        observed_ns INTEGER NOT NULL,
        received_ns INTEGER NOT NULL,
        PRIMARY KEY (source, seq)
    );
    CREATE INDEX versions_by_path ON versions (root, path, seq);
    CREATE INDEX versions_by_digest ON versions (digest, source) WHERE digest IS NOT NULL;
    CREATE TABLE totals (
        contents INTEGER NOT NULL,
        logical_bytes INTEGER NOT NULL,
        stored_bytes INTEGER NOT NULL
    );
    INSERT INTO totals VALUES (0, 0, 0);
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE sketches (
        source TEXT NOT NULL,
        digest BLOB NOT NULL,
        size INTEGER NOT NULL,
        features BLOB NOT NULL,
        n_features INTEGER NOT NULL,
        pixels INTEGER NOT NULL,
        n_metadata INTEGER NOT NULL,
        group_digest BLOB NOT NULL,
        offered_ns INTEGER NOT NULL,
        PRIMARY KEY (digest, source)
    );
    CREATE INDEX sketches_by_time ON sketches (offered_ns)
    """,
    """
    ALTER TABLE contents ADD COLUMN base BLOB REFERENCES contents;
    CREATE INDEX contents_by_base ON contents (base) WHERE base IS NOT NULL
    """,
    """
    CREATE TABLE announced (
        source INTEGER NOT NULL REFERENCES sources,
        seq INTEGER NOT NULL,
        root INTEGER NOT NULL REFERENCES roots,
        path BLOB NOT NULL,
        attributes BLOB NOT NULL,
        digest BLOB NOT NULL,
        size INTEGER NOT NULL,
        role TEXT NOT NULL,
        observed_ns INTEGER NOT NULL,
        announced_ns INTEGER NOT NULL,
        base BLOB NOT NULL REFERENCES contents,
        approximation BLOB NOT NULL,
        PRIMARY KEY (source, seq)
    );
    CREATE INDEX announced_by_path ON announced (root, path)
    """,
)
