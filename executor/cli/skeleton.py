"""The package ``executor init --plugin NAME`` writes: a strategy, a risk rule, their entry points and their test."""

from __future__ import annotations

from string import Template

PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$dashed"
version = "0.1.0"
description = "A strategy and a risk rule for the Fractrade to Hyperliquid executor."
requires-python = ">=3.11"
dependencies = ["fractrade-hyperliquid-executor"]

[project.entry-points."executor.strategies"]
$name = "$name.strategy:$title"

[project.entry-points."executor.risk_rules"]
${name}_px = "$name.rule:PxBand"

[tool.hatch.build.targets.wheel]
packages = ["$name"]
"""

STRATEGY = '''"""Follow the agent in a size of our own, and hold what other systems report."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from executor.api import (
    Action,
    Intent,
    SetStop,
    SetTarget,
    SourcePosition,
    StopIntent,
    Strategy,
    StrategyView,
    TargetIntent,
    TargetPosition,
    Trade,
    TradeIntent,
    Wish,
    on_action,
    on_position,
    share,
)
from executor.api import Options as BaseOptions


class $title(Strategy):
    """``factor`` times whatever is signalled. What closes is closed by the program, whatever is returned here."""

    inline: ClassVar[bool] = True  # plain arithmetic; take it out when this does anything that may take time

    class Options(BaseOptions):
        """The keys below ``with:`` of a route."""

        factor: Annotated[Decimal, Field(gt=0)] = Decimal("0.5")

    @on_action
    def follow(self, action: Action, view: StrategyView) -> Sequence[Intent]:
        """An agent's own action: what it opens in our size, its stops and targets as they are."""
        match action:
            case Trade():
                size = action.size * self.options.factor
                return [TradeIntent(coin=view.coin, side=action.side, size=size, leverage=action.leverage)]
            case SetStop(trigger_px=Decimal() as px):
                return [StopIntent(coin=view.coin, trigger_px=px)]
            case SetTarget(trigger_px=Decimal() as px):
                part = share(action.size, view.book_after)
                return [TargetIntent(coin=view.coin, trigger_px=px, fraction=part)]
        return []

    @on_position
    def mirror(self, position: SourcePosition, view: StrategyView) -> Sequence[Wish]:
        """A position another system reports: hold the same, in our size."""
        if not view.coin:
            return []  # the venue lists no such coin
        return [TargetPosition(coin=view.coin, size=position.size * self.options.factor)]
'''

RULE = '''"""A risk rule: no entry at a price outside of a band. Exits are never shown to a rule."""

from decimal import Decimal
from typing import ClassVar

from executor.api import Exposure, Proposal, Verdict
from executor.api import Options as BaseOptions


class PxBand:
    """Refuses what would be bought or sold below ``min_px`` or above ``max_px``."""

    name, watches = "${name}_px", ()
    inline: ClassVar[bool] = True  # plain arithmetic; take it out when this does anything that may take time

    class Options(BaseOptions):
        """The keys beside ``rule:``."""

        min_px: Decimal = Decimal(0)
        max_px: Decimal = Decimal("Infinity")

    def __init__(self, options: Options) -> None:
        self.options = options

    @classmethod
    def from_options(cls, options: Options) -> "PxBand":
        """Built once, when the worker starts."""
        return cls(options)

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """One proposal, one word; what the account carries is in ``exposure``."""
        value, limit = str(proposal.cap_px), f"{self.options.min_px} to {self.options.max_px}"
        if self.options.min_px <= proposal.cap_px <= self.options.max_px:
            return Verdict(self.name, "pass", value, limit)
        return Verdict(self.name, "refuse", value, limit, reason="PX_OUT_OF_BAND")
'''

TEST = '''"""Run it with pytest, or ask the program: executor plugins test $name"""

from decimal import Decimal

from $name.rule import PxBand
from $name.strategy import $title

from executor.testing.conformance import check_plugin


def broken(group, kind, **options):
    return [row for row in check_plugin(group, kind, options) if row.outcome == "fail"]


def test_the_strategy_keeps_what_a_strategy_promises():
    assert not broken("executor.strategies", $title)


def test_the_rule_keeps_what_a_rule_promises():
    assert not broken("executor.risk_rules", PxBand, max_px=Decimal(100))
'''

README = """# $name

    pip install -e .
    executor plugins test $name
    executor plugins test ${name}_px

then name them in `config.yaml`:

    routes:
      - {source: fractrade, strategy: $name, with: {factor: 0.5}, accounts: [main]}
    risk:
      - {rule: ${name}_px, max_px: 250000}
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": README,
    "$name/__init__.py": '"""A strategy and a risk rule of our own."""\n',
    "$name/strategy.py": STRATEGY,
    "$name/rule.py": RULE,
    "tests/test_$name.py": TEST,
}


def files(name: str) -> dict[str, str]:
    """Every file of the package of this name, by its path in it."""
    words = {"name": name, "dashed": name.replace("_", "-"), "title": "".join(map(str.capitalize, name.split("_")))}
    return {Template(path).substitute(words): Template(text).substitute(words) for path, text in FILES.items()}
