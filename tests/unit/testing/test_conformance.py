"""conformance: what is shipped keeps what it promises, and each broken promise is found."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict

from executor import plugins
from executor.api import ChannelState, Options, Remember, Side, StopIntent, Strategy, TradeIntent, Verdict, on_ticker
from executor.core.source_events import Origin, Status
from executor.testing.conformance import Row, check_plugin, group_of

D = Decimal
SHIPPED: dict[str, dict[str, Any]] = {
    "scaled": {"risk_pct": 1, "stop_pct": 2},
    "breakout": {"coin": "BTC", "interval": "1m", "notional_usd": 100},
    "nexgent_mirror": {"symbols": {"BTC/USDT": "BTC"}, "multiplier": 1},
    "cooldown": {"per_symbol_s": 1},
    "daily_loss": {"max_pct": 1},
    "kill_file": {"path": Path("stop")},
    "max_leverage": {"max": 2, "on_breach": "shrink"},
    "max_open_positions": {"max": 1},
    "order_rate": {"max": 1, "per_s": 1},
    "sides": {"allow": ["long"]},
    "symbols": {"deny": ["BTC"]},
    **{f"max_{what}": {"max_usd": 1, "on_breach": "shrink"} for what in ("order_notional", "position_notional")},
}
STRATEGIES = ("follow", "scaled", "inverse", "breakout", "nexgent_mirror", "halyrd_copy", "tradeready_copy")
RULES = (*(name for name in SHIPPED if name not in STRATEGIES), "require_stop")


def broken(rows: tuple[Row, ...]) -> list[str]:
    """What fails; that this file imports the kit is not the plugins' fault."""
    return [row.check for row in rows if row.outcome == "fail" and row.check != "imports"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_shipped_strategies_keep_what_they_promise(name: str) -> None:
    kind = plugins.load("executor.strategies", name, Path())
    assert broken(check_plugin("executor.strategies", kind, SHIPPED.get(name, {}))) == []


@pytest.mark.parametrize("name", RULES)
def test_the_shipped_rules_keep_what_they_promise(name: str) -> None:
    kind = plugins.load("executor.risk_rules", name, Path())
    assert broken(check_plugin("executor.risk_rules", kind, SHIPPED.get(name, {}))) == []


# -- strategies that break a promise ----------------------------------------------------------------------------


def buys(action: Any, view: Any) -> Any:
    return [TradeIntent(coin=view.coin, side=action.side, size=D(1))]


class Raises:
    def on_action(self, action: Any, view: Any) -> Any:
        raise ValueError("always")


class Nonsense:
    def on_action(self, action: Any, view: Any) -> Any:
        return ["buy!"]


class OtherCoin:
    def on_action(self, action: Any, view: Any) -> Any:
        return [TradeIntent(coin="DOGE", side=action.side, size=D(1))]


class OneWay:
    def on_action(self, action: Any, view: Any) -> Any:
        return [TradeIntent(coin=view.coin, side=Side.BUY, size=D(1))]


class Chance:
    numbers = itertools.count(1)

    def on_action(self, action: Any, view: Any) -> Any:
        return [TradeIntent(coin=view.coin, side=action.side, size=D(next(self.numbers)))]


class Handless:
    pass


class Silly:
    @on_ticker("ETHUSDT")
    def tick(self, fact: Any, view: Any) -> Any:
        return [StopIntent(coin="ETH", trigger_px=D(1))]


class HangsOnOdd:
    gate = threading.Event()

    def on_action(self, action: Any, view: Any) -> Any:
        if view.quote is None:
            self.gate.wait(20)
        return buys(action, view)


class Unbuildable:
    def __init__(self) -> None:
        raise OSError("no")


class Loose:
    class Options(Options):
        model_config = ConfigDict(extra="ignore")

    def __init__(self, options: Any) -> None: ...

    on_action = staticmethod(buys)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Raises, "an ordinary Trade"),
        (Nonsense, "an ordinary Trade"),
        (OtherCoin, "its trade for a buy"),
        (OneWay, "its trade for a sell"),
        (Chance, "same in, same out"),
        (Handless, "handlers"),
        (Silly, "actions of a Ticker"),
        (HangsOnOdd, "a hostile odd moment"),
        (Unbuildable, "construction"),
        (Loose, "unknown keys"),
    ],
)
def test_each_broken_promise_of_a_strategy_is_found(kind: type[Any], found: str) -> None:
    rows = check_plugin("executor.strategies", kind, {})
    HangsOnOdd.gate.set()
    assert found in broken(rows)
    HangsOnOdd.gate.clear()


def test_a_strategy_that_remembers_and_raises_at_odd_moments_is_a_good_one() -> None:
    class Careful(Strategy):
        def on_action(self, action: Any, view: Any) -> Any:
            return [*buys(action, view), Remember(memory={"bid": str(view.quote.bid)})]

    assert broken(check_plugin("executor.strategies", Careful, {})) == []


