"""An action and a view to give to a strategy, with what differs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from executor.api import Agent, Origin, Side, StrategyView


@pytest.fixture(scope="session")
def action() -> Callable[..., Any]:
    """A buy of 2 BTC-PERP as this kind of action."""

    def made(kind: type[Any], **more: Any) -> Any:
        fields: dict[str, Any] = {
            "origin": Origin("fractrade", "fractrade", "agent:a", 0),
            "agent": Agent("fractrade", "a"),
            "key": "k",
            "fingerprint": "f",
            "shape": "flat",
            "symbol": "BTC-PERP",
            "side": Side.BUY,
            "size": Decimal(2),
            "reduce_only": False,
        }
        return kind(**(fields | more))

    return made


@pytest.fixture(scope="session")
def view() -> Callable[[int], StrategyView]:
    """The moment, with the agent's book in BTC."""

    def made(book: int) -> StrategyView:
        return StrategyView(0, "main", "BTC", Decimal(book), Decimal(book), Decimal(0), Decimal(1000), None)

    return made
