"""What the record says, for people and programs: the answers behind the command line and the HTTP API.

A reader has a read-only connection of its own: it works while a worker writes and when none runs, and never makes the
worker wait. Each answer is one consistent moment of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from executor.clock import Clock, SystemClock
from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import PositionFact
from executor.core.state import DeskState
from executor.core.types import Outcome
from executor.errors import LedgerError
from executor.ledger.explain import explain_action, explain_duplicate, explain_own, explain_refused
from executor.ledger.index import unpack_key
from executor.ledger.log import to_stored
from executor.ledger.lookup import Lookup
from executor.ledger.outcomes import ActionOutcome, outcome_of
from executor.ledger.positions import Told, agent_views, position_views
from executor.ledger.stamp import Stamp
from executor.ledger.status import account_status, ledger_status
from executor.ledger.unresolved import unresolved_view
from executor.ledger.views import Document, action_view, event_view, frame_view, order_view
from executor.ports import Frame
from executor.snapshots import desk_of

_PAGE = 64
_FRAMES_LOOKED_AT = 2_000_000
_LEGS_DOUBTED = 100
"""How many of an account's newest orders ``status`` searches for those nobody knows of: it takes seconds."""

_MOST = 2**63 - 1
"""The highest number SQLite can be asked with."""

_SINCE = "SELECT seq, kind, body FROM events WHERE seq > ? AND (account = ? OR account IS NULL) ORDER BY seq"
_SNAPSHOT = "SELECT seq, document FROM snapshots WHERE name = ? ORDER BY seq DESC, id DESC LIMIT 1"