def test_options_that_cannot_be_read_end_it() -> None:
    kind = plugins.load("executor.strategies", "scaled", Path())
    assert broken(check_plugin("executor.strategies", kind, {})) == ["options"]


# -- rules, sources, notifiers ----------------------------------------------------------------------------------


def rule(check: Any) -> type[Any]:
    class Rule:
        name, watches = "mine", ()

        @classmethod
        def from_options(cls, options: Any) -> Any:
            return cls()

        def check(self, proposal: Any, exposure: Any) -> Any:
            return check(proposal, exposure)

    return Rule


calls = itertools.count()


@pytest.mark.parametrize(
    ("check", "kept"),
    [
        (lambda p, e: Verdict("mine", "pass"), True),
        (lambda p, e: Verdict("mine", "refuse", reason="NO"), True),
        (lambda p, e: Verdict("mine", "shrink", reason="NO", allowed_size=p.size / 2), True),
        (lambda p, e: Verdict("mine", "pass", value=str(p.size / e.equity_usd)), False),
        (lambda p, e: True, False),
        (lambda p, e: Verdict("other", "pass"), False),
        (lambda p, e: Verdict("mine", "perhaps"), False),
        (lambda p, e: Verdict("mine", "refuse"), False),
        (lambda p, e: Verdict("mine", "shrink"), False),
        (lambda p, e: Verdict("mine", "shrink", allowed_size=p.size * 2), False),
        (lambda p, e: Verdict("mine", "shrink", reason="NO", allowed_size=D("NaN")), False),
        (lambda p, e: Verdict("mine", "pass", value=len(e.open_coins)), False),  # type: ignore[arg-type]  # no text
        (lambda p, e: Verdict("mine", "pass", ends="tomorrow"), False),  # type: ignore[arg-type]  # no such end
        (lambda p, e: sys.exit(4), False),
        (lambda p, e: Verdict("mine", "pass", value=str(next(calls))), False),
    ],
)
def test_a_rule_gives_one_good_verdict_for_every_moment(check: Any, kept: bool) -> None:
    assert (broken(check_plugin("executor.risk_rules", rule(check), {})) == []) is kept


def test_a_rule_without_a_name_is_told_so() -> None:
    nameless = rule(lambda p, e: Verdict("mine", "pass"))
    del nameless.name, nameless.watches
    assert broken(check_plugin("executor.risk_rules", nameless, {})) == ["name and watches"]


class Source:
    name = "kit"
    run_error: Exception | None = None
    event: object = None
    told: Any = (ChannelState("a", "open"),)

    @classmethod
    def build(cls, name: str, options: Any, context: Any) -> Any:
        return cls()

    async def run(self, emit: Any) -> None:
        if self.run_error is not None:
            raise self.run_error
        if self.event is not None:
            emit("", self.event)
        await asyncio.sleep(0 if self.event else 60)

    def channels(self) -> Any:
        return self.told


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, []),
        ({"event": "nonsense"}, ["events"]),
        ({"event": Status(origin=Origin("mine", "kit", "a", 1), state="open")}, []),
        ({"event": Status(origin=Origin("mine", "kit", "a", 1.5), state="open")}, ["events"]),  # type: ignore[arg-type]  # a float
        ({"run_error": ValueError("no")}, ["running"]),
        ({"told": ["open"]}, ["channels before it runs", "channels after it ran"]),
        ({"channels": None}, ["channels before it runs", "channels after it ran"]),
        ({"name": "other"}, ["name"]),
        ({"build": None}, ["construction"]),
    ],
)
def test_a_source_is_run_for_a_moment_and_ended(fields: dict[str, Any], found: list[str]) -> None:
    assert broken(check_plugin("executor.sources", type("Mine", (Source,), fields), {})) == found


async def awaits(self: Any, *news: str) -> None: ...


def fails(self: Any, *news: str) -> None:
    raise OSError("no network")


@pytest.mark.parametrize(
    ("notify", "found"),
    [(lambda self, *news: None, []), (awaits, ["notify"]), (fails, ["info STARTED"])],
)
def test_a_notifier_takes_what_there_is_to_tell(notify: Any, found: list[str]) -> None:
    assert broken(check_plugin("executor.notifiers", type("Mine", (), {"notify": notify}), {})) == found


def test_a_class_shows_which_door_is_its() -> None:
    names = [group_of(kind) for kind in (Silly, Raises, rule(None), Source, type("N", (), {"notify": fails}), Handless)]
    doors = ["strategies", "strategies", "risk_rules", "sources", "notifiers"]
    assert names == [*(f"executor.{door}" for door in doors), None]


def test_a_plugin_that_reaches_past_the_api_is_told(tmp_path: Path) -> None:
    file = tmp_path / "reaching.py"
    file.write_text("from executor.core.types import Side\nclass Mine:\n    def on_action(self, a, v): return ()\n")
    kind = plugins.load_file("reaching.py:Mine", tmp_path)
    (row, *_) = check_plugin("executor.strategies", kind, {})
    assert row == Row("imports", "fail", "it imports executor.core.types")
