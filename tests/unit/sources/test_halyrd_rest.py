"""Halyrd's lists told as the frames its socket would have carried; what cannot be told is counted, not guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core.source_events import Origin, SourceTrade
from executor.core.types import Side
from executor.sources.halyrd_rest import MAX_ROWS, blocks, journal, snapshots, status, trades
from executor.sources.halyrd_wire import decode
from executor.sources.strict_json import text_of

ORIGIN = Origin("halyrd", "mine", "agent:current", 5)
ROW = {"ts": "2026-05-04T10:00:00Z", "pair": "LINK/USDT", "size": Decimal("82.5"), "price": 18, "pnl": 2.5}


def events(told: Any) -> list[Any]:
    return [decode(text_of(frame), ORIGIN) for frame in told.frames]


@pytest.mark.parametrize("body", [[ROW], {"items": [ROW], "total": 1}, {"trades": [ROW]}])
def test_a_closed_trade_without_a_side_is_the_sell_that_closed_it(body: object) -> None:
    (event,) = events(trades(body))
    assert isinstance(event, SourceTrade)
    assert (event.side, event.reduce_only, event.quote_size) == (Side.SELL, True, Decimal("82.5"))


def test_a_row_that_says_its_side_and_reference_is_taken_as_it_is() -> None:
    (event,) = events(trades([{**ROW, "side": "buy", "pnl": None, "journal_ref": "jrn_1"}]))
    assert (event.side, event.ref, event.pnl_usd) == (Side.BUY, "jrn_1", None)


@pytest.mark.parametrize("side", ["buy", "BUY", "long"])
def test_a_closed_trade_told_by_the_side_it_began_with_opens_nothing(side: str) -> None:
    (event,) = events(trades([{**ROW, "side": side, "journal_ref": "jrn_1"}]))
    assert (event.side, event.reduce_only, event.ref) == (Side.SELL, True, None)
    (sold,) = events(trades([{**ROW, "side": "sell", "journal_ref": "jrn_2"}]))
    assert (sold.side, sold.ref) == (Side.SELL, "jrn_2")
    (cover,) = events(trades([{**ROW, "side": "buy", "reduce_only": True, "journal_ref": "jrn_3"}]))
    assert (cover.side, cover.reduce_only, cover.ref) == (Side.BUY, True, "jrn_3")


@pytest.mark.parametrize("column", ["pair", "size", "pnl"])
def test_a_row_that_does_not_say_enough_is_left_out_and_counted(column: str) -> None:
    told = trades([{key: value for key, value in ROW.items() if key != column}])
    assert (told.frames, told.untold) == ((), 1)


def test_an_own_id_is_not_taken_for_the_journals() -> None:
    (event,) = events(trades([{**ROW, "id": "trd_1"}]))
    assert event.ref is None


def test_rows_are_told_in_the_order_of_their_times_and_only_the_newest() -> None:
    rows = [{**ROW, "ts": f"2026-05-04T10:{n // 60 % 60:02}:{n % 60:02}Z", "price": n + 1} for n in range(MAX_ROWS + 3)]
    told = trades(list(reversed(rows))).frames
    assert (len(told), told[0]["price"], told[-1]["price"]) == (MAX_ROWS, 4, MAX_ROWS + 3)


@pytest.mark.parametrize("inside", ["trade", "details", "data", None])
def test_an_executed_entry_tells_its_trade_under_the_entrys_reference(inside: str | None) -> None:
    trade = {"pair": "LINK/USDT", "side": "buy", "size": 80, "price": 17}
    row = {"ts": ROW["ts"], "id": "jrn_9", "kind": "EXECUTED", **(trade if inside is None else {inside: trade})}
    entry, done = events(journal([row]))
    assert (entry.kind, entry.rule, entry.ref) == ("journal_entry", "EXECUTED", "jrn_9")
    assert (done.side, done.ref, done.at_ms) == (Side.BUY, "jrn_9", entry.at_ms)


def test_an_entry_that_tells_no_trade_is_an_entry_alone() -> None:
    assert len(journal([{"ts": ROW["ts"], "id": "j", "kind": "EXECUTED"}]).frames) == 1
    (entry,) = events(journal([{"ts": ROW["ts"], "id": "j", "event": "SKIPPED", "text": "no"}]))
    assert (entry.kind, entry.rule) == ("journal_entry", "SKIPPED")


def test_blocks_are_vetoes_or_refusals_of_the_signer_by_their_layer() -> None:
    rows = [{"ts": ROW["ts"], "layer": layer, "rule": "r", "reason": "w"} for layer in ("policy", "physics", "other")]
    told = blocks(rows)
    assert [event.kind for event in events(told)] == ["risk_veto", "twak_block"]
    assert told.untold == 1


def test_of_the_equity_only_the_newest_counts() -> None:
    rows = [{"ts": f"2026-05-04T0{hour}:00:00Z", "equity": hour} for hour in (2, 9, 5)]
    (event,) = events(snapshots([*rows, {"ts": "2026-05-04T10:00:00Z", "equity": None}]))
    assert event.equity_usd == 9


@pytest.mark.parametrize("body", [None, 7, "x", {}, [1, None, []], {"items": 3}])
def test_anything_else_tells_nothing(body: object) -> None:
    assert not any(read(body).frames for read in (trades, journal, blocks, snapshots))
    assert status(body) is None


def test_an_agents_status_is_one_word() -> None:
    assert status({"status": "demoted", "phase": "x"}) == "DEMOTED"
