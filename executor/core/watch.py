"""The protection watchdog: how long a position that should have a stop has none, by the venue's own word.

Whether a stop stands is measured from the venue's list of open triggers, its feed and its look-ups, never from the
answer to our own order: an answer is a claim (reliability.md section 0.7). ``alert``, ``place_default`` or ``flatten``
follow after ``after_ms`` (design.md section 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from executor.core import events as ev
from executor.core.exits import UNPROTECTED, is_dust
from executor.core.guarded import Guarded, adopts, legs_by_agent
from executor.core.identity import plain
from executor.core.lifecycle import LegState
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.state import OF_POLICY, DeskState, Leg, StopWish, speaks_of
from executor.core.triggers import pause_ms, trigger_leg
from executor.core.types import closing_side

PCT = Decimal(100)

ACT_AGAIN_MS = 2_000
"""The pause before the policy acts again on a position that is still without a stop, and nothing is under way."""

CLAIM_PATIENCE = 3
"""How many times ``after_ms`` a stop counts that was answered for and that no list speaks of yet: closing a position
because its list could not be read would do harm, saying nothing for ever as well."""


REFUSALS = 3
"""After so many refusals in a row of a wished stop the policy acts as if none were wished; it is tried on beside."""


def naked_steps(settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int, market: Market) -> list[ev.Event]:
    """Measure how long a part of a position that should have a stop has none, and act by the policy."""
    since = part.watch.since_ms
    if not _bare(settings, state, part) and not _foreign_bare(settings, state, part):
        return [_protection(state, part, "protected", now_ms)] if since is not None else []
    if since is None:
        return [_protection(state, part, "unprotected", now_ms)]
    claimed = claimed_stops(part.legs, part.owned)
    patience_ms = settings.after_ms * (CLAIM_PATIENCE if claimed else 1)
    policy = "alert" if claimed or part.owned == 0 else settings.policy
    if (part.watch.acted and not _undone(state, part, policy, now_ms, market)) or now_ms - since < patience_ms:
        return []
    return _act(settings, state, part, policy, now_ms, market)


def _undone(state: DeskState, part: Guarded, policy: str, now_ms: int, market: Market) -> bool:
    """Whether what the policy did is over, and a position is still, or again, without a stop: it acts once more."""
    if policy == "place_default" and _speaking(part):
        return not _wished(part) and _may_place(state, part, now_ms)
    if now_ms - part.watch.acted_at_ms < ACT_AGAIN_MS:
        return False
    if policy == "flatten":
        return not state.exits_for(part.coin, part.agent) and not is_dust(
            abs(part.owned), state.position(part.coin), market
        )
    return policy == "place_default"


def _may_place(state: DeskState, part: Guarded, now_ms: int) -> bool:
    """Whether a default may go beside a wish that is refused over and over: none is out, and the last had its pause."""
    wish, legs = part.stop, [leg for leg in state.legs.values() if leg.coin == part.coin]
    stops = [leg for leg in legs if leg.kind == "stop" and state.whose(leg.coin, leg.agent) == part.agent]
    last_ms = max((leg.planned_at_ms for leg in stops if leg.key.startswith(OF_POLICY)), default=0)
    coming = any(leg.in_flight or leg.state is LegState.PLANNED for leg in stops)
    return wish is not None and not coming and now_ms - last_ms >= pause_ms(wish)


def _speaking(part: Guarded) -> StopWish | None:
    """The stop that is wished for this position; one that waits for the other side protects nothing."""
    return part.stop if part.stop is not None and speaks_of(part.stop, part.owned) else None


def _wished(part: Guarded) -> bool:
    """Whether a stop is wished that can be waited for: not one the venue refused again and again."""
    wish = _speaking(part)
    return wish is not None and (wish.default or wish.failures < REFUSALS)


def _bare(settings: DeskSettings, state: DeskState, part: Guarded) -> bool:
    """Whether a position we are to protect should have a stop, and has none."""
    if part.owned == 0:
        return False
    adopted = part.owned != part.own
    due = adopted or settings.require == "always" or part.stop is not None
    if not due or covered(part.legs, part.owned):
        return False
    return not (adopted and _stops_of_others(state, part))


def claimed_stops(legs: Iterable[Leg], owned: Decimal) -> list[Leg]:
    """Of one agent's orders the resting stops that close all of this signed size, and that no list has put in doubt."""
    stops = [leg for leg in legs if leg.kind == "stop" and leg.state is LegState.RESTING and not leg.doubted]
    return [leg for leg in stops if leg.remaining >= abs(owned) and owned and leg.side is closing_side(owned)]


