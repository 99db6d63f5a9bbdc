"""recheck: a breaker that fires while an entry waits, or a stop file put there meanwhile, keeps it back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from story import Story

from executor.core import events as ev
from executor.core.recheck import stopped_entries
from executor.core.state import Leg
from executor.core.types import Side
from executor.risk.breakers import DailyLoss, KillFile, LossLimit, StopFile
from executor.risk.notional import MaxPositionNotional, UsdCap
from executor.risk.pace import Cooldown, OrderRate, Pause, Rate

D = Decimal
STOP = "var/STOP"
LOSS, FILE = DailyLoss(LossLimit(max_usd=D(50))), KillFile(StopFile(path=Path(STOP)))
TIGHT = (
    MaxPositionNotional(UsdCap(max_usd=D(101))),
    OrderRate(Rate(max=2, per_s=D(60))),
    Cooldown(Pause(per_symbol_s=D("0.001"))),
)


def turning(*rules: Any, **more: Any) -> tuple[Story, Leg]:
    """Alice turns from long to short: what opens the short waits for its close, which goes on missing."""
    s = Story({"rules": rules})
    s.long(1)
    s.set("exit", "NO_LIQUIDITY", "wait")
    s.now += 10
    s.short(2, **more)
    (leg,) = s.state.legs_of("BTC", "entry")
    s.now += 10
    return s, leg


def asked(s: Story, *legs: Leg, files: tuple[str, ...] = ()) -> list[ev.Event]:
    told = stopped_entries(s.desk, s.state, legs, s.now, s.market, files)
    s.note(told)
    return told


def test_an_entry_that_waited_leaves_while_nothing_stops_it_and_its_own_caps_do_not_count_it_twice():
    s, leg = turning(LOSS, FILE, *TIGHT)
    assert asked(s, leg) == []


def test_a_file_put_there_meanwhile_stops_what_waits_with_its_stop_and_target():
    s, leg = turning(FILE, stop_px=110, target_px=90)
    (no,) = [e for e in asked(s, leg, files=(STOP,)) if isinstance(e, ev.ActionRefused)]
    assert (no.reason, no.key, no.part) == ("KILL_FILE", leg.key, "entry")
    assert [one.kind for one in s.state.live.values()] == ["exit"]


def test_a_limit_reached_meanwhile_latches_once_and_stops_all_that_waits():
    s, leg = turning(LOSS)
    s.long(1, coin="ETH")
    s.quotes["BTC"] = s.quotes["BTC"].__class__(D(40), D(40), D(40), s.now)
    s.state.day.start_ms = s.now
    other = s.state.legs[s.planned("entry")[0].cloid]
    told = asked(s, leg, Leg(**{name: getattr(other, name) for name in Leg.__slots__} | {"cloid": "0x2"}))
    assert [type(e).__name__ for e in told].count("BreakerLatched") == 1
    assert [e.reason for e in told if isinstance(e, ev.ActionRefused)] == ["DAILY_LOSS", "DAILY_LOSS"]


def test_a_breaker_that_another_entry_latched_stops_it_and_one_nobody_configures_does_not():
    s, leg = turning(LOSS)
    latched = {"value": "", "limit": "", "until_ms": None}
    s.note([ev.BreakerLatched(at_ms=s.now, account="main", rule="drawdown", **latched)])
    assert asked(s, leg) == []
    s.note([ev.BreakerLatched(at_ms=s.now, account="main", rule="daily_loss", **latched)])
    assert [e.reason for e in asked(s, leg) if isinstance(e, ev.ActionRefused)] == ["DAILY_LOSS_LATCHED"]
    assert not any(one.side is Side.SELL and one.kind == "entry" for one in s.state.live.values())


def test_a_coin_the_venue_does_not_list_any_more_is_left_to_whoever_sends_it():
    s, leg = turning(FILE)
    leg.coin = "XYZ"
    assert asked(s, leg, files=(STOP,)) == []


def test_two_hundred_that_wait_on_one_coin_are_asked_about_once():
    calls = []

    class Counted(KillFile):
        def check(self, proposal: Any, exposure: Any) -> Any:
            calls.append(proposal)
            return super().check(proposal, exposure)

    s, leg = turning(Counted(StopFile(path=Path(STOP))))
    calls.clear()
    asked(s, leg)
    alone = len(calls)
    others = [Leg(**{name: getattr(leg, name) for name in Leg.__slots__} | {"cloid": f"0x{n}"}) for n in range(199)]
    told = stopped_entries(s.desk, s.state, [leg, *others], s.now, s.market, (STOP,))
    assert 0 < len(calls) - alone <= alone
    assert sum(isinstance(event, ev.ActionRefused) for event in told) == 200
