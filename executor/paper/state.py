"""The exchange's memory on disk: what an answer says is in this file before the answer leaves.

One SQLite file. Accounts, orders and signers are rows of JSON, replaced when they change; fills and fundings are
appended. Orders go when the venue forgets them, fills beyond the reachable ones at the next start. A commit reaches
the operating system before ``save`` returns, so ``kill -9`` cannot lose it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints

from executor.errors import StateFileError
from executor.hyperliquid.limits import FILLS_REACHABLE, ORDERS_REMEMBERED
from executor.hyperliquid.meta import parse_meta
from executor.paper.gate import Agent, Gate
from executor.paper.model import Account, Json, Leverage, Order, Phase, Position, Pushes, State, open_markets

VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (user TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (oid INTEGER PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fills (seq INTEGER PRIMARY KEY, user TEXT NOT NULL, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fundings (seq INTEGER PRIMARY KEY, user TEXT NOT NULL, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS signers (signer TEXT PRIMARY KEY, nonces TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agents (address TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sub_accounts (address TEXT PRIMARY KEY, master TEXT NOT NULL);
"""

_FORGOTTEN_ORDERS = """
DELETE FROM orders WHERE oid IN (SELECT oid FROM (
    SELECT oid, done, row_number() OVER (PARTITION BY user ORDER BY done, oid DESC) AS place FROM (
        SELECT oid, json_extract(row, '$.user') AS user, json_extract(row, '$.phase') = 'done' AS done FROM orders
    )
) WHERE done AND place > ?)
"""
"""Live ones come first and stay, whatever their age, as in ``orders.create``."""

_FORGOTTEN_FILLS = """
DELETE FROM fills WHERE seq IN (SELECT seq FROM (
    SELECT seq, row_number() OVER (PARTITION BY user ORDER BY seq DESC) AS place FROM fills
) WHERE place > ?)
"""


_BUSY_MS = 200
"""How long a write waits for another program that holds the file; everybody waits with it, and it is tried again."""

_REMEDY = "name another file (paper.state, or --state), or move this one away: then accounts begin anew"


