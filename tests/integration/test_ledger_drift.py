"""What the record says of orders nobody knows of, and of reads that lack something: as status and explain show it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from story import T0, Story

from executor.cli import story as telling
from executor.cli import tables
from executor.clock import iso
from executor.core import events as ev
from executor.core.settings import ABSENT_MARGIN_MS
from executor.ledger.reader import LedgerReader
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp

D = Decimal


class AtT0:
    def now_ms(self) -> int:
        return T0

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[Path, SqliteLedger]]:
    one = SqliteLedger(tmp_path / "l.db", stamp=Stamp("live", "testnet", {"main": "0x" + "a" * 40}), now_ms=T0)
    yield tmp_path / "l.db", one
    one.close()


def read(ledger: tuple[Path, SqliteLedger], events: list[ev.Event], ask: str, *args: Any) -> Any:
    path, writer = ledger
    writer.commit([], events)
    with LedgerReader(path, clock=AtT0()) as reader:
        return getattr(reader, ask)(*args)


def shown(parts: list[Any]) -> str:
    console = Console(width=250, record=True, file=None, force_terminal=False)
    with console.capture() as said:
        for part in parts:
            console.print(part)
    return said.get()


def unknown_entry() -> Story:
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    return s


def test_status_shows_an_unresolved_order_with_its_deadlines(ledger):
    document = read(ledger, unknown_entry().events, "status")
    [account] = document["accounts"]
    [row] = account["unresolved"]
    absent_from = iso(T0 + 10_000 + ABSENT_MARGIN_MS)
    assert (row["action_id"], row["leg"], row["symbol"], row["reason"]) == ("id-1", "entry", "BTC", "NO_ANSWER")
    assert (row["sent_again_until"], row["absent_from"]) == (iso(T0 + 8_000), absent_from)
    assert row["next_try_by"] == iso(T0 + 1_000)
    text = shown(tables.status(document))
    assert "nobody knows the outcome of" in text
    assert "absent if not found by" in text


def test_status_shows_nothing_once_it_is_resolved(ledger):
    s = unknown_entry()
    s.resolve("entry", "filled")
    document = read(ledger, s.events, "status")
    assert document["accounts"][0]["unresolved"] == []
    assert "nobody knows the outcome of" not in shown(tables.status(document))


def test_explain_shows_an_unresolved_order_with_its_deadlines(ledger, capsys):
    document = read(ledger, unknown_entry().events, "explain", "id-1")
    [leg] = document["accounts"][0]["legs"]
    assert leg["unresolved"]["absent_from"] == iso(T0 + 10_000 + ABSENT_MARGIN_MS)
    telling.tell(document, Console(width=200, force_terminal=False))
    assert "absent if not found by" in capsys.readouterr().out


def test_explain_shows_each_difference_of_an_action_with_its_class(ledger):
    s = unknown_entry()
    leg = next(iter(s.state.legs.values()))
    difference = ev.DifferenceFound(
        at_ms=T0, account="main", key=leg.key, coin="BTC", cause="expired", ours="1", venue="0"
    )
    document = read(ledger, [*s.events, difference], "explain", "id-1")
    [step] = [one for one in document["accounts"][0]["follow_ups"] if one["kind"] == "DifferenceFound"]
    assert step["data"]["cause"] == "expired"
    with LedgerReader(ledger[0]) as reader:
        [row] = reader.journal(kind="DifferenceFound")["journal"]
    assert row["data"]["cause"] == "expired"


def test_status_says_what_of_an_account_could_not_be_read(ledger):
    start = ev.ProcessStarted(at_ms=T0, clean=True, version="1", mode="live")
    failed = ev.ReconcileFailed(at_ms=T0, account="main", missing=("fills", "positions"), text="fills: timeout")
    document = read(ledger, [start, failed], "status")
    [account] = document["accounts"]
    assert (account["reconciled"], account["missing"]) == (False, ["fills", "positions"])
    assert account["missing_why"] == "fills: timeout"
    assert "not read: fills, positions" in shown(tables.status(document))
    again = read(ledger, [ev.Reconciled(at_ms=T0, account="main", why="start")], "status")["accounts"][0]
    assert (again["reconciled"], again["missing"], again["missing_why"]) == (True, [], None)
    restarted = read(ledger, [start], "status")["accounts"][0]
    assert (restarted["reconciled"], restarted["missing"]) == (False, [])
