"""What waited is asked about once more when it leaves: by the rules that stop every entry, whatever it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from executor.core import events as ev
from executor.core.entry import latches
from executor.core.exposure import exposure_of
from executor.core.protocols import Exposure, Market, Proposal, Verdict
from executor.core.settings import DeskSettings
from executor.core.state import DeskState, Leg
from executor.core.steps import given_up
from executor.core.types import Side
from executor.core.verdict import judge


def stopped_entries(
    settings: DeskSettings,
    state: DeskState,
    waited: Sequence[Leg],
    now_ms: int,
    market: Market,
    files_present: Collection[str],
) -> list[ev.Event]:
    """Entries that must not leave any more: a breaker fired since they were planned, or a watched file is there.

    Caps and paces are not asked again: what they measure has these entries in it already. What stops every entry is
    asked for once a coin's side: two hundred may wait.
    """
    exposure, events, latched = exposure_of(state, now_ms, market, files_present), list[ev.Event](), list[ev.Event]()
    told: dict[tuple[str, Side], list[Verdict]] = {}
    for leg in waited:
        place = leg.coin, leg.side
        if place not in told:
            told[place] = _words(settings, state, leg, exposure, market)
            latched = latched or latches(state, told[place], now_ms)
        if told[place]:
            no = told[place][0]
            text = f"{no.rule}: {no.value} against a limit of {no.limit}, when it was to leave"
            events += given_up(state, leg, no.reason, text, now_ms)
    return [*latched, *events]


def _words(settings: DeskSettings, state: DeskState, leg: Leg, exposure: Exposure, market: Market) -> list[Verdict]:
    """The refusals of rules that stop every entry."""
    asset = market.rules.asset(leg.coin)
    if asset is None:
        return []
    leverage = leg.leverage or settings.default_leverage
    proposal = Proposal(leg.coin, leg.side, leg.size, leg.limit_px, leverage, asset.max_leverage, has_stop=True)
    stops = {
        *state.breakers,
        *(r.name for r in settings.rules if not set(r.watches).isdisjoint(exposure.files_present)),
    }
    verdicts = judge(proposal, exposure, settings.rules, market.rules).verdicts
    return [v for v in verdicts if v.outcome == "refuse" and (v.latch or v.rule in stops)]
