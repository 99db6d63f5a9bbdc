"""The protection watchdog: how long a position that should have a stop has none, by the venue's own word.

Whether a stop stands is measured from the venue's list of open triggers, its feed and its look-ups, never from the
answer to our own order: an answer is a claim (reliability.md section 0.7). ``alert``, ``place_default`` or ``flatten``
follow after ``after_ms`` (design.md section 5).
"""

from __future__ import annotations

from decimal import Decimal

from executor.core import events as ev
from executor.core.exits import UNPROTECTED, is_dust
from executor.core.identity import plain
from executor.core.lifecycle import LegState
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.state import OF_POLICY, DeskState, Leg, Position, StopWish, speaks_of
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


def naked_steps(
    settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market
) -> list[ev.Event]:
    """Measure how long a position that should have a stop has none, and act by the policy.

    ``position.owned`` is what we are to protect: all of it where foreign positions are adopted.
    """
    coin, since = position.coin, position.unprotected_since_ms
    if not _bare(settings, state, position) and not _foreign_bare(settings, state, position):
        return [_protection(state, coin, "protected", now_ms)] if since is not None else []
    if since is None:
        return [_protection(state, coin, "unprotected", now_ms)]
    claimed = claimed_stops(state, coin, position.owned)
    patience_ms = settings.after_ms * (CLAIM_PATIENCE if claimed else 1)
    policy = "alert" if claimed or position.owned == 0 else settings.policy
    if (position.acted and not _undone(state, position, policy, now_ms, market)) or now_ms - since < patience_ms:
        return []
    return _act(settings, state, position, policy, now_ms, market)


def _undone(state: DeskState, position: Position, policy: str, now_ms: int, market: Market) -> bool:
    """Whether what the policy did is over, and a position is still, or again, without a stop: it acts once more."""
    if policy == "place_default" and _speaking(state, position):
        return not _wished(state, position) and _may_place(state, position, now_ms)
    if now_ms - position.acted_at_ms < ACT_AGAIN_MS:
        return False
    if policy == "flatten":
        return not state.exits_of(position.coin) and not is_dust(abs(position.owned), position, market)
    return policy == "place_default"


def _may_place(state: DeskState, position: Position, now_ms: int) -> bool:
    """Whether a default may go beside a wish that is refused over and over: none is out, and the last had its pause."""
    wish, legs = state.stops[position.coin], [leg for leg in state.legs.values() if leg.coin == position.coin]
    stops = [leg for leg in legs if leg.kind == "stop"]
    last_ms = max((leg.planned_at_ms for leg in stops if leg.key.startswith(OF_POLICY)), default=0)
    coming = any(leg.in_flight or leg.state is LegState.PLANNED for leg in stops)
    return not coming and now_ms - last_ms >= pause_ms(wish)


def _speaking(state: DeskState, position: Position) -> StopWish | None:
    """The stop that is wished for this position; one that waits for the other side protects nothing."""
    wish = state.stops.get(position.coin)
    return wish if wish is not None and speaks_of(wish, position.owned) else None


def _wished(state: DeskState, position: Position) -> bool:
    """Whether a stop is wished that can be waited for: not one the venue refused again and again."""
    wish = _speaking(state, position)
    return wish is not None and (wish.default or wish.failures < REFUSALS)


def _bare(settings: DeskSettings, state: DeskState, position: Position) -> bool:
    """Whether a position we are to protect should have a stop, and has none."""
    if position.owned == 0:
        return False
    adopted = position.owned != state.position(position.coin).owned
    due = adopted or settings.require == "always" or position.coin in state.stops
    if not due or covered(state, position.coin, position.owned):
        return False
    return not (adopted and _stops_of_others(state, position))


def claimed_stops(state: DeskState, coin: str, owned: Decimal) -> list[Leg]:
    """Resting stops that close all of this signed size by our own record, and that no list has put in doubt."""
    stops = [leg for leg in state.legs_of(coin, "stop") if leg.state is LegState.RESTING and not leg.doubted]
    return [leg for leg in stops if leg.remaining >= abs(owned) and owned and leg.side is closing_side(owned)]


def covered(state: DeskState, coin: str, owned: Decimal) -> bool:
    """Whether a stop that closes all of this signed size rests on the venue, by the venue's own word."""
    return any(leg.listed >= abs(owned) for leg in claimed_stops(state, coin, owned))


def unlisted(state: DeskState) -> list[Leg]:
    """Resting stops that only an answer speaks of: the venue's list is to be read."""
    return [
        leg for leg in state.live.values() if leg.kind == "stop" and leg.state is LegState.RESTING and not leg.listed
    ]


def _foreign_bare(settings: DeskSettings, state: DeskState, position: Position) -> bool:
    """Whether a position we did not open should have a stop and has none: left alone, that is only ever alerted."""
    if settings.require != "always" or position.size == position.owned:
        return False
    return not _stops_of_others(state, position)


def _stops_of_others(state: DeskState, position: Position) -> bool:
    """Whether any stop on the venue's list, whoever placed it, closes the whole position."""
    stops = [order for order in state.orders.values() if order.coin == position.coin and order.is_stop]
    closes = closing_side(position.size)
    return any(order.size >= abs(position.size) and order.side is closes for order in stops)


def _protection(state: DeskState, coin: str, word: str, now_ms: int) -> ev.ProtectionChanged:
    return ev.ProtectionChanged(at_ms=now_ms, account=state.account, coin=coin, state=word, since_ms=now_ms)  # type: ignore[arg-type]  # one of the two words


def _act(
    settings: DeskSettings, state: DeskState, position: Position, policy: str, now_ms: int, market: Market
) -> list[ev.Event]:
    """alert, place_default or flatten; a wished stop that does not stand yet is not replaced by a default."""
    coin = position.coin
    text = f"{coin}: {plain(position.size)} without a stop for {now_ms - (position.unprotected_since_ms or now_ms)} ms"
    alarm = ev.AlarmRaised(at_ms=now_ms, account=state.account, code="UNPROTECTED", text=f"{text}; policy {policy}")
    acted = ev.ProtectionActed(at_ms=now_ms, account=state.account, coin=coin, policy=policy)
    if policy == "flatten":
        owed = ev.ExitOwed(
            at_ms=now_ms,
            account=state.account,
            key=f"{OF_POLICY}{coin}",
            coin=coin,
            agent=position.owner,
            size=abs(position.owned),
            why=UNPROTECTED,
            side=closing_side(position.owned),
        )
        return [alarm, acted, owed]
    if policy == "place_default" and not _wished(state, position):
        return [alarm, acted, _default_stop(settings, state, position, now_ms, market)]
    return [alarm, acted]


def _default_stop(
    settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market
) -> ev.StopWanted | ev.LegPlanned:
    """As a wish of its own; where one is refused over and over, as one order beside it, until the wished one stands."""
    coin = position.coin
    away = settings.default_stop_pct / PCT * (-1 if position.owned > 0 else 1)
    px = market.rules.trigger_px(coin, position.entry_px * (1 + away))
    key = f"{OF_POLICY}{coin}@{now_ms}"
    if _speaking(state, position):
        size = abs(position.owned)
        return trigger_leg(settings, state, position, "stop", key, px, now_ms, size, now_ms, market)
    return ev.StopWanted(
        at_ms=now_ms,
        account=state.account,
        key=key,
        coin=position.coin,
        trigger_px=px,
        signal_at_ms=now_ms,
        default=True,
        side=closing_side(position.owned),
    )
