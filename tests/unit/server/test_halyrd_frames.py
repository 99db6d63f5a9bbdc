"""Recorded events as Halyrd's frames: the fields of seed 003, and a reference that can be resolved in each."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.facts import AccountFact, Fill
from executor.core.protocols import Verdict
from executor.core.source_events import Malformed, Origin, SourceTrade
from executor.core.types import Side
from executor.ledger.codec import encode
from executor.ledger.views import event_view
from executor.server.halyrd_frames import DAY_MS, HOUR_MS, JOURNALED, SNAPSHOT_MS, Agent, seq_of
from executor.sources.halyrd_wire import decode
from executor.sources.strict_json import text_of

D = Decimal
KEY = "ab" * 16
NOON_MS = 20_000 * DAY_MS + 12 * HOUR_MS


def told(agent: Agent, *events: ev.Event) -> list[dict[str, Any]]:
    documents = [event_view(seq, type(event).__name__, encode(event)) for seq, event in enumerate(events, 7)]
    return [frame for document in documents for frame in agent.tell(document)]


def fill(side: Side, size: str, start: str, at_ms: int = NOON_MS, account: str = "main", pnl: str = "0") -> ev.FillSeen:
    one = Fill(1, 2, None, "BTC", side, D(100), D(size), D("0.1"), D(pnl), D(start), at_ms)
    return ev.FillSeen(at_ms=at_ms + 5, account=account, key=KEY, fill=one, cloid=None)


def read(equity: str, at_ms: int) -> ev.AccountRead:
    return ev.AccountRead(at_ms=at_ms, account="main", fact=AccountFact((), D(equity), D(0), D(0), at_ms))


def judged(outcome: Any = "refuse", rule: str = "daily_loss", reason: str = "DAILY_LOSS") -> ev.EntryJudged:
    verdict = Verdict(rule, outcome, "5 USD lost", "4 USD", reason)
    one = D(1)
    return ev.EntryJudged(
        at_ms=1, account="main", key=KEY, proposed_size=one, final_size=D(0), cap_px=one, touch_px=one, leverage=one,
        verdicts=(Verdict("cooldown", "pass"), verdict),
    )  # fmt: skip


def refused(reason: str = "DAILY_LOSS", account: str = "main") -> ev.ActionRefused:
    return ev.ActionRefused(at_ms=2, account=account, key=KEY, reason=reason, detail="too much", part="entry")


@pytest.fixture
def agent() -> Agent:
    return Agent("main", live=False)


def test_a_fill_is_a_trade_in_the_quote_currency_and_an_entry_of_the_journal(agent: Agent) -> None:
    trade, entry = told(agent, fill(Side.BUY, "2", "0"))
    assert trade == {
        "event": "trade", "ts": "2024-10-04T12:00:00.000Z", "pair": "BTC/USDC", "side": "buy", "size": 200.0,
        "price": 100.0, "pnl": None, "fees": D("0.1"), "phase": "paper", "journal_ref": "jrn_7", "reduce_only": False,
        "base_size": 2.0, "order_ref": KEY, "hold_time_s": None,
    }  # fmt: skip
    assert (entry["event"], entry["kind"], entry["id"], entry["ts"]) == (
        "journal_entry",
        "EXECUTED",
        "jrn_7",
        trade["ts"],
    )
    assert {"FillSeen", "BTC"} <= set(entry["tags"])
    assert entry["text"] == "buy 2 BTC at 100"
    assert seq_of(entry["id"]) == 7


@pytest.mark.parametrize(
    ("side", "size", "start", "pnl", "closes"),
    [
        (Side.SELL, "2", "2", 3.0, True),
        (Side.SELL, "1", "2", 3.0, True),
        (Side.BUY, "2", "-2", 3.0, True),
        (Side.SELL, "3", "2", 3.0, False),
        (Side.SELL, "1", "-2", None, False),
        (Side.SELL, "1", "0", None, False),
    ],
)
def test_only_what_closes_has_a_pnl_and_only_what_closes_alone_is_reduce_only(
    agent: Agent, side: Side, size: str, start: str, pnl: float | None, closes: bool
) -> None:
    trade = told(agent, fill(side, size, start, pnl="3"))[0]
    assert (trade["pnl"], trade["reduce_only"]) == (pnl, closes)


def test_a_close_says_how_long_the_position_was_held(agent: Agent) -> None:
    frames = told(agent, fill(Side.BUY, "2", "0"), fill(Side.SELL, "3", "2", NOON_MS + 90_000))
    frames += told(agent, fill(Side.BUY, "1", "-1", NOON_MS + 100_000))
    assert [frame["hold_time_s"] for frame in frames if frame["event"] == "trade"] == [None, 90.0, 10.0]


def test_snapshots_come_once_a_window_with_drawdown_from_peak_and_of_the_day(agent: Agent) -> None:
    window = SNAPSHOT_MS
    reads = [("100", 0), ("120", 1), ("90", window), ("91", window + 1), ("60", 2 * window), ("60", 12 * HOUR_MS)]
    frames = told(agent, *(read(equity, NOON_MS + after) for equity, after in reads))
    rows = [(frame["equity"], frame["dd_from_peak"], frame["daily_dd_used"]) for frame in frames]
    assert rows == [(100.0, 0.0, 0.0), (90.0, 0.25, D("0.1")), (60.0, 0.5, D("0.4")), (60.0, 0.5, 0.0)]
    assert frames[0] == {
        "event": "snapshot", "ts": "2024-10-04T12:00:00.000Z", "equity": 100.0, "phase": "paper", "dd_from_peak": 0.0,
        "daily_dd_used": 0.0,
    }  # fmt: skip


def test_the_curve_keeps_the_last_read_of_each_hour_and_thins_it_by_interval(agent: Agent) -> None:
    for hour in range(26):
        told(agent, read(str(hour), NOON_MS + hour * HOUR_MS), read(str(hour + 100), NOON_MS + hour * HOUR_MS + 1))
    assert [int(sample.equity) for sample in agent.curve.every(HOUR_MS)] == list(range(100, 126))
    assert [int(sample.equity) for sample in agent.curve.every(DAY_MS)] == [111, 125]


def test_a_rules_refusal_is_a_veto_in_halyrds_words_and_journaled_as_one(agent: Agent) -> None:
    veto, entry = told(agent, judged(), refused())
    assert (veto["event"], veto["rule"], veto["reason"], veto["order_ref"]) == (
        "risk_veto",
        "daily_drawdown",
        "too much",
        KEY,
    )
    assert (entry["kind"], entry["id"], entry["order_ref"]) == ("RISK_VETO", veto["journal_ref"], KEY)


def test_any_other_refusal_is_only_skipped(agent: Agent) -> None:
    (entry,) = told(agent, judged(), refused("STALE"))
    assert (entry["event"], entry["kind"], entry["text"]) == ("journal_entry", "SKIPPED", "STALE: too much")


def test_the_exchanges_own_minimum_is_no_veto(agent: Agent) -> None:
    small = "BELOW_MIN_NOTIONAL"
    (entry,) = told(agent, judged(rule="venue", reason=small), refused(small))
    assert entry["kind"] == "SKIPPED"  # whoever copies us stops entering for an hour after a veto


def test_the_signers_no_is_a_block_that_names_the_order(agent: Agent) -> None:
    no = ev.SignerRefused(
        at_ms=1, account="main", key=KEY, purpose="entry", rule="daily_cap", reason="SIGNER_DAILY_CAP", text="too much",
        cloids=("0x1",), coin="BTC",
    )  # fmt: skip
    block, entry = told(agent, no)
    assert (block["event"], block["rule"], block["reason"], block["order_ref"]) == (
        "twak_block",
        "daily_cap",
        "too much",
        KEY,
    )
    assert entry["kind"] == "TWAK_BLOCK"


@pytest.mark.parametrize(
    ("code", "word"), [("QUOTE_DIVERGENCE", "divergence"), ("QUOTE_STALE", "stale"), ("QUOTE_DEPTH", "liquidity")]
)
def test_a_quote_nobody_believes_is_rejected_with_the_numbers(agent: Agent, code: str, word: str) -> None:
    data = {"coin": "BTC", "reason": code, "detail": "180 bps apart", "side": "buy"}
    document = {
        "seq": 9,
        "at": "2026-01-01T00:00:00.000Z",
        "kind": "QuoteRejected",
        "account": "main",
        "key": KEY,
        "data": data,
    }
    frame, entry = agent.tell(document)
    assert (frame["event"], frame["pair"], frame["reason"], frame["detail"]) == (
        "quote_rejected",
        "BTC/USDC",
        word,
        "180 bps apart",
    )
    assert (entry["kind"], entry["id"]) == ("QUOTE_REJECTED", frame["journal_ref"])


def test_a_flatten_demotes_until_somebody_resumes(agent: Agent) -> None:
    agent.live = True
    started = ev.FlattenStarted(at_ms=1, account="main", by="cli")
    frames = told(
        agent, started, started, ev.FlattenDone(at_ms=2, account="main"), ev.Resumed(at_ms=3, account="main", by="cli")
    )
    assert [(f["from"], f["to"]) for f in frames if f["event"] == "status_change"] == [
        ("LIVE", "DEMOTED"),
        ("DEMOTED", "LIVE"),
    ]
    assert [f["kind"] for f in frames if f["event"] == "journal_entry"] == [
        "KILL",
        "KILL",
        "STATUS_CHANGE",
        "STATUS_CHANGE",
    ]


def test_another_accounts_events_are_not_told_and_what_concerns_all_is(agent: Agent) -> None:
    assert told(agent, fill(Side.BUY, "1", "0", account="other"), refused(account="other")) == []
    assert told(agent, ev.AlarmRaised(at_ms=1, code="X", text="y"))[0]["kind"] == "ALARM"


def test_every_kind_that_is_journaled_is_an_event_of_the_core() -> None:
    assert set(JOURNALED) - {"QuoteRejected"} <= set(ev.KINDS)


def test_what_is_told_is_what_our_own_source_reads(agent: Agent) -> None:
    frames = told(agent, fill(Side.BUY, "2", "-2", pnl="1"), judged(), refused(), read("5", NOON_MS))
    read_back = [decode(text_of(frame), Origin("halyrd", "h", "agent:current", 0)) for frame in frames]
    assert len(read_back) == 5
    assert not any(one is None or isinstance(one, Malformed) for one in read_back)
    assert isinstance(read_back[0], SourceTrade)
    assert (read_back[0].symbol, read_back[0].quote_size, read_back[0].reduce_only) == ("BTC/USDC", D(200), True)


@pytest.mark.parametrize("ref", ["", "jrn_", "jrn_x", "7", "jrn_-1", "jrn_" + "9" * 30])
def test_a_reference_nobody_gave_names_nothing(ref: str) -> None:
    assert seq_of(ref) is None
