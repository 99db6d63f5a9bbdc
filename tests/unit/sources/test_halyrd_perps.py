"""Another worker's stream is of perps: it says which of its trades only close."""

from __future__ import annotations

import json

import pytest

from executor.core.source_events import Origin, SourceTrade
from executor.sources.halyrd import HalyrdOptions, HalyrdSource
from executor.sources.halyrd_rest import trades
from executor.sources.halyrd_wire import decode
from executor.sources.seen import Overtaken
from executor.sources.strict_json import text_of
from executor.testing.clock import ManualClock

ORIGIN = Origin("halyrd", "hal", "agent:current", 1_777_887_060_000)
TRADE = {"event": "trade", "ts": "2026-05-04T09:30:00Z", "pair": "BTC/USDC", "side": "buy", "size": 80.0, "price": 17.4}


@pytest.mark.parametrize(
    ("side", "told", "closes"),
    [("buy", None, False), ("sell", None, True), ("buy", True, True), ("sell", False, False), ("sell", True, True)],
)
def test_a_sell_closes_unless_the_frame_says_otherwise(side: str, told: bool | None, closes: bool) -> None:
    frame = TRADE | {"side": side} | ({} if told is None else {"reduce_only": told})
    trade = decode(json.dumps(frame), ORIGIN)
    assert isinstance(trade, SourceTrade)
    assert trade.reduce_only is closes


def test_the_lists_keep_what_only_closes() -> None:
    row = {name: value for name, value in TRADE.items() if name != "event"} | {"reduce_only": True, "pnl": 1.0}
    (frame,) = trades([row]).frames
    trade = decode(text_of(frame), ORIGIN)
    assert isinstance(trade, SourceTrade)
    assert trade.reduce_only


def test_a_cover_that_comes_late_is_told_and_an_entry_before_it_is_not() -> None:
    overtaken = Overtaken()

    def trade(at: str, closes: bool) -> SourceTrade:
        found = decode(json.dumps(TRADE | {"ts": at, "reduce_only": closes}), ORIGIN)
        assert isinstance(found, SourceTrade)
        return found

    assert not overtaken.late(trade("2026-05-04T09:30:00Z", True))
    assert overtaken.late(trade("2026-05-04T09:29:00Z", False))
    assert not overtaken.late(trade("2026-05-04T09:29:30Z", True))


def test_one_trade_stamped_far_ahead_does_not_make_the_trades_of_the_lists_old() -> None:
    source = HalyrdSource("hal", HalyrdOptions(), ManualClock(ORIGIN.received_at_ms), lambda: 0.0)
    (agent,) = source._agents
    source._tell(agent, "", decode(json.dumps(TRADE | {"ts": "2031-05-04T09:30:00Z"}), ORIGIN), lambda raw, event: None)
    assert agent.newest_trade_ms == ORIGIN.received_at_ms + 5_000
