"""The journal's schema as a list of upgrades; number n takes a file from schema n to n + 1. Never edit one: append."""

from __future__ import annotations

UPGRADES = (
    """
    -- the watched directories; the device tells an unmounted root from an emptied one
    CREATE TABLE root (
        id      INTEGER PRIMARY KEY,
        policy  TEXT NOT NULL,
        name    TEXT NOT NULL,
        device  INTEGER NOT NULL DEFAULT 0,
        UNIQUE (policy, name)
    );
    -- every version ever seen here, and its delivery's state
    CREATE TABLE version (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        root        INTEGER NOT NULL REFERENCES root (id),
        path        BLOB NOT NULL,
        kind        TEXT NOT NULL,
        attributes  BLOB NOT NULL,
        digest      BLOB,
        size        INTEGER NOT NULL,
        observed_ns INTEGER NOT NULL,
        role        TEXT NOT NULL,
        state       TEXT NOT NULL,
        reason      TEXT NOT NULL DEFAULT '',
        pinned      INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX version_undelivered ON version (state, seq) WHERE state <> 'replicated';
    CREATE INDEX version_by_digest ON version (digest) WHERE digest IS NOT NULL;
    -- what stands at each path, as far as journalled: what a rescan compares with
    CREATE TABLE entry (
        root      INTEGER NOT NULL REFERENCES root (id),
        directory BLOB NOT NULL,
        name      BLOB NOT NULL,
        signature BLOB NOT NULL,  -- packed stat fields; empty where the file may have changed since in the same clock tick
        seq       INTEGER NOT NULL REFERENCES version (seq),
        PRIMARY KEY (root, directory, name)
    ) WITHOUT ROWID;
    -- paths that need a look
    CREATE TABLE dirty (
        root      INTEGER NOT NULL REFERENCES root (id),
        path      BLOB NOT NULL,
        PRIMARY KEY (root, path)
    ) WITHOUT ROWID;
    -- paths that could not be read, with the reason, until they can
    CREATE TABLE unreadable (
        root      INTEGER NOT NULL REFERENCES root (id),
        path      BLOB NOT NULL,
        reason    TEXT NOT NULL,
        PRIMARY KEY (root, path)
    ) WITHOUT ROWID;
    -- contents that the destination gave a receipt for
    CREATE TABLE durable_content (digest BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
    """,
    """
    -- deliveries are fed in the order in which they became QUEUED, which is not that of their numbers any more
    ALTER TABLE version ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;
    UPDATE version SET ready = seq;
    CREATE INDEX version_by_ready ON version (ready);
    -- near-duplicates of one another, and the picture that stands for them
    CREATE TABLE picture_group (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        representative BLOB NOT NULL,
        is_pinned      INTEGER NOT NULL DEFAULT 0,  -- the user chose the representative
        is_confirmed   INTEGER NOT NULL DEFAULT 0,  -- the user said that these pictures belong together
        review_until_ns INTEGER NOT NULL DEFAULT 0  -- until then the user may choose, and nothing of it is sent
    );
    CREATE INDEX picture_group_in_review ON picture_group (review_until_ns) WHERE review_until_ns > 0;
    -- every content that was looked at as a picture, in the order in which it was placed
    CREATE TABLE picture (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        digest       BLOB NOT NULL UNIQUE,
        of_group     INTEGER NOT NULL REFERENCES picture_group (id),
        role         TEXT NOT NULL,
        n_features   INTEGER NOT NULL,
        pixels       INTEGER NOT NULL,
        n_metadata   INTEGER NOT NULL,
        n_bytes      INTEGER NOT NULL,
        moment       BLOB NOT NULL,
        has_features INTEGER NOT NULL,
        base         BLOB,
        bond         TEXT NOT NULL,
        witness      BLOB,
        likeness     BLOB
    );
    CREATE INDEX picture_by_group ON picture (of_group);
    CREATE INDEX picture_by_moment ON picture (moment) WHERE moment <> x'';
    -- what the destination found like a picture of ours, and holds
    CREATE TABLE found_match (
        digest  BLOB NOT NULL,
        match   BLOB NOT NULL,
        size    INTEGER NOT NULL,
        sd      REAL NOT NULL,
        inliers INTEGER NOT NULL,
        PRIMARY KEY (digest, match)
    ) WITHOUT ROWID;
    -- contents that look like pictures and cannot be looked at, with the reason: they go as plain bytes
    CREATE TABLE unseen (digest BLOB PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID
    """,
    """
    -- what members wait for: a delta over a content that the destination holds whole, made here and kept until it is stored there
    CREATE TABLE delta (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        target  BLOB NOT NULL,
        state   TEXT NOT NULL,
        reason  TEXT NOT NULL DEFAULT '',
        base    BLOB,                        -- since it is encoded; so all that follows
        method  TEXT NOT NULL DEFAULT '',
        n_bytes INTEGER NOT NULL DEFAULT 0,
        digest  BLOB                         -- of the delta's own bytes
    );
    CREATE UNIQUE INDEX delta_live ON delta (target) WHERE state IN ('waiting', 'due', 'encoded');
    CREATE INDEX delta_by_target ON delta (target, state);
    INSERT INTO delta (target, state) SELECT DISTINCT digest, 'waiting' FROM version v WHERE state = 'deferred'
        AND NOT EXISTS (SELECT 1 FROM durable_content d WHERE d.digest = v.digest)
    """,
    """
    -- what is said of a member as soon as its base is known, and whether it was said
    ALTER TABLE delta ADD COLUMN approximation BLOB;
    ALTER TABLE delta ADD COLUMN rough_base BLOB;    -- what the approximation is made from
    ALTER TABLE delta ADD COLUMN announced INTEGER NOT NULL DEFAULT 0
    """,
    """
    -- what is still to be made, said or sent is looked for often, among all that ever was
    CREATE INDEX delta_by_state ON delta (state, id)
    """,
)
