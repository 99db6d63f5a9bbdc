"""What all built-in rules share: frozen values, refusing by default, shrinking only where that helps."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from decimal import Decimal
from typing import Any

import pytest

from executor.core.protocols import Exposure, Proposal, Rule
from executor.core.types import Side
from executor.risk.base import Dollars, cap, carried_usd, seconds, usd
from executor.risk.breakers import DailyLoss, KillFile
from executor.risk.leverage import MaxLeverage
from executor.risk.lists import Sides, Symbols
from executor.risk.notional import MaxGrossExposure, MaxOrderNotional, MaxPositionNotional
from executor.risk.pace import Cooldown, OrderRate
from executor.risk.positions import MaxOpenPositions
from executor.risk.stops import RequireStop

CAN_SHRINK: list[tuple[type[Any], dict[str, Any]]] = [
    (MaxOrderNotional, {"max_usd": 1}),
    (MaxPositionNotional, {"max_usd": 1}),
    (MaxGrossExposure, {"max_usd": 1}),
    (MaxLeverage, {"max": 1}),
]
REFUSE_ONLY: list[tuple[type[Any], dict[str, Any]]] = [
    (MaxOpenPositions, {"max": 1}),
    (Symbols, {"deny": ["BTC"]}),
    (Sides, {"allow": ["long"]}),
    (Cooldown, {"per_symbol_s": 1}),
    (OrderRate, {"max": 1, "per_s": 1}),
    (DailyLoss, {"max_usd": 1}),
    (KillFile, {"path": "/stop"}),
    (RequireStop, {}),
]


@pytest.mark.parametrize(("kind", "options"), CAN_SHRINK + REFUSE_ONLY)
def test_a_rule_refuses_unless_told_otherwise(kind: type[Any], options: dict[str, Any]) -> None:
    assert kind.Options(**options).on_breach == "refuse"
    assert kind.Options(**options, on_breach="refuse") == kind.Options(**options)


@pytest.mark.parametrize(("kind", "options"), CAN_SHRINK)
def test_a_cap_can_shrink(kind: type[Any], options: dict[str, Any]) -> None:
    told = kind.Options(**options, on_breach="shrink")
    assert (told.on_breach, told.can_shrink) == ("shrink", True)


@pytest.mark.parametrize("told", ["refuse", "shrink"])
def test_a_rule_that_cannot_shrink_refuses_whatever_it_was_told(ask: Any, told: str) -> None:
    seen = {"open_coins": ("ETH",)}
    verdict = ask(MaxOpenPositions, {"max": 1, "on_breach": told}, seen)
    assert (verdict.outcome, verdict.reason, verdict.allowed_size) == ("refuse", "MAX_OPEN_POSITIONS", None)


@pytest.mark.parametrize(("kind", "options"), REFUSE_ONLY)
def test_rules_that_no_smaller_order_satisfies_take_shrink_and_say_that_they_cannot(kind: Any, options: Any) -> None:
    assert kind.Options(**options, on_breach="shrink").can_shrink is False


@pytest.mark.parametrize(("kind", "options"), CAN_SHRINK + REFUSE_ONLY)
def test_a_rule_is_a_frozen_value_that_holds_its_options_only(kind: type[Any], options: dict[str, Any]) -> None:
    rule: Any = kind.from_options(kind.Options(**options))
    assert is_dataclass(rule)
    assert [field.name for field in fields(rule)] == ["options"]
    assert rule == kind.from_options(kind.Options(**options))
    with pytest.raises(FrozenInstanceError):
        setattr(rule, "options", None)  # noqa: B010 as a plain assignment the type checker would reject it


@pytest.mark.parametrize(("kind", "options"), [row for row in CAN_SHRINK + REFUSE_ONLY if row[0] is not KillFile])
def test_no_other_rule_watches_files(kind: type[Any], options: dict[str, Any]) -> None:
    rule: Rule = kind.from_options(kind.Options(**options))
    assert rule.watches == ()


@pytest.mark.parametrize(("breach", "outcome", "reason"), [(True, "refuse", "WHY"), (False, "pass", "")])
def test_a_word_has_a_reason_only_against(breach: bool, outcome: str, reason: str) -> None:
    rule = MaxOrderNotional.from_options(MaxOrderNotional.Options(max_usd=Decimal(1)))
    verdict = rule.word(breach, "WHY", "2 USD", "1 USD")
    assert (verdict.outcome, verdict.reason, verdict.value, verdict.limit) == (outcome, reason, "2 USD", "1 USD")


def test_numbers_are_worded_plainly_with_their_unit() -> None:
    assert usd(Decimal("1250.50")) == "1250.5 USD"
    assert usd(Decimal("1E+3")) == "1000 USD"
    assert seconds(Decimal("0.250")) == "0.25 s"


@pytest.mark.parametrize(
    ("on_breach", "after_usd", "room_usd", "expected"),
    [
        ("refuse", 100, 100, ("pass", None)),
        ("refuse", 101, 100, ("refuse", None)),
        ("shrink", 101, 100, ("shrink", Decimal("33.33333333333333333333333333"))),
        ("shrink", 101, 0, ("refuse", None)),
        ("shrink", 101, -5, ("refuse", None)),
    ],
)
def test_a_cap_passes_refuses_or_leaves_the_room_rounded_down(
    on_breach: Any, after_usd: int, room_usd: int, expected: tuple[str, Decimal | None]
) -> None:
    rule = MaxOrderNotional.from_options(MaxOrderNotional.Options(max_usd=Decimal(100), on_breach=on_breach))
    proposal = Proposal("BTC", Side.BUY, Decimal(50), Decimal(3), Decimal(1), 10, has_stop=False)
    verdict = cap(rule, "WHY", proposal, Dollars(Decimal(after_usd), Decimal(100), Decimal(room_usd)))
    assert (verdict.outcome, verdict.allowed_size) == expected


def test_what_is_carried_is_told_by_side_and_nothing_is_zero() -> None:
    long_usd, short_usd = {"BTC": Decimal(1)}, {"BTC": Decimal(2)}
    seen = Exposure(0, Decimal(0), long_usd, short_usd, (), (), {}, Decimal(0), Decimal(0), (), ())
    assert carried_usd(seen, "BTC", Side.BUY) == 1
    assert carried_usd(seen, "BTC", Side.SELL) == 2
    assert carried_usd(seen, "ETH", Side.SELL) == 0
