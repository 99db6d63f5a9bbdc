"""One way to ask a rule: built from its options as configured, about a standard proposal with what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from executor.core.protocols import Exposure, Proposal, Verdict
from executor.core.types import Side

D = Decimal

BUY: dict[str, Any] = {
    "coin": "BTC",
    "side": Side.BUY,
    "size": D(2),
    "cap_px": D(300),
    "leverage": D(5),
    "asset_max_leverage": 10,
    "has_stop": False,
}
FLAT: dict[str, Any] = {
    "now_ms": 1_000_000,
    "equity_usd": D(1000),
    "long_usd": {},
    "short_usd": {},
    "open_coins": (),
    "entries_at_ms": (),
    "last_entry_ms": {},
    "day_pnl_usd": D(0),
    "day_start_equity_usd": D(1000),
    "files_present": (),
    "latched": (),
}

Ask = Callable[..., Verdict]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Ask ``kind`` with ``options`` about a buy of 2 BTC at 300 USD from a flat account, but for what is given."""

    def asked(
        kind: type[Any], options: Mapping[str, Any], seen: Mapping[str, Any] | None = None, **order: Any
    ) -> Verdict:
        rule = kind.from_options(kind.Options(**options))
        verdict: Verdict = rule.check(Proposal(**(BUY | order)), Exposure(**(FLAT | dict(seen or {}))))
        assert verdict.rule == kind.name
        return verdict

    return asked


@pytest.fixture(scope="session")
def words(ask: Ask) -> Callable[..., tuple[str, str, str]]:
    """As ``ask``, but only the reason (empty for a pass), what was measured, and the limit."""

    def asked(*args: Any, **order: Any) -> tuple[str, str, str]:
        verdict = ask(*args, **order)
        assert verdict.outcome == ("refuse" if verdict.reason else "pass")
        return verdict.reason, verdict.value, verdict.limit

    return asked
