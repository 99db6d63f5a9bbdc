"""What the log is looked up by: the rows each event adds to the index tables, and the batch that writes them.

Everything here follows from the events alone (migrations/001_initial.sql says what each table is for), so it may lag
behind the log and be caught up at any time, by the writer in the file and by a reader in its own memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from executor.core import events as ev
from executor.ledger.codec import clean

TABLES = ("keys", "nonces", "actions", "legs", "sends", "touched", "latest")
"""Every table of the index."""

Row = tuple[object, ...]
Rows = Iterator[tuple[str, Row]]

STATEMENTS = {
    "keys": "INSERT OR IGNORE INTO keys VALUES (?, ?, ?)",
    "nonces": "INSERT INTO nonces VALUES (?, ?) ON CONFLICT (signer) DO UPDATE SET last = max(last, excluded.last)",
    "actions": "INSERT INTO actions VALUES (?, ?, ?, ?)",
    "legs": "INSERT INTO legs VALUES (?, ?, ?, ?, ?)",
    "sends": "INSERT OR IGNORE INTO sends VALUES (?, ?)",
    "touched": "INSERT OR IGNORE INTO touched VALUES (?, ?)",
    "by_cloid": "INSERT OR IGNORE INTO touched SELECT key, ? FROM all_legs WHERE cloid = ? AND key IS NOT NULL",
    "by_request": "INSERT OR IGNORE INTO touched SELECT l.key, ? FROM all_sends s JOIN all_legs l USING (cloid)"
    " WHERE s.request_id = ? AND l.key IS NOT NULL",
    "latest": "INSERT INTO latest VALUES (?, ?, ?, ?)"
    " ON CONFLICT (kind, account, part) DO UPDATE SET seq = max(seq, excluded.seq)",
}
"""In the order they must run: what looks up comes after what it looks up."""


def write_index(db: sqlite3.Connection, first_seq: int, events: Iterable[ev.Event]) -> None:
    """Add these consecutive events to the index, inside the caller's transaction."""
    batches: dict[str, list[Row]] = {name: [] for name in STATEMENTS}
    for seq, event in enumerate(events, first_seq):
        for name, row in rows_of(seq, event):
            batches[name].append(row)
    for name, rows in batches.items():
        if rows:
            db.executemany(STATEMENTS[name], rows)


def rows_of(seq: int, event: ev.Event) -> Rows:
    """The rows one event adds, each with the statement that takes it."""
    cloid = getattr(event, "cloid", None)
    if event.key is not None:
        yield "touched", (pack_key(event.key), seq)
    elif cloid is not None:
        yield "by_cloid", (seq, cloid)
    special = _SPECIAL.get(type(event))
    if special is not None:
        yield from special(seq, event)


def pack_key(key: str) -> bytes | str:
    """A key of 32 hex digits as its 16 bytes; any other text as it is."""
    try:
        packed = bytes.fromhex(key)
    except ValueError:
        return clean(key)
    return packed if len(packed) == 16 and packed.hex() == key else key


def unpack_key(packed: bytes | str) -> str:
    """The key as text again."""
    return packed if isinstance(packed, str) else packed.hex()


def _received(seq: int, event: ev.ActionReceived) -> Rows:
    if event.key is not None:
        packed = pack_key(event.key)
        yield "keys", (packed, clean(event.fingerprint), event.received_at_ms)
        yield "actions", (seq, packed, clean(event.action_id), event.frame_id)


def _duplicate(seq: int, event: ev.DuplicateSeen) -> Rows:
    """A suspected one's own key: told again after its twin is forgotten, it must not become an action.

    Its own id finds it, but never before an action of that id; and it belongs to the action that counts, too.
    """
    if event.key is not None and event.fingerprint:
        yield "keys", (pack_key(event.key), clean(event.fingerprint), event.at_ms)
    if event.action_id:
        yield "actions", (seq, None, clean(event.action_id), event.frame_id)
    if event.twin:
        yield "touched", (pack_key(event.twin), seq)


def _frame_refused(seq: int, event: ev.FrameRefused) -> Rows:
    if event.action_id:
        yield "actions", (seq, None, clean(event.action_id), event.frame_id)


def _planned(seq: int, event: ev.LegPlanned) -> Rows:
    yield "legs", (seq, event.cloid, event.key and pack_key(event.key), event.account, event.coin)


def _send_started(seq: int, event: ev.SendStarted) -> Rows:
    yield "nonces", (event.signer.lower(), event.nonce)
    for cloid in event.cloids:
        yield "sends", (event.request_id, cloid)
        yield "by_cloid", (seq, cloid)


def _request_closed(seq: int, event: ev.RequestClosed) -> Rows:
    yield "by_request", (seq, event.request_id)


def _replacing(seq: int, event: ev.Event) -> Rows:
    yield "latest", (type(event).__name__, event.account or "", _part(event), seq)


def _part(event: ev.Event) -> str:
    """What an event replaces an older one about: its coin, breaker or channel; empty for the whole account."""
    if isinstance(event, ev.SourceChanged):
        return f"{event.source}/{event.channel}"
    if isinstance(event, ev.StrategyFailed):
        return event.via
    if isinstance(event, ev.AccountRead):
        return "partial" if event.skipped else ""
    return str(getattr(event, "coin", "") or getattr(event, "rule", ""))


_SPECIAL: dict[type[ev.Event], Callable[[int, Any], Rows]] = {
    ev.ActionReceived: _received,
    ev.DuplicateSeen: _duplicate,
    ev.FrameRefused: _frame_refused,
    ev.LegPlanned: _planned,
    ev.SendStarted: _send_started,
    ev.RequestClosed: _request_closed,
    ev.ProcessStarted: _replacing,
    ev.ProcessStopped: _replacing,
    ev.SourceChanged: _replacing,
    ev.AccountRead: _replacing,
    ev.OrdersRead: _replacing,
    ev.PositionAdopted: _replacing,
    ev.ProtectionChanged: _replacing,
    ev.Reconciled: _replacing,
    ev.ReconcileFailed: _replacing,
    ev.Paused: _replacing,
    ev.Resumed: _replacing,
    ev.FlattenStarted: _replacing,
    ev.FlattenDone: _replacing,
    ev.BreakerLatched: _replacing,
    ev.BreakerReset: _replacing,
    ev.StrategyFailed: _replacing,
}