def covered(legs: Iterable[Leg], owned: Decimal) -> bool:
    """Whether an agent's stop that closes all of this signed size rests on the venue, by the venue's own word."""
    return any(leg.listed >= abs(owned) for leg in claimed_stops(legs, owned))


def all_covered(state: DeskState, coin: str) -> bool:
    """Whether every agent's holding of a coin is covered."""
    holdings, legs = state.position(coin).holdings, legs_by_agent(state, coin)
    return bool(holdings) and all(covered(legs.get(holding.agent, ()), holding.size) for holding in holdings)


def unlisted(state: DeskState) -> list[Leg]:
    """Resting stops that only an answer speaks of: the venue's list is to be read."""
    return [
        leg for leg in state.live.values() if leg.kind == "stop" and leg.state is LegState.RESTING and not leg.listed
    ]


def _foreign_bare(settings: DeskSettings, state: DeskState, part: Guarded) -> bool:
    """Whether a position we did not open should have a stop and has none: left alone, that is only ever alerted."""
    if settings.require != "always" or part.agent is not None or adopts(settings, state):
        return False
    if not state.position(part.coin).foreign:
        return False
    return not _stops_of_others(state, part)


def _stops_of_others(state: DeskState, part: Guarded) -> bool:
    """Whether any stop on the venue's list, whoever placed it, closes the whole position."""
    size = state.position(part.coin).size
    stops = [order for order in state.orders.values() if order.coin == part.coin and order.is_stop]
    closes = closing_side(size)
    return any(order.size >= abs(size) and order.side is closes for order in stops)


def _protection(state: DeskState, part: Guarded, word: str, now_ms: int) -> ev.ProtectionChanged:
    return ev.ProtectionChanged(
        at_ms=now_ms,
        account=state.account,
        coin=part.coin,
        state=word,  # type: ignore[arg-type]  # one of the two words
        since_ms=now_ms,
        agent=part.agent,
    )


def _act(
    settings: DeskSettings, state: DeskState, part: Guarded, policy: str, now_ms: int, market: Market
) -> list[ev.Event]:
    """alert, place_default or flatten; a wished stop that does not stand yet is not replaced by a default."""
    coin = part.coin
    size = part.owned or state.position(coin).size
    text = f"{coin}: {plain(size)} without a stop for {now_ms - (part.watch.since_ms or now_ms)} ms"
    alarm = ev.AlarmRaised(at_ms=now_ms, account=state.account, code="UNPROTECTED", text=f"{text}; policy {policy}")
    acted = ev.ProtectionActed(at_ms=now_ms, account=state.account, coin=coin, policy=policy, agent=part.agent)
    if policy == "flatten":
        owed = ev.ExitOwed(
            at_ms=now_ms,
            account=state.account,
            key=_policy_key(state, part),
            coin=coin,
            agent=part.agent,
            size=abs(part.owned),
            why=UNPROTECTED,
            side=closing_side(part.owned),
        )
        return [alarm, acted, owed]
    if policy == "place_default" and not _wished(part):
        return [alarm, acted, _default_stop(settings, state, part, now_ms, market)]
    return [alarm, acted]


def _policy_key(state: DeskState, part: Guarded) -> str:
    """What the policy does for a coin is called by it; where agents share it, or just did, by the agent too."""
    name = f"{OF_POLICY}{part.coin}"
    taken = name in state.exits and state.exits[name].agent != part.agent
    if part.agent is None or (len(state.position(part.coin).holdings) <= 1 and not taken):
        return name
    return f"{name}:{part.agent.system}:{part.agent.agent_id}:{part.agent.via}"


def _default_stop(
    settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int, market: Market
) -> ev.StopWanted | ev.LegPlanned:
    """As a wish of its own; where one is refused over and over, as one order beside it, until the wished one stands."""
    coin = part.coin
    away = settings.default_stop_pct / PCT * (-1 if part.owned > 0 else 1)
    px = market.rules.trigger_px(coin, part.entry_px * (1 + away))
    key = f"{_policy_key(state, part)}@{now_ms}"
    if _speaking(part):
        size = abs(part.owned)
        return trigger_leg(settings, state, part, "stop", key, px, now_ms, size, now_ms, market)
    return ev.StopWanted(
        at_ms=now_ms,
        account=state.account,
        key=key,
        coin=part.coin,
        trigger_px=px,
        signal_at_ms=now_ms,
        default=True,
        side=closing_side(part.owned),
        agent=part.agent,
    )
