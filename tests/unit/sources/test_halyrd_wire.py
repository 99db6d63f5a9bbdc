"""Every Halyrd event with its aliases; what is unknown, odd or null (signal-protocols.md section 3.2; H1-H10)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from executor.core.source_events import AgentNotice, Malformed, Origin, SourcePortfolio, SourceTrade
from executor.core.types import Agent, Side
from executor.sources.halyrd_wire import agent_of, decode, marks
from executor.sources.seen import Seen, once

D = Decimal
TS = "2026-05-04T09:30:00Z"
TS_MS = 1_777_887_000_000
ORIGIN = Origin("halyrd", "mine", "agent:current", 5)
H1 = {"event": "snapshot", "ts": TS, "equity": 2051.75, "phase": "paper", "dd_from_peak": 0.008, "daily_dd_used": 0.02}
H2 = {
    "event": "trade",
    "ts": TS,
    "pair": "LINK/USDT",
    "side": "buy",
    "size": 80.0,
    "price": 17.42,
    "pnl": None,
    "fees": 0.31,
    "phase": "paper",
    "journal_ref": "jrn_7f2",
}


def decoded(frame: Any) -> Any:
    return decode(frame if isinstance(frame, str | bytes) else json.dumps(frame), ORIGIN)


def test_h1_a_snapshot_is_what_the_agent_is_worth_with_drawdowns_as_fractions() -> None:
    assert decoded(H1) == SourcePortfolio(
        origin=ORIGIN,
        agent=Agent("halyrd", "current"),
        equity_usd=D("2051.75"),
        drawdown=D("0.008"),
        daily_drawdown_used=D("0.02"),
        phase="paper",
        at_ms=TS_MS,
    )


def test_h2_a_trade_is_sized_in_quote_and_opens_where_it_has_no_pnl() -> None:
    assert decoded(H2) == SourceTrade(
        origin=ORIGIN,
        agent=Agent("halyrd", "current"),
        symbol="LINK/USDT",
        side=Side.BUY,
        size=None,
        quote_size=D("80.0"),
        px=D("17.42"),
        ref="jrn_7f2",
        at_ms=TS_MS,
        reduce_only=False,
        pnl_usd=None,
        phase="paper",
    )


@pytest.mark.parametrize("pnl", [2.71, -2.71, 0])
def test_h3_a_sell_with_its_pnl_only_reduces_for_the_market_is_spot(pnl: float) -> None:
    event = decoded({**H2, "side": "sell", "pnl": pnl})
    assert (event.side, event.reduce_only, event.pnl_usd) == (Side.SELL, True, D(str(pnl)))


def test_the_phase_and_the_reference_may_be_missing() -> None:
    event = decoded({key: value for key, value in H2.items() if key not in ("phase", "journal_ref", "price")})
    assert (event.phase, event.ref, event.px) == (None, None, None)


@pytest.mark.parametrize("kind", ["EXECUTED", "SKIPPED", "RISK_VETO", "STATUS_CHANGE", "KILL"])
@pytest.mark.parametrize(
    "names",
    [("kind", "tags", "text", "id"), ("type", "labels", "message", "journal_id"), ("category", "tags", "note", "ref")],
)
def test_h4_a_journal_entry_by_any_of_its_fields_names(kind: str, names: tuple[str, ...]) -> None:
    values = (kind, ["momentum", "LINK"], "bought the dip", "jrn_1")
    event = decoded({"event": "journal_entry", "ts": TS, **dict(zip(names, values, strict=True))})
    assert (event.kind, event.rule, event.tags) == ("journal_entry", kind, ("momentum", "LINK"))
    assert (event.reason, event.ref, event.at_ms) == ("bought the dip", "jrn_1", TS_MS)


@pytest.mark.parametrize(
    ("rule", "ours"),
    [
        ("daily_drawdown", "daily_drawdown"),
        ("max_drawdown", "max_drawdown"),
        ("streak_limit", "streak_limit"),
        ("consecutive_losses", "streak_limit"),
        ("SOMETHING_NEW", "something_new"),
    ],
)
def test_h5_a_risk_veto_names_its_rule_in_one_spelling(rule: str, ours: str) -> None:
    event = decoded({"event": "risk_veto", "ts": TS, "rule": rule, "reason": "enough", "order_ref": "ord_1"})
    assert (event.kind, event.rule, event.reason, event.ref) == ("risk_veto", ours, "enough", "ord_1")


@pytest.mark.parametrize("rule", ["per_trade_cap", "daily_cap", "allowlist"])
def test_h6_a_block_of_the_signing_layer_is_no_veto(rule: str) -> None:
    event = decoded({"event": "twak_block", "ts": TS, "policy": rule, "message": "no", "order_id": "ord_2"})
    assert (event.kind, event.rule, event.reason, event.ref) == ("twak_block", rule, "no", "ord_2")


@pytest.mark.parametrize(
    ("category", "code"),
    [
        ("divergence", "QUOTE_DIVERGENCE"),
        ("stale", "QUOTE_STALE"),
        ("liquidity", "INSUFFICIENT_LIQUIDITY"),
        ("QUOTE_STALE", "QUOTE_STALE"),
    ],
)
def test_h7_a_rejected_quote_has_one_of_three_codes(category: str, code: str) -> None:
    event = decoded({"event": "quote_rejected", "ts": TS, "pair": "LINK/USDT", "reason": category, "detail": "1.2 %"})
    assert (event.rule, event.symbol, event.reason) == (code, "LINK/USDT", "1.2 %")


def test_h8_a_promotion_ends_in_live() -> None:
    event = decoded({"event": "promotion", "ts": TS, "tx_hash": "0xabc"})
    assert (event.kind, event.ref, event.now) == ("promotion", "0xabc", "LIVE")


@pytest.mark.parametrize(("names"), [("from", "to"), ("previous_status", "new_status"), ("old", "new")])
def test_h8_a_status_change_by_any_of_its_fields_names(names: tuple[str, str]) -> None:
    event = decoded({"event": "status_change", "ts": TS, names[0]: "eligible", names[1]: "LIVE"})
    assert (event.was, event.now) == ("ELIGIBLE", "LIVE")


def test_h9_a_daily_demotion_is_locked_until_its_time() -> None:
    frame = {"event": "demotion", "ts": TS, "rule": "daily_drawdown", "breach": "daily"}
    event = decoded({**frame, "locked_until": "2026-05-05T00:00:00Z"})
    assert (event.kind, event.rule, event.breach, event.now) == ("demotion", "daily_drawdown", "daily", "DEMOTED")
    assert event.locked_until_ms == 1_777_939_200_000


def test_h9_a_demotion_for_the_maximum_has_no_lock() -> None:
    event = decoded({"event": "demotion", "ts": TS, "rule": "max_drawdown", "breach": "max", "locked_until": None})
    assert (event.breach, event.locked_until_ms) == ("max", None)


def test_a_demotions_breach_follows_from_its_rule_where_it_is_not_named() -> None:
    assert decoded({"event": "demotion", "ts": TS, "rule": "max_drawdown"}).breach == "max"
    assert decoded({"event": "demotion", "ts": TS}).breach is None


@pytest.mark.parametrize("odd", [{"locked_until": 12}, {"reason": ["x"]}, {"rule": {"a": 1}}, {"ts": "yesterday"}])
def test_an_odd_detail_does_not_lose_a_notice_that_protects(odd: dict[str, Any]) -> None:
    event = decoded({"event": "demotion", "ts": TS, "rule": "max_drawdown", "breach": "max", **odd})
    assert isinstance(event, AgentNotice)
    assert event.kind == "demotion"


def test_free_text_is_bounded_and_printable() -> None:
    event = decoded({"event": "risk_veto", "ts": TS, "rule": "x", "reason": "a\x1b[31m\n" + "b" * 9_000})
    assert event.reason.isprintable()
    assert len(event.reason) <= 500


@pytest.mark.parametrize("name", ["heartbeat", "trade_v2", "TRADE"])
def test_h10_an_unknown_event_is_ignored(name: str) -> None:
    assert decoded({**H2, "event": name}) is None


@pytest.mark.parametrize(
    ("frame", "reason", "field"),
    [
        ({**H2, "pair": None}, "MISSING_FIELD", "pair"),
        ({**H2, "side": "long"}, "BAD_SIDE", "side"),
        ({**H2, "size": 0}, "NOT_POSITIVE", "size"),
        ({**H2, "size": "many"}, "BAD_NUMBER", "size"),
        ({**H2, "size": None}, "MISSING_FIELD", "size"),
        ({**H2, "price": -1}, "NOT_POSITIVE", "price"),
        ({**H2, "ts": "noon"}, "BAD_TIMESTAMP", "ts"),
        ({"event": "snapshot", "ts": TS}, "MISSING_FIELD", "equity"),
        ({"ts": TS}, "MISSING_FIELD", "event"),
        ({"event": 7}, "WRONG_TYPE", "event"),
        ("[]", "NOT_AN_OBJECT", ""),
        ("{", "INVALID_JSON", ""),
        (b"\xff", "NOT_UTF8", ""),
    ],
)
def test_what_cannot_be_a_trade_is_refused_with_its_field(frame: Any, reason: str, field: str) -> None:
    event = decoded(frame)
    assert isinstance(event, Malformed)
    assert (event.reason, event.field, event.agent_id) == (reason, field, "current")


def test_frames_belong_to_the_agent_of_their_channel() -> None:
    assert agent_of(ORIGIN).agent_id == "current"
    assert agent_of(Origin("halyrd", "mine", "elsewhere", 5)).agent_id == "unknown"


def told_again(first: dict[str, Any], second: dict[str, Any]) -> bool:
    seen = Seen()
    assert seen.fresh(marks(decoded(first)))
    return not seen.fresh(marks(decoded(second)))


@pytest.mark.parametrize(
    ("more", "again"),
    [
        ({}, True),
        ({"ts": "2026-05-04T09:30:00.412Z", "price": 17.4201}, True),
        ({"journal_ref": None}, True),
        ({"journal_ref": "jrn_7f3"}, False),
        ({"ts": "2026-05-04T09:30:01Z"}, False),
        ({"journal_ref": None, "side": "sell"}, False),
    ],
)
def test_a_trade_is_recognised_by_time_and_reference_and_by_content_where_one_telling_has_none(
    more: dict[str, Any], *, again: bool
) -> None:
    assert told_again(H2, {**H2, **more}) == again
    assert told_again({**H2, **more}, H2) == again


def test_two_vetoes_of_different_orders_are_two() -> None:
    frame = {"event": "risk_veto", "ts": TS, "rule": "max_drawdown", "reason": "r", "order_ref": "a"}
    assert not told_again(frame, {**frame, "order_ref": "b"})
    assert told_again(frame, frame)
    assert told_again(H1, H1)


def test_a_long_memory_forgets_the_oldest_first() -> None:
    seen = Seen(limit=2)
    assert [seen.fresh(once(n)) for n in (1, 2, 1, 3, 2, 1)] == [True, True, False, True, True, True]