@contextmanager
def _named(path: Path | None) -> Iterator[None]:
    """Whatever is wrong with the file, in words: damage shows as any of these."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        text = f"{path} cannot be used as the paper exchange's state: {error}"
        raise StateFileError(text, _REMEDY) from error


def _text(value: object) -> str:
    return json.dumps(value, default=str, separators=(",", ":"))


_REVIVE: dict[object, Callable[[Any], Any]] = {
    Decimal: Decimal,
    Decimal | None: lambda v: None if v is None else Decimal(v),
    Phase: Phase,
    dict[str, Position]: lambda v: {k: revive(Position, p) for k, p in v.items()},
    dict[str, Leverage]: lambda v: {k: revive(Leverage, p) for k, p in v.items()},
    dict[str, Decimal]: lambda v: {k: Decimal(p) for k, p in v.items()},
}


def revive(kind: type[Any], row: Json) -> Any:
    """A dataclass from its JSON row: decimals were written as text."""
    return kind(**{name: read(row[name]) for name, read in _READERS[kind].items() if name in row})


def _readers(kind: type[Any]) -> dict[str, Callable[[Any], Any]]:
    hints = get_type_hints(kind)
    same = lambda value: value  # noqa: E731  # a one-word default, clearer than a def here
    return {f.name: _REVIVE.get(hints[f.name], same) for f in fields(kind)}


_READERS = {kind: _readers(kind) for kind in (Account, Agent, Leverage, Order, Position)}
"""How each field is read: to find out its type takes longer than to read a row."""


class StateFile:
    """Writes after each step, reads once at start. ``path`` None keeps everything in memory.

    Whatever hinders that raises ``StateFileError``; ``read_only`` works on a copy in memory.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self._path = path
        with _named(path):
            self._db = _copy(path) if read_only and path is not None else _writer(path)
            try:
                self._prepare()
                self._db.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        self._db.executescript(_SCHEMA)
        found = self.fact("version")
        if found not in (None, str(VERSION)):
            raise StateFileError(f"{self._path} has version {found}, this program writes {VERSION}", _REMEDY)
        self._set("version", str(VERSION))
        self._db.execute(_FORGOTTEN_ORDERS, (ORDERS_REMEMBERED,))
        self._db.execute(_FORGOTTEN_FILLS, (FILLS_REACHABLE,))

    @property
    def name(self) -> str:
        """What to call it to a person."""
        return "its memory" if self._path is None else str(self._path)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def fact(self, name: str) -> str | None:
        """One remembered value."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def save(self, state: State, changed: Pushes, gate: Gate) -> None:
        """Everything one step changed, in one transaction."""
        with self._transaction():
            self._write(state, changed, gate)
        gate.touched.clear()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing. One that was left open would fail every later one."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _write(self, state: State, changed: Pushes, gate: Gate) -> None:
        users = [(u, _text(asdict(state.accounts[u]))) for u in changed.users if u in state.accounts]
        self._db.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?)", users)
        orders = [(oid, _text(asdict(order))) for oid, order in changed.orders.items()]
        self._db.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", orders)
        self._db.executemany("DELETE FROM orders WHERE oid = ?", [(oid,) for oid in changed.retired])
        self._db.executemany("INSERT INTO fills (user, row) VALUES (?, ?)", _rows(changed.fills.items()))
        added = {user: state.fundings[user][-len(rows) :] for user, rows in changed.fundings.items()}
        self._db.executemany("INSERT INTO fundings (user, row) VALUES (?, ?)", _rows(added.items()))
        signers = [(s, _text(gate.nonces.get(s, []))) for s in gate.touched]
        self._db.executemany("INSERT OR REPLACE INTO signers VALUES (?, ?)", signers)
        for name in _COUNTERS:
            self._set(name, str(getattr(state, name)))

    def save_agents(self, gate: Gate) -> None:
        """Agents and sub-accounts, whole: they change seldom."""
        agents = [(address, _text(asdict(agent))) for address, agent in gate.agents.items()]
        with self._transaction():
            self._db.execute("DELETE FROM agents")
            self._db.executemany("INSERT INTO agents VALUES (?, ?)", agents)
            self._db.executemany("INSERT OR REPLACE INTO sub_accounts VALUES (?, ?)", list(gate.sub_accounts.items()))

    def load(self, state: State, gate: Gate) -> None:
        """Brings a fresh exchange back to where the file left it.

        What is open on a coin that is not listed is an error; an order of it that is over stays in the file alone.
        """
        with _named(self._path):
            self._load(state, gate)

    def _load(self, state: State, gate: Gate) -> None:
        for user, row in self._db.execute("SELECT user, row FROM accounts"):
            state.accounts[user] = revive(Account, json.loads(row))
        for (row,) in self._db.execute("SELECT row FROM orders ORDER BY oid"):
            _restore_order(state, revive(Order, json.loads(row)))
        self._check_listed(state)
        for user, row in self._db.execute("SELECT user, row FROM fills ORDER BY seq"):
            state.fills[user].append(json.loads(row))
        for user, row in self._db.execute("SELECT user, row FROM fundings ORDER BY seq"):
            state.fundings[user].append(json.loads(row))
        for signer, nonces in self._db.execute("SELECT signer, nonces FROM signers"):
            gate.nonces[signer] = json.loads(nonces)
        for address, row in self._db.execute("SELECT address, row FROM agents"):
            gate.agents[address] = revive(Agent, json.loads(row))
        gate.sub_accounts.update(self._db.execute("SELECT address, master FROM sub_accounts").fetchall())
        for name, kind in _COUNTERS.items():
            found = self.fact(name)
            if found is not None:
                setattr(state, name, kind(found))

    def _check_listed(self, state: State) -> None:
        """Nothing is held, and nothing waits, where there is no market."""
        held = {coin for account in state.accounts.values() for coin in account.positions}
        held |= {order.coin for order in state.orders.values() if order.live}
        unlisted = ", ".join(sorted(held - state.markets.keys()))
        if unlisted:
            text = f"{self._path} has positions or open orders of {unlisted}, which this market feed does not list"
            raise StateFileError(text, f"go on with the feed it was made with, or {_REMEDY}")


def usable(path: Path, meta: Json) -> None:
    """Raises ``StateFileError`` where an exchange of these markets could not go on from this file.

    Changes nothing; beside a file in use, or not ended cleanly, SQLite may put its index (``-shm``) of what lies there.
    """
    file = StateFile(path, read_only=True)
    try:
        file.load(State(open_markets(parse_meta(meta))), Gate())
    finally:
        file.close()


def _writer(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _copy(path: Path) -> sqlite3.Connection:
    """The file in memory. Where no log lies beside it nobody writes it, and reading it needs no file of its own."""
    real = path.resolve()
    idle = "" if real.with_name(f"{real.name}-wal").exists() else "&immutable=1"
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with closing(sqlite3.connect(f"{real.as_uri()}?mode=ro{idle}", uri=True)) as file:
            file.backup(db)
    except BaseException:
        db.close()
        raise
    return db


_COUNTERS: dict[str, Callable[[str], Any]] = {
    "next_oid": int,
    "next_external": int,
    "last_funding_hour": int,
    "insurance_usd": Decimal,
    "now_ms": int,
}


def _rows(items: Iterable[tuple[str, list[Json]]]) -> list[tuple[str, str]]:
    return [(user, _text(row)) for user, rows in items for row in rows]


def _restore_order(state: State, order: Order) -> None:
    if order.coin not in state.markets and not order.live:
        return
    state.orders[order.oid] = order
    state.history[order.user][order.oid] = order
    if order.phase is Phase.BOOK and order.coin in state.markets:
        state.markets[order.coin].book.add(order)
    if order.phase is Phase.ARMED:
        state.armed[order.coin][order.oid] = order
