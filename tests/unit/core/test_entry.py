"""entry: every gate with its reason, the size, the verdict, the planned order and its bracket."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import T0, Story, quote

from executor.core import events as ev
from executor.core.entry import GATES, describe, holds
from executor.core.intents import StopIntent, TradeIntent
from executor.core.protocols import Exposure, Proposal, Verdict
from executor.core.types import Agent, Quote, Side
from executor.risk.leverage import MaxLeverage
from executor.risk.notional import MaxOrderNotional

D = Decimal


class Remembers:
    """Passes everything and keeps what it was shown; or says what it was told to."""

    watches = ()

    def __init__(self, name: str = "remembers", **word: object) -> None:
        self.name, self.word = name, word
        self.seen: list[tuple[Proposal, Exposure]] = []

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        self.seen.append((proposal, exposure))
        return Verdict(self.name, **self.word) if self.word else Verdict(self.name, "pass")


def paused(s: Story) -> None:
    s.command(ev.Paused, by="x")


def flattened(s: Story) -> None:
    s.command(ev.FlattenStarted, by="x")
    s.read()
    s.read()
    assert s.of(ev.FlattenDone)


def conflicted(s: Story) -> None:
    s.command(ev.BreakerLatched, rule="signer_conflict", value="", limit="")


def other_side(s: Story) -> None:
    s.short(1, agent="bob")


def other_sides_entry(s: Story) -> None:
    s.set("entry", "wait")
    s.short(1, agent="bob")


def foreign(s: Story) -> None:
    s.read(BTC="1")


def beside_foreign(s: Story) -> None:
    s.long(1)
    s.later(10)
    s.read(BTC="1")


def no_quote(s: Story) -> None:
    del s.quotes["BTC"]


def empty_book(s: Story) -> None:
    s.quotes["BTC"] = Quote(None, None, D(100), T0)


def nothing(s: Story) -> None:
    return


TRADE = TradeIntent(coin="BTC", side=Side.BUY, size=D(1))
REFUSED = [
    (paused, {}, "PAUSED"),
    (flattened, {}, "FLATTENED"),
    (conflicted, {}, "SIGNER_CONFLICT"),
    (nothing, {"signal": {"entries_open": False}}, "NOT_RECONCILED"),
    (nothing, {"signal": {"unproven": True}}, "UNPROVEN"),
    (nothing, {"received": {"superseded": True}}, "SUPERSEDED"),
    (nothing, {"at": T0 - 30_001}, "STALE"),
    (nothing, {"at": T0 + 5_001}, "STAMP_IN_FUTURE"),
    (nothing, {"received": {"gapped": True}}, "AFTER_GAP"),
    (other_side, {}, "OPPOSITE_HELD"),
    (other_sides_entry, {}, "OPPOSITE_HELD"),
    (foreign, {}, "SYMBOL_OWNED"),
    (beside_foreign, {}, "SYMBOL_OWNED"),
    (nothing, {"signal": {"failure": "boom"}}, "STRATEGY_FAILED"),
    (nothing, {"intents": ()}, "STRATEGY_DECLINED"),
    (nothing, {"intents": (StopIntent(coin="BTC", trigger_px=D(90)),)}, "STRATEGY_DECLINED"),
    (nothing, {"intents": (TRADE, TRADE)}, "STRATEGY_ODD"),
    (nothing, {"intents": (TRADE, StopIntent(coin="BTC", trigger_px=D(90)))}, "STRATEGY_ODD"),  # nobody would place it
    (nothing, {"intents": (replace(TRADE, coin="ETH"),)}, "STRATEGY_ODD"),
    (nothing, {"intents": (replace(TRADE, side=Side.SELL),)}, "STRATEGY_ODD"),
    (no_quote, {}, "NO_QUOTE"),
    (empty_book, {}, "NO_QUOTE"),
    (nothing, {"leverage": "41"}, "LEVERAGE_ABOVE_ASSET_MAX"),
]


@pytest.mark.parametrize(("before", "more", "reason"), REFUSED)
def test_an_entry_is_refused_with_its_reason(before, more, reason):
    s = Story()
    before(s)
    orders = len(s.planned("entry"))
    s.long(1, **more)
    [refusal] = s.of(ev.ActionRefused)
    assert (refusal.reason, refusal.part) == (reason, "entry")
    assert len(s.planned("entry")) == orders


@pytest.mark.parametrize(
    "more",
    [
        {"at": T0 - 30_000},
        {"at": T0 + 5_000},
        {"at": None},
        {"received": {"gapped": True}, "signal": {"after_gap": "continue"}},
        {"event_id": "e"},
    ],
)
def test_just_inside_the_gates_an_entry_goes(more):
    s = Story()
    s.long(1, **more)
    assert s.held() == 1


def test_a_frame_without_any_id_never_opens_but_closes():
    s = Story()
    s.long(1)
    s.long(1, sender_id="x", received={"action_id": s.action_key("x")})
    assert s.refusals() == ["NO_ID"]
    s.short(2, sender_id="y", received={"action_id": s.action_key("y")})
    assert s.held() == 0


def test_a_derived_identity_from_an_event_id_may_open():
    s = Story()
    key = s.action_key("x")
    s.long(1, sender_id="x", received={"action_id": key, "event_id": "e-1"})
    assert s.held() == 1


def test_the_gates_are_asked_in_one_order():
    s = Story()
    paused(s)
    s.long(1, at=T0 - 60_000, signal={"unproven": True})
    assert s.refusals() == ["PAUSED"]
    assert len(GATES) == 13


# -- size, leverage, verdict ------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "size"),
    [
        ({"size": D(2)}, "2.000"),
        ({"notional_usd": D(1005)}, "10.000"),
        ({"equity_pct": D(1)}, "9.950"),
    ],
)
def test_sizes_are_valued_at_the_cap_price_and_floored_to_the_lot(intent, size):
    s = Story()
    s.long(1, intents=(TradeIntent(coin="BTC", side=Side.BUY, **intent),))
    [leg] = s.planned("entry")
    assert (str(leg.size), leg.limit_px) == (size, D("100.50"))


def test_of_a_flip_only_the_opening_share_of_a_size_opens():
    s = Story()
    s.long(1)
    s.short(4, intents=(TradeIntent(coin="BTC", side=Side.SELL, size=D(8)),))
    assert s.planned("entry")[-1].size == 6


@pytest.mark.parametrize(
    ("intent", "action", "expected"),
    [(None, None, 3), (None, "7.9", 7), ("5", "7", 5), (None, "0.5", 1)],
)
def test_leverage_is_the_intents_then_the_actions_then_the_default(intent, action, expected):
    s = Story()
    wanted = TradeIntent(coin="BTC", side=Side.BUY, size=D(1), leverage=D(intent) if intent else None)
    s.long(1, intents=(wanted,), **({"leverage": action} if action else {}))
    assert s.planned("entry")[0].leverage == expected


def test_an_occupied_coin_keeps_its_leverage():
    s = Story()
    s.long(1, leverage="5")
    s.later(10)
    s.read()
    s.long(1, leverage="9")
    assert [leg.leverage for leg in s.planned("entry")] == [5, 3]  # the venue's own word: 3


def test_entries_under_way_keep_the_leverage_of_the_first():
    s = Story()
    s.set("entry", "wait")
    s.long(1, leverage="5")
    s.long(1, leverage="9")
    assert [leg.leverage for leg in s.planned("entry")] == [5, 5]


def test_what_a_flip_opens_has_the_leverage_of_its_own_signal():
    s = Story()
    s.long(1, leverage="10")
    s.short(2, leverage="3")
    assert [leg.leverage for leg in s.planned("entry")] == [10, 3]
    assert ([e.leverage for e in s.of(ev.LeverageWanted)], s.held()) == ([10, 3], -1)


def test_an_add_at_a_leverage_that_a_rule_forbids_and_nobody_can_change_is_refused():
    s = Story()
    s.long(1, leverage="10")
    shrink = MaxLeverage.from_options(MaxLeverage.Options(max=5, on_breach="shrink"))
    s.desk = replace(s.desk, rules=(shrink,))
    s.long(1, leverage="3")
    assert (s.refusals(), s.held()) == (["LEVERAGE_HELD"], 1)
    assert s.of(ev.ActionRefused)[-1].detail == "BTC is held at 10x, which cannot change now, and 5x is allowed"


def test_a_refusing_rule_decides_with_its_reason_and_its_numbers():
    no = Remembers("no", outcome="refuse", reason="NO", value="7", limit="5")
    s = Story({"rules": (no,)})
    s.long(1)
    [refusal] = s.of(ev.ActionRefused)
    assert (refusal.reason, refusal.detail) == ("NO", "no: 7 against a limit of 5")
    assert not s.of(ev.BreakerLatched)


def test_a_rule_that_latches_does_so_until_midnight_and_once():
    no = Remembers("daily_loss", outcome="refuse", reason="DAILY_LOSS", latch=True)
    s = Story({"rules": (no,)})
    s.long(1)
    s.long(1)
    [latched] = s.of(ev.BreakerLatched)
    assert latched.until_ms is not None
    assert 0 < latched.until_ms - s.now <= 86_400_000
    assert latched.until_ms % 86_400_000 == 0
    s.later(latched.until_ms - s.now)
    assert [e.rule for e in s.of(ev.BreakerReset)] == ["daily_loss"]


def test_every_rule_that_asks_for_it_is_latched_by_one_entry():
    names = ("drawdown", "daily_loss")
    s = Story({"rules": tuple(Remembers(n, outcome="refuse", reason="NO", latch=True) for n in names)})
    s.long(1)
    assert [e.rule for e in s.of(ev.BreakerLatched)] == list(names)


def test_a_rule_that_latches_until_a_reset_has_no_end_of_its_own():
    no = Remembers("drawdown", outcome="refuse", reason="DRAWDOWN", latch=True, ends="reset")
    s = Story({"rules": (no,)})
    s.long(1)
    assert [e.until_ms for e in s.of(ev.BreakerLatched)] == [None]
    s.later(10 * 86_400_000)
    assert not s.of(ev.BreakerReset)
    assert s.state.breakers == {"drawdown": None}


def test_rules_see_whether_a_stop_is_there():
    rule = Remembers()
    s = Story({"rules": (rule,)})
    s.long(1, intents=(TRADE,))
    s.long(1, stop_px="80")
    s.stop(90)
    s.long(1)
    assert [p.has_stop for p, _ in rule.seen if p.final] == [False, True, True]


def test_rules_see_what_is_still_out():
    rule = Remembers()
    s = Story({"rules": (rule,)})
    s.set("entry", "unknown")
    s.long(1)
    s.long(1)
    exposure = rule.seen[-1][1]
    assert exposure.long_usd == {"BTC": D("100.5")}
    assert exposure.open_coins == ["BTC"]


# -- brackets ------------------------------------------------------------


def test_entry_stop_and_target_leave_in_one_action():
    s = Story()
    s.long(1, stop_px="90", target_px="120")
    [batch] = [b for b in s.sent if b.purpose == "entry"]
    assert (batch.grouping, [leg.kind for leg in batch.legs]) == ("normalTpsl", ["entry", "stop", "target"])
    assert s.live("stop") == [("1.000", "90.000")]
    assert s.live("target") == [("1.000", "120.00")]
    s.later(60_000)
    assert len(s.planned()) == 3


def test_a_bracket_may_have_a_target_alone():
    s = Story()
    s.long(1, target_px="120")
    assert [leg.leg for leg in s.planned()] == ["entry", "target"]


def test_when_a_bracket_fills_in_part_stop_and_target_follow_at_once_for_what_is_there():
    s = Story()
    s.set("entry", "part")
    s.set("stop", "waiting")
    s.set("target", "waiting")
    s.long(1, stop_px="90", target_px="120")
    assert s.now == T0
    assert s.held() == D("0.4")
    assert s.live("stop") == [("0.400", "90.000")]
    assert s.live("target") == [("0.400", "120.00")]


def test_the_bracket_of_a_refused_entry_leaves_nothing_behind():
    s = Story()
    s.set("entry", "reject")
    s.set("stop", "waiting")
    s.long(1, stop_px="90")
    s.later(30_001)
    assert not s.state.stops
    assert not s.live("stop")
    assert len(s.planned("stop")) == 1


def test_an_intent_is_recorded_with_what_it_sets():
    shown = describe(TradeIntent(coin="BTC", side=Side.BUY, size=D("1.50"), stop_px=D(90)))
    assert shown == {"kind": "TradeIntent", "coin": "BTC", "side": "buy", "size": "1.5", "stop_px": "90"}


def test_an_agent_holds_a_coin_by_its_position_or_its_entries():
    s, alice, bob = Story(), Agent("fractrade", "alice"), Agent("fractrade", "bob")
    assert not holds(s.state, "BTC", alice)
    s.set("entry", "wait")
    s.long(1)
    assert holds(s.state, "BTC", alice)
    s.set("entry")
    s.settle()
    assert holds(s.state, "BTC", alice)
    assert not holds(s.state, "BTC", bob)
    s.long(1, agent="bob")
    assert holds(s.state, "BTC", bob)


def test_quotes_of_a_test_have_no_spread():
    assert quote(5).bid == quote(5).ask


@pytest.mark.parametrize("bracket", [{"stop_px": "100"}, {"stop_px": "105"}, {"target_px": "100"}, {"target_px": "95"}])
def test_a_bracket_that_would_close_what_it_opens_opens_nothing(bracket):
    s = Story()
    s.long(1, **bracket)
    assert s.refusals() == ["STRATEGY_ODD"]
    assert not s.planned()
    s.short(1, stop_px="105", target_px="95", agent="bob")
    assert s.held() == -1
    assert s.live("stop") == [("1.000", "105.00")]


@pytest.mark.parametrize("missing", [(), ("fills", "open orders")])
def test_an_entry_refused_for_an_unread_account_says_what_is_missing(missing):
    s = Story()
    s.note([ev.ReconcileFailed(at_ms=s.now, account="main", missing=missing, text="")])
    s.long(1, signal={"entries_open": False})
    [refused] = s.of(ev.ActionRefused)
    assert refused.reason == "NOT_RECONCILED"
    assert refused.detail.endswith(": fills, open orders could not be read" if missing else "is not read completely")


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_dollars_buy_or_sell_no_more_than_so_many_at_whatever_price_it_trades(side):
    s = Story({"entry_slippage_bps": D(500)})
    s.trade(side, 1, intents=(TradeIntent(coin="BTC", side=side, notional_usd=D(1000)),))
    assert 0 < abs(s.held()) * max(D(100), s.planned("entry")[0].limit_px) <= 1000


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("on_breach", ["refuse", "shrink"])
def test_a_cap_in_dollars_holds_for_what_a_sell_is_worth_where_it_trades(side, on_breach):
    rule = MaxOrderNotional(MaxOrderNotional.Options(max_usd=D(1000), on_breach=on_breach))
    s = Story({"entry_slippage_bps": D(500), "rules": (rule,)})
    s.trade(side, "10.4")  # 988 USD at a sell's limit, 1040 where it trades
    assert abs(s.held()) * 100 <= 1000
    assert (s.held() == 0) is (on_breach == "refuse")
