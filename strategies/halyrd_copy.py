"""Copy the trades of a Halyrd agent onto perps, and obey what its own risk engine says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from executor.api import AgentNotice, Remember, SourceTrade, StrategyView, TargetPosition, Wish
from strategies.copied import CopiedTrades

DAY_MS = 86_400_000
LIVE, DEMOTED = "LIVE", "DEMOTED"
DRAWDOWNS = ("daily_drawdown", "max_drawdown")


class HalyrdCopy(CopiedTrades):
    """Buys are copied by their value in the quote currency (``LINK/USDT`` becomes ``LINK``); sells close our share.

    A **demotion** means that the agent's rules flattened it: what was copied is closed, and nothing is entered until
    it is promoted again. A **risk veto** means that its rules would not let it enter: nor do we, after one for a
    drawdown until the next midnight UTC, after any other for ``veto_pause_s``. Exits always go on.
    """

    class Options(CopiedTrades.Options):
        """As ``CopiedTrades``; ``phases`` limits entries to trades of these phases (all unless given)."""

        phases: tuple[str, ...] = ()
        close_on_demotion: bool = True
        veto_pause_s: Annotated[Decimal, Field(ge=0)] = Decimal(3600)

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.options: HalyrdCopy.Options = options

    def enters(self, fact: SourceTrade, view: StrategyView) -> bool:
        """Whether neither a demotion nor a veto stands against a buy, nor its phase."""
        if self.options.phases and fact.phase not in self.options.phases:
            return False
        kept = _kept(view, fact)
        at_ms = view.now_ms if fact.at_ms is None else fact.at_ms
        return not kept.get("demoted") and at_ms >= kept.get("vetoed_until_ms", 0)

    def on_notice(self, notice: AgentNotice, view: StrategyView) -> Sequence[Wish]:
        """Remember what concerns entries; close what the agent's rules closed."""
        if notice.kind == "risk_veto":
            at_ms = view.now_ms if notice.at_ms is None else min(notice.at_ms, view.now_ms)  # no veto from tomorrow
            until_ms = max(self._vetoed_until_ms(notice, at_ms), _kept(view, notice).get("vetoed_until_ms", 0))
            return _remembered(view, notice, vetoed_until_ms=until_ms)
        if notice.now == LIVE:
            return _remembered(view, notice, demoted=False, live=True)
        if not _demotes(notice, _kept(view, notice)):
            return ()
        closing = _all_closed(view) if self.options.close_on_demotion else ()
        return (*closing, *_remembered(view, notice, demoted=True, live=False))

    def _vetoed_until_ms(self, notice: AgentNotice, at_ms: int) -> int:
        if notice.rule in DRAWDOWNS:
            return (at_ms // DAY_MS + 1) * DAY_MS
        return at_ms + int(self.options.veto_pause_s * 1000)


def _all_closed(view: StrategyView) -> Sequence[Wish]:
    """The books are those of this agent's trades alone."""
    return tuple(TargetPosition(coin=coin, size=Decimal(0)) for coin, book in view.books.items() if book)


def _demotes(notice: AgentNotice, kept: Mapping[str, Any]) -> bool:
    """A demotion, or the status that is all one sees of it after a gap: not live, and live when last heard of."""
    if notice.now is None:
        return False
    return notice.now == DEMOTED or notice.was == LIVE or bool(kept.get("live"))


def _whose(fact: SourceTrade | AgentNotice) -> str:
    """One route may bring several agents, and they share its memory."""
    return f"{fact.origin.source}/{fact.agent.agent_id}"


def _kept(view: StrategyView, fact: SourceTrade | AgentNotice) -> dict[str, Any]:
    """What is remembered of this agent."""
    kept: dict[str, Any] = view.memory.get(_whose(fact), {})
    return kept


def _remembered(view: StrategyView, notice: AgentNotice, **news: Any) -> Sequence[Wish]:
    """The memory with these news of the agent; nothing where it says so already."""
    kept = _kept(view, notice)
    return () if kept == kept | news else (Remember(memory={**view.memory, _whose(notice): kept | news}),)
