-- The log: two append-only tables. Everything after them can be rebuilt from them.

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY,    -- 1, 2, 3, ... without a gap
    account TEXT,                   -- NULL for what concerns no single account
    kind    TEXT NOT NULL,          -- the event's class name
    body    TEXT NOT NULL           -- the whole event as JSON
);

CREATE TABLE frames (
    id             INTEGER PRIMARY KEY,
    received_at_ms INTEGER NOT NULL,
    source         TEXT NOT NULL,
    channel        TEXT NOT NULL,
    data           NOT NULL         -- TEXT, or BLOB for a binary frame
);

CREATE TRIGGER events_stay  BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_keep  BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER frames_stay  BEFORE UPDATE ON frames BEGIN SELECT RAISE(ABORT, 'frames are append-only'); END;
CREATE TRIGGER frames_keep  BEFORE DELETE ON frames BEGIN SELECT RAISE(ABORT, 'frames are append-only'); END;

-- schema version: PRAGMA user_version. Here: mode, network, addresses, created_at_ms, clean, indexed,
-- tended (when the WAL was last moved over).
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Folded states, the newest two of each name.
CREATE TABLE snapshots (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE INDEX snapshots_name ON snapshots (name, seq);

-- The index of the log, complete up to meta.indexed. Brought up to date in batches, because every table touched
-- costs a commit another page; the few events after meta.indexed are indexed in memory by whoever opens the file.
-- Keys of actions are 16 bytes (TEXT where they are not 32 hex digits).

-- Every action that ever came: what deduplication asks. Slim, so that it stays in memory.
CREATE TABLE keys (
    key            BLOB PRIMARY KEY,
    fingerprint    TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- The highest nonce each signer ever used.
CREATE TABLE nonces (signer TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;

-- ActionReceived by seq; also the FrameRefused that name an action (key NULL).
CREATE TABLE actions (seq INTEGER PRIMARY KEY, key BLOB, action_id TEXT NOT NULL, frame_id INTEGER);
CREATE INDEX actions_id ON actions (action_id);

-- LegPlanned by seq.
CREATE TABLE legs (seq INTEGER PRIMARY KEY, cloid TEXT NOT NULL, key BLOB, account TEXT, coin TEXT NOT NULL);
CREATE INDEX legs_cloid ON legs (cloid);
CREATE INDEX legs_coin ON legs (account, coin);

-- Which orders a request carried.
CREATE TABLE sends (request_id TEXT, cloid TEXT, PRIMARY KEY (request_id, cloid)) WITHOUT ROWID;

-- Every event that belongs to an action: by its own key, or by its order, or by the request its order was in.
CREATE TABLE touched (key BLOB, seq INTEGER, PRIMARY KEY (key, seq)) WITHOUT ROWID;

-- The newest event of the kinds that replace one another, per account and part of it (coin, breaker, channel);
-- '' for no single one.
CREATE TABLE latest (kind TEXT, account TEXT, part TEXT, seq INTEGER NOT NULL, PRIMARY KEY (kind, account, part))
WITHOUT ROWID;

-- What the indexer looks up. A reader's connection shadows these with views that add its own tail (reader.py).
CREATE VIEW all_actions AS SELECT * FROM actions;
CREATE VIEW all_legs AS SELECT * FROM legs;
CREATE VIEW all_sends AS SELECT * FROM sends;
CREATE VIEW all_touched AS SELECT * FROM touched;
CREATE VIEW all_latest AS SELECT * FROM latest;
