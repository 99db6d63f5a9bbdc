"""What the copier of a Halyrd agent enters, and what it obeys."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.api import Agent, AgentNotice, Origin, Remember, Side, SourceTrade, StrategyView, TargetPosition
from strategies.halyrd_copy import DAY_MS, HalyrdCopy

D = Decimal
NOW_MS = 20_000 * DAY_MS + 1000
ORIGIN = Origin("halyrd", "hal", "agent:current", NOW_MS)
AGENT = Agent("halyrd", "current")
BUY = SourceTrade(
    origin=ORIGIN,
    agent=AGENT,
    symbol="LINK/USDT",
    side=Side.BUY,
    size=None,
    quote_size=D(80),
    px=D(20),
    ref="j1",
    at_ms=NOW_MS,
    phase="live",
)


class Told:
    """The strategy, what it was told so far, and its memory."""

    def __init__(self, **options: Any) -> None:
        self.strategy = HalyrdCopy(HalyrdCopy.Options(**options))
        self.memory: dict[str, Any] = {}
        self.books: dict[str, Decimal] = {}

    def view(self) -> StrategyView:
        size = self.books.get("LINK", D(0))
        return StrategyView(
            NOW_MS, "main", "LINK", size, size, D(0), D(1000), None, memory=self.memory, books=self.books
        )

    def notice(self, kind: str, **more: Any) -> list[Any]:
        fields = {"origin": ORIGIN, "agent": AGENT, "at_ms": NOW_MS, **more}
        wishes = self.strategy.on_notice(AgentNotice(kind=kind, **fields), self.view())
        for wish in wishes:
            if isinstance(wish, Remember):
                self.memory = wish.memory
        return [wish for wish in wishes if not isinstance(wish, Remember)]

    def enters(self, after_ms: int = 0, **more: Any) -> bool:
        return bool(self.strategy.on_trade(replace(BUY, at_ms=NOW_MS + after_ms, **more), self.view()))


DEMOTION = {"rule": "max_drawdown", "breach": "max", "now": "DEMOTED"}


def test_a_demotion_closes_every_book_and_stops_entries_until_a_promotion() -> None:
    told = Told()
    told.books = {"LINK": D(4), "ETH": D(1), "BTC": D(0)}
    closed = [TargetPosition(coin=coin, size=D(0)) for coin in ("LINK", "ETH")]
    assert told.notice("demotion", **DEMOTION) == closed
    told.books = {}
    assert told.notice("status_change", was="LIVE", now="DEMOTED", echo=True) == []
    assert not told.enters(10 * DAY_MS)
    told.notice("promotion", now="LIVE")
    assert told.enters()


def test_a_sell_is_never_held_back() -> None:
    told = Told()
    told.notice("demotion", **DEMOTION)
    told.books = {"LINK": D(4)}
    sell = replace(BUY, side=Side.SELL, reduce_only=True)
    assert told.strategy.on_trade(sell, told.view()) == (TargetPosition(coin="LINK", size=D(0)),)


def test_what_was_copied_can_be_left_open_on_a_demotion() -> None:
    told = Told(close_on_demotion=False)
    told.books = {"LINK": D(4)}
    assert told.notice("demotion", **DEMOTION) == []
    assert not told.enters()


@pytest.mark.parametrize("changes", [[("LIVE", "PAPER")], [("LIVE", "DEMOTED")], [(None, "LIVE"), (None, "PAPER")]])
def test_a_change_of_status_that_ends_being_live_is_a_demotion(changes: list[tuple[str | None, str]]) -> None:
    told = Told()
    told.books = {"LINK": D(4)}
    closed = [told.notice("status_change", was=was, now=now) for was, now in changes]
    assert closed[-1] == [TargetPosition(coin="LINK", size=D(0))]
    assert not told.enters()


@pytest.mark.parametrize(("was", "now"), [(None, "PAPER"), ("PAPER", "ELIGIBLE"), ("ELIGIBLE", "LIVE"), (None, None)])
def test_other_changes_of_status_stop_nothing(was: str | None, now: str | None) -> None:
    told = Told()
    told.books = {"LINK": D(4)}
    assert told.notice("status_change", was=was, now=now) == []
    assert told.enters()


@pytest.mark.parametrize("rule", ["daily_drawdown", "max_drawdown"])
def test_a_veto_for_a_drawdown_holds_until_the_next_midnight(rule: str) -> None:
    told = Told()
    told.notice("risk_veto", rule=rule, ref="ord_1")
    assert not told.enters(DAY_MS - 1001)
    assert told.enters(DAY_MS - 1000)


@pytest.mark.parametrize("rule", ["streak_limit", "anything", None])
def test_any_other_veto_holds_for_the_pause(rule: str | None) -> None:
    told = Told(veto_pause_s=60)
    told.notice("risk_veto", rule=rule)
    assert not told.enters(59_999)
    assert told.enters(60_000)


def test_a_veto_stamped_far_ahead_holds_no_longer_than_one_of_now() -> None:
    told = Told(veto_pause_s=60)
    told.notice("risk_veto", rule="streak_limit", at_ms=NOW_MS + 400 * DAY_MS)
    assert not told.enters(59_999)
    assert told.enters(60_000)


def test_a_shorter_veto_does_not_end_a_longer_one() -> None:
    told = Told(veto_pause_s=60)
    told.notice("risk_veto", rule="daily_drawdown")
    told.notice("risk_veto", rule="streak_limit")
    assert not told.enters(120_000)


def test_what_is_remembered_of_one_agent_does_not_concern_another() -> None:
    told = Told()
    told.notice("demotion", agent=Agent("halyrd", "other"), **DEMOTION)
    assert told.enters()
    told.notice("risk_veto", rule="streak_limit")
    assert not told.enters()
    assert set(told.memory) == {"hal/other", "hal/current"}


@pytest.mark.parametrize("kind", ["twak_block", "quote_rejected", "journal_entry"])
def test_other_notices_change_nothing(kind: str) -> None:
    told = Told()
    told.notice(kind, rule="daily_cap")
    assert told.memory == {}
    assert told.enters()


@pytest.mark.parametrize(("phase", "enters"), [("live", True), ("paper", False), (None, False)])
def test_entries_can_be_limited_to_phases(phase: str | None, *, enters: bool) -> None:
    assert Told(phases=["live"]).enters(phase=phase) is enters
    assert Told().enters(phase=phase)
