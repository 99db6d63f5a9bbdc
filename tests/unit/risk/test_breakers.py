"""What stops every entry: a day's loss until midnight, a file until it is gone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from executor.risk.breakers import ConsecutiveFailures, ConsecutiveLosses, DailyLoss, Drawdown, KillFile, may_latch

D = Decimal


@pytest.mark.parametrize(
    ("options", "pnl_usd", "reason", "value", "limit"),
    [
        ({"max_usd": 100}, "-99.99", "", "99.99 USD lost today", "100 USD"),
        ({"max_usd": 100}, "-100", "DAILY_LOSS", "100 USD lost today", "100 USD"),
        ({"max_pct": "2.5"}, "-24.99", "", "24.99 USD lost today", "25 USD"),
        ({"max_pct": "2.5"}, "-25", "DAILY_LOSS", "25 USD lost today", "25 USD"),
        ({"max_pct": 5}, "10", "", "10 USD gained today", "50 USD"),
    ],
)
def test_a_days_loss_refuses_at_its_limit_and_asks_for_the_latch(
    ask: Any, words: Any, options: dict[str, Any], pnl_usd: str, reason: str, value: str, limit: str
) -> None:
    seen = {"day_pnl_usd": D(pnl_usd)}
    assert words(DailyLoss, options, seen) == (reason, value, limit)
    assert ask(DailyLoss, options, seen).latch == bool(reason)


def test_a_latched_day_stays_lost_also_after_a_recovery(ask: Any, words: Any) -> None:
    seen = {"day_pnl_usd": D(50), "latched": ("daily_loss",)}
    assert words(DailyLoss, {"max_usd": 100}, seen) == ("DAILY_LOSS_LATCHED", "50 USD gained today", "100 USD")
    assert not ask(DailyLoss, {"max_usd": 100}, seen).latch


def test_another_breakers_latch_is_not_its_own(words: Any) -> None:
    assert words(DailyLoss, {"max_usd": 100}, {"latched": ("another",)})[0] == ""


def test_a_percentage_of_nothing_stops_everything_and_latches_nothing_without_a_loss(ask: Any) -> None:
    nothing = {"day_start_equity_usd": D(0), "equity_usd": D(0)}
    verdict = ask(DailyLoss, {"max_pct": 5}, nothing)
    assert (verdict.reason, verdict.latch) == ("DAILY_LOSS", False)
    assert ask(DailyLoss, {"max_pct": 5}, nothing | {"day_pnl_usd": D(-1)}).latch


def test_a_day_that_began_with_nothing_is_measured_by_what_was_deposited(words: Any) -> None:
    seen = {"day_start_equity_usd": D(0), "equity_usd": D(1000)}
    assert words(DailyLoss, {"max_pct": 5}, seen | {"day_pnl_usd": D(-49)}) == ("", "49 USD lost today", "50 USD")
    assert words(DailyLoss, {"max_pct": 5}, seen | {"day_pnl_usd": D(-50)})[0] == "DAILY_LOSS"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({}, "exactly one"), ({"max_usd": 1, "max_pct": 1}, "exactly one"), ({"max_pct": 101}, "100")],
)
def test_a_day_has_exactly_one_limit(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        DailyLoss.Options(**options)


def test_the_file_stops_entries_while_it_is_there(words: Any) -> None:
    options = {"path": "/var/stop"}
    assert words(KillFile, options) == ("", "/var/stop is absent", "/var/stop is absent")
    there = {"files_present": ("/var/stop",)}
    assert words(KillFile, options, there) == ("KILL_FILE", "/var/stop exists", "/var/stop is absent")


def test_the_file_is_watched() -> None:
    assert KillFile.from_options(KillFile.Options(path=Path("/var/stop"))).watches == ("/var/stop",)


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_folder_is_no_file_to_watch(path: str) -> None:
    with pytest.raises(ValidationError, match="name a file"):
        KillFile.Options(path=Path(path))


# -- drawdown, and rows -----------------------------------------------------------------------------------------

FALL = {"peak_equity_usd": D(2000)}


@pytest.mark.parametrize(
    ("options", "fall_usd", "reason", "limit"),
    [
        ({"max_usd": 100}, "99.99", "", "100 USD"),
        ({"max_usd": 100}, "100", "DRAWDOWN", "100 USD"),
        ({"max_pct": 10}, "199.99", "", "200 USD"),
        ({"max_pct": 10}, "200", "DRAWDOWN", "200 USD"),
    ],
)
def test_a_fall_from_the_highest_latches_until_a_person_resets_it(
    ask: Any, words: Any, options: dict[str, Any], fall_usd: str, reason: str, limit: str
) -> None:
    seen = {**FALL, "drawdown_usd": D(fall_usd)}
    assert words(Drawdown, options, seen) == (reason, f"{fall_usd} USD below the highest", limit)
    verdict = ask(Drawdown, options, seen)
    assert verdict.latch == bool(reason)
    assert verdict.ends == ("reset" if reason else "midnight")


@pytest.mark.parametrize("peak_usd", [0, -5])
def test_an_account_without_money_is_refused_and_latches_nothing_before_it_fell(ask: Any, peak_usd: int) -> None:
    seen = {"equity_usd": D(peak_usd), "peak_equity_usd": D(peak_usd)}
    verdict = ask(Drawdown, {"max_pct": 10}, seen)
    assert (verdict.reason, verdict.latch) == ("DRAWDOWN", False)
    assert ask(Drawdown, {"max_pct": 10}, {**seen, "drawdown_usd": D(1)}).latch


def test_a_latched_drawdown_outlasts_the_recovery(words: Any) -> None:
    seen = {**FALL, "latched": ("drawdown",)}
    assert words(Drawdown, {"max_pct": 10}, seen)[0] == "DRAWDOWN_LATCHED"


def test_a_drawdown_may_end_at_midnight(ask: Any) -> None:
    verdict = ask(Drawdown, {"max_usd": 1, "until": "midnight"}, {"drawdown_usd": D(5)})
    assert (verdict.latch, verdict.ends) == (True, "midnight")


ROWS = {
    ConsecutiveLosses: ("losses_in_a_row", "CONSECUTIVE_LOSSES", "losses in a row"),
    ConsecutiveFailures: ("failures_in_a_row", "CONSECUTIVE_FAILURES", "entries failed in a row"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_so_many_in_a_row_stop_entries_until_midnight_or_a_reset(ask: Any, words: Any, kind: Any) -> None:
    fact, reason, text = ROWS[kind]
    assert words(kind, {"max": 3}, {fact: 2}) == ("", f"2 {text}", "fewer than 3")
    assert words(kind, {"max": 3}, {fact: 3}) == (reason, f"3 {text}", "fewer than 3")
    assert words(kind, {"max": 3}, {"latched": (kind.name,)})[0] == f"{reason}_LATCHED"
    assert ask(kind, {"max": 3}, {fact: 3}).ends == "midnight"
    assert ask(kind, {"max": 3, "until": "reset"}, {fact: 4}).ends == "reset"


@pytest.mark.parametrize("options", [{}, {"max_usd": 1, "max_pct": 1}, {"max_usd": 1, "until": "never"}])
def test_a_drawdown_has_exactly_one_limit_and_a_known_end(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Drawdown.Options(**options)


class OfAPlugin:
    """Stands for a stranger's rule: whether it latches, nobody can tell."""


def test_of_our_own_rules_only_those_that_latch_can_be_reset() -> None:
    assert may_latch(DailyLoss(DailyLoss.Options(max_usd=D(1))))
    assert may_latch(Drawdown(Drawdown.Options(max_pct=D(1))))
    assert may_latch(ConsecutiveLosses(ConsecutiveLosses.Options(max=1)))
    assert may_latch(ConsecutiveFailures(ConsecutiveFailures.Options(max=1)))
    assert not may_latch(KillFile(KillFile.Options(path=Path("stop"))))
    assert may_latch(OfAPlugin())  # type: ignore[arg-type]  # no rule at all, but not one of ours