class LedgerReader:
    """Opens the ledger at ``path`` for reading; raises ``LedgerError`` when there is none that can be read.

    Every answer is a dict ready for JSON. Lists come newest first, at most ``limit`` rows; ``account`` leaves the
    others out.
    """

    def __init__(self, path: Path | str, *, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._clock = clock or SystemClock()
        self._look = Lookup(self._path)

    def close(self) -> None:
        """Release the file."""
        self._look.close()

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- answers --------------------------------------------------------------------------------------------

    def status(self) -> Document:
        """Whose ledger it is, what the worker last said of itself, and how each account stands."""
        with self._look.moment():
            meta = dict(self._look.rows("SELECT name, value FROM meta"))
            latest = self._look.latest()
            ends = self._look.one("SELECT (SELECT max(seq) FROM events), (SELECT max(id) FROM frames)")
            addresses = Stamp.of(meta).addresses if "mode" in meta else {}
            names = sorted({account for _, account, _ in latest if account} | set(addresses))
            accounts = [
                {**account_status(name, addresses.get(name), latest), "unresolved": self._unresolved(name)}
                for name in names
            ]
            return {**ledger_status(str(self._path), meta, ends[0] or 0, ends[1] or 0, latest), "accounts": accounts}

    def actions(self, limit: int = 50, account: str | None = None) -> Document:
        """One row per action and account, with its outcome and legs (contract.md, ``actions --json``)."""
        with self._look.moment():
            return {"actions": list(islice(self._action_rows(account), _countable(limit)))}

    def orders(self, limit: int = 50, account: str | None = None) -> Document:
        """One row per leg."""
        with self._look.moment():
            return {"orders": list(islice(self._order_rows(account), _countable(limit)))}

    def positions(self, account: str | None = None) -> Document:
        """Open positions by the newest read of each account, carried on by what came since."""
        with self._look.moment():
            now_ms = self._clock.now_ms()
            desks = [(self._state(name), told) for name, told in self._read(account).items()]
            return {"positions": [row for state, told in desks for row in position_views(state, told, now_ms)]}

    def agents(self, account: str | None = None) -> Document:
        """What each agent and strategy holds and brought, by account and coin, since the ledger began."""
        with self._look.moment():
            desks = [(self._state(name), told) for name, told in self._read(account).items()]
            return {"agents": [row for state, told in desks for row in agent_views(state, told)]}

    def journal(self, limit: int = 50, account: str | None = None, kind: str | None = None) -> Document:
        """Events as they were recorded, newest first."""
        query = (
            "SELECT seq, kind, body FROM events WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR kind = ?2)"
            " ORDER BY seq DESC LIMIT ?3"
        )
        with self._look.guard:
            rows = self._look.rows(query, account, kind, _countable(limit))
            return {"journal": [event_view(*row) for row in rows]}

    def events(self, after: int = 0, limit: int = 1000) -> Document:
        """Events after a seq, oldest first, and the newest seq there is: ask again with the last one you got."""
        with self._look.guard:
            query = "SELECT seq, kind, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
            rows = [event_view(*row) for row in self._look.rows(query, _countable(after), _countable(limit))]
            return {"events": rows, "last_seq": self._look.one("SELECT coalesce(max(seq), 0) FROM events")[0]}

    def history(self, kinds: Sequence[str], account: str, before: int | None = None, limit: int = 500) -> Document:
        """Events of these kinds that concern the account, newest first, below a seq; and the newest seq there is."""
        marks = ", ".join("?" * len(kinds))
        query = (
            f"SELECT seq, kind, body FROM events WHERE kind IN ({marks}) AND (account = ? OR account IS NULL)"  # noqa: S608 - question marks alone
            " AND seq < ? ORDER BY seq DESC LIMIT ?"
        )
        with self._look.guard:
            last = self._look.one("SELECT coalesce(max(seq), 0) FROM events")[0]
            values = (*kinds, account, last + 1 if before is None else _countable(before), _countable(limit))
            return {"events": [event_view(*row) for row in self._look.rows(query, *values)], "last_seq": last}

    def equity(self, after: int, until: int) -> list[tuple[str, int, str]]:
        """(account, time in ms, equity in USD) of every read of an account after one seq and up to another."""
        query = (
            "SELECT account, json_extract(body, '$.at_ms'), json_extract(body, '$.fact.equity_usd') FROM events"
            " WHERE seq > ? AND seq <= ? AND kind = 'AccountRead' ORDER BY seq"
        )
        with self._look.guard:
            return [(name, at_ms, str(equity)) for name, at_ms, equity in self._look.rows(query, after, until)]

    def frames(self, after: int = 0) -> Iterator[Document]:
        """The journal's raw frames in order, in the format ``replay`` reads."""
        query = "SELECT id, received_at_ms, source, channel, data FROM frames WHERE id > ? ORDER BY id LIMIT ?"
        while True:
            with self._look.guard:
                page = list(self._look.rows(query, _countable(after), _PAGE))
            yield from map(frame_view, page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def frames_of(self, source: str) -> Iterator[Frame]:
        """One source's raw frames, newest first, as far back as ``_FRAMES_LOOKED_AT`` frames of all sources."""
        query = (
            "SELECT id, received_at_ms, source, channel, data FROM frames WHERE source = ? AND id < ? AND id > ?"
            " ORDER BY id DESC LIMIT ?"
        )
        with self._look.guard:
            newest = self._look.one("SELECT coalesce(max(id), 0) FROM frames")[0]
        before, end = newest + 1, newest - _FRAMES_LOOKED_AT
        while True:
            with self._look.guard:
                page = list(self._look.rows(query, source, before, end, _PAGE))
            yield from (Frame(*row[1:]) for row in page)
            if len(page) < _PAGE:
                return
            before = page[-1][0]

    def explain(self, action_id: str) -> Document | None:
        """Every step of one action, by the sender's id, its key or an order's cloid; ``None`` when none is known.

        When an id came from several systems the newest is explained. What the program did by itself has a name, too
        (``flatten:BTC``): all it ever did by that.
        """
        with self._look.moment():
            key = self._look.planned_for(action_id)
            return self._explain(action_id) or (None if key is None else self._explain(key))

    def _explain(self, action_id: str) -> Document | None:
        found = self._look.find(action_id)
        if found is None:
            own = self._look.story(action_id)
            planned = any(isinstance(item.event, ev.LegPlanned) for item in own)
            return explain_own(action_id, own, self._clock.now_ms()) if planned else None
        if isinstance(found.event, ev.FrameRefused):
            return explain_refused(found.event, self._look.frames_of([found]))
        stored = self._look.story(found.event.key or "")
        received = found.event
        if isinstance(received, ev.DuplicateSeen):
            return explain_duplicate(received, self._id_of(received.twin), stored, self._look.frames_of(stored))
        if not isinstance(received, ev.ActionReceived):
            raise LedgerError(f"event {found.seq} is not what the index says", "restore the ledger from a backup")
        return explain_action(received, stored, self._look.frames_of(stored), self._clock.now_ms())

    def _id_of(self, key: str) -> str:
        """The sender's id of the action of a key; empty where there is none."""
        found = self._look.find(key) if key else None
        return "" if found is None else str(getattr(found.event, "action_id", ""))

    # -- rows ---------------------------------------------------------------------------------------------------

    def _action_rows(self, account: str | None) -> Iterator[Document]:
        for (seq,) in self._look.rows("SELECT seq FROM all_actions WHERE key IS NOT NULL ORDER BY seq DESC"):
            received = self._look.event(seq).event
            if not isinstance(received, ev.ActionReceived) or received.key is None:
                continue
            names: list[str | None] = [name for name in received.accounts if account in (None, name)]
            if not received.accounts and account is None:
                names = [None]
            events = [item.event for item in self._look.story(received.key)] if names else []
            for name in names:
                yield action_view(received, name, outcome_of(name, events))

    def _order_rows(self, account: str | None) -> Iterator[Document]:
        query = "SELECT key, account, cloid FROM all_legs WHERE ?1 IS NULL OR account = ?1 ORDER BY seq DESC"
        seen: set[str] = set()
        folded: dict[tuple[str, str | None], tuple[str, ActionOutcome]] = {}
        for packed, name, cloid in self._look.rows(query, account):
            key = unpack_key(packed) if packed is not None else ""
            if (key, name) not in folded:
                folded[key, name] = self._outcome(key, name)
            action_id, outcome = folded[key, name]
            legs = [item for item in outcome.legs if item.leg.cloid == cloid and cloid not in seen]
            seen.add(cloid)
            yield from (order_view(item, name, action_id) for item in legs)

    def _unresolved(self, account: str) -> list[Document]:
        """Orders of the account whose outcome nobody knows; looked for among its newest."""
        query = "SELECT DISTINCT key FROM (SELECT key FROM all_legs WHERE account = ? ORDER BY seq DESC LIMIT ?)"
        now_ms, rows = self._clock.now_ms(), []
        for (packed,) in list(self._look.rows(query, account, _LEGS_DOUBTED)):
            action_id, outcome = self._outcome(unpack_key(packed) if packed is not None else "", account)
            legs = [item for item in outcome.legs if item.outcome is Outcome.UNKNOWN]
            rows += [unresolved_view(item, action_id, now_ms) for item in legs]
        return rows

    def _outcome(self, key: str, account: str | None) -> tuple[str, ActionOutcome]:
        events = [item.event for item in self._look.story(key)]
        ids = [event.action_id for event in events if isinstance(event, ev.ActionReceived)]
        return (ids[0] if ids else key), outcome_of(account, events)

    def _read(self, account: str | None) -> dict[str, Told]:
        """The accounts that were ever read, by name, with what the venue last told of each of their coins."""
        reads = [
            item.event
            for (kind, name, _), item in self._look.latest().items()
            if kind == "AccountRead" and account in (None, name)
        ]
        told: dict[str, dict[str, PositionFact]] = {}
        for event in sorted(reads, key=lambda event: event.at_ms):
            if isinstance(event, ev.AccountRead):
                told[event.account or ""] = {fact.coin: fact for fact in event.fact.positions if fact.size != 0}
        return dict(sorted(told.items()))

    def _state(self, account: str) -> DeskState:
        """The account's state as its desk has it: the newest snapshot, and the events after it."""
        found = self._look.one(_SNAPSHOT, f"desk:{account}")
        kept = None if found is None else desk_of(found[1])
        state, after = (DeskState(account=account), 0) if found is None or kept is None else (kept, found[0])
        for row in self._look.rows(_SINCE, after, account):  # one by one: without a snapshot it is all of history
            evolve(state, to_stored(row).event)
        return state


def _countable(number: int) -> int:
    """A number of rows, or of one, as SQLite takes it: what lies beyond all rows is none."""
    return min(max(number, 0), _MOST)
