"""Stops and targets are kept as wished: placed, resized with the position, replaced without a gap, swept when flat.

A stop covers the whole owned position: market, reduce-only, its own order (grouping ``na``). The new one is placed
before the old one is cancelled, and targets stay untouched. Targets take their fraction, the newest first; the oldest
are cancelled while their sum exceeds the position. Only our own triggers are ever cancelled here (design.md section 5).
"""

from __future__ import annotations

from decimal import Decimal

from executor.core import events as ev
from executor.core.exits import is_dust
from executor.core.identity import cloid, plain
from executor.core.lifecycle import LegState
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.sizing import exit_size
from executor.core.state import DeskState, Leg, Position, StopWish, TargetWish, speaks_of
from executor.core.types import ZERO, closing_side

RETRY_MS = 1_000
"""The pause after a protective order was refused, before it is tried again; it doubles while it is refused."""

RETRY_MAX_MS = 60_000

PCT = Decimal(100)


def protect_steps(settings: DeskSettings, state: DeskState, coin: str, now_ms: int, market: Market) -> list[ev.Event]:
    """What the coin's protection needs now."""
    position = state.position(coin)
    if settings.require == "signalled" and position.unprotected_since_ms is None and _unconcerned(state, coin):
        return []
    if position.owned == 0:
        return _without_position(settings, state, position, now_ms) + _naked(settings, state, position, now_ms, market)
    return [
        *_orphans(state, position, now_ms),
        *_lapsed(settings, state, coin, now_ms),
        *_stop_step(settings, state, position, now_ms, market),
        *_target_steps(settings, state, position, now_ms, market),
        *_naked(settings, state, position, now_ms, market),
    ]


def _unconcerned(state: DeskState, coin: str) -> bool:
    """Whether no stop or target of the coin is wished, placed or planned: then no step here has anything to say."""
    if coin in state.stops or coin in state.targets:
        return False
    return all(leg.coin != coin or leg.kind in ("entry", "exit") for leg in state.live.values())


def _live(state: DeskState, coin: str, kind: ev.LegKind) -> list[Leg]:
    """The coin's protective legs that may still act, oldest first, cancels under way left out."""
    return [leg for leg in state.legs_of(coin, kind) if leg.cloid not in state.cancels]


def _cancel(state: DeskState, leg: Leg, why: str, now_ms: int) -> list[ev.Event]:
    if leg.state not in (LegState.RESTING, LegState.UNKNOWN):
        return []
    return [
        ev.CancelWanted(
            at_ms=now_ms, account=state.account, key=leg.key, coin=leg.coin, oid=leg.oid, cloid=leg.cloid, why=why
        )
    ]


# -- without a position -------------------------------------------------------------------------------------------


def _without_position(settings: DeskSettings, state: DeskState, position: Position, now_ms: int) -> list[ev.Event]:
    """Sweep what a flat position left behind; wishes whose position does not come lapse after the entry's time.

    While an entry is under way only what was the position's before it goes: its own bracket stays.
    """
    coin, coming = position.coin, bool(state.legs_of(position.coin, "entry"))
    events: list[ev.Event] = []
    for kind in ("stop", "target"):
        for leg in _live(state, coin, kind):
            if not (coming and _is_wished(state, leg)):
                events += _sweep(state, leg, now_ms)
    return events + _lapsed(settings, state, coin, now_ms)


def _is_wished(state: DeskState, leg: Leg) -> bool:
    """Whether the wish this leg was placed for still stands, or the coin's stop wish closes on the leg's side."""
    if leg.kind == "target":
        return any(wish.key == leg.key for wish in state.targets.get(leg.coin, []))
    wish = state.stops.get(leg.coin)
    return wish is not None and wish.side in (None, leg.side)


def _orphans(state: DeskState, position: Position, now_ms: int) -> list[ev.Event]:
    """What protected an earlier life of this coin must not fire into this one; a flatten keeps triggers to the end."""
    legs = [*_live(state, position.coin, "stop"), *_live(state, position.coin, "target")]
    closes, events = closing_side(position.owned), list[ev.Event]()
    for leg in legs:
        if _is_orphan(state, leg) if leg.side is closes else leg.bracket is None or not _is_wished(state, leg):
            events += _sweep(state, leg, now_ms)
    return events


def _is_orphan(state: DeskState, leg: Leg) -> bool:
    """Whether a leg that does close this position was not placed for it; a flip's old stop stays until it is flat."""
    if state.flattening:
        return False
    return leg.coin not in state.stops if leg.kind == "stop" else not _is_wished(state, leg)


def _sweep(state: DeskState, leg: Leg, now_ms: int) -> list[ev.Event]:
    if leg.state is LegState.PLANNED:
        reason = "NO_POSITION"
        return [ev.LegDropped(at_ms=now_ms, account=state.account, key=leg.key, cloid=leg.cloid, reason=reason)]
    return _cancel(state, leg, "its position is gone", now_ms)


def _lapsed(settings: DeskSettings, state: DeskState, coin: str, now_ms: int) -> list[ev.Event]:
    """Wishes whose position did not come within the entry's time; not while an entry may still bring it."""
    if state.legs_of(coin, "entry"):
        return []
    stop = state.stops.get(coin)
    wishes: list[tuple[ev.LegKind, StopWish | TargetWish]] = [("target", wish) for wish in state.targets.get(coin, [])]
    if stop is not None:
        wishes.append(("stop", stop))
    events: list[ev.Event] = []
    for kind, wish in wishes:
        if now_ms - wish.at_ms > settings.entry_ttl_ms and not speaks_of(wish, state.position(coin).owned):
            events += _no_position(state, coin, kind, wish.key, now_ms)
    return events


def _no_position(state: DeskState, coin: str, kind: ev.LegKind, key: str, now_ms: int) -> list[ev.Event]:
    reason, text = "NO_POSITION", f"no {coin} position of this agent came within the entry's time"
    return [
        ev.WantDropped(at_ms=now_ms, account=state.account, key=key, coin=coin, kind=kind, reason=reason),
        ev.ActionRefused(at_ms=now_ms, account=state.account, key=key, reason=reason, detail=text),
    ]


# -- the stop -----------------------------------------------------------------------------------------------------


def _stop_step(
    settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market
) -> list[ev.Event]:
    wish = state.stops.get(position.coin)
    if wish is None or not speaks_of(wish, position.owned):
        return []
    size, legs = abs(position.owned), _departed(_live(state, position.coin, "stop"))
    good = [leg for leg in legs if leg.trigger_px == wish.trigger_px and _covers(leg, size, state)]
    if good:
        keep = good[-1]
        if keep.state is not LegState.RESTING:
            return []
        return [event for leg in legs if leg is not keep for event in _cancel(state, leg, "replaced", now_ms)]
    if now_ms - wish.failed_at_ms < _pause_ms(wish) or any(leg.state is LegState.PLANNED for leg in legs):
        return []
    if _crossed(position, wish.trigger_px, market):
        return _close_now(state, position, wish, now_ms, market)
    return _place_stop(settings, state, position, wish, now_ms, market)


def _pause_ms(wish: StopWish) -> int:
    """Longer with every refusal: a stop the venue never takes must not use up the address's requests."""
    return min(RETRY_MS << min(max(wish.failures - 1, 0), 10), RETRY_MAX_MS)


def _departed(legs: list[Leg]) -> list[Leg]:
    """Without the stops of brackets that still wait for something: they protect nothing yet."""
    return [leg for leg in legs if leg.bracket is None or leg.state is not LegState.PLANNED]


def _covers(leg: Leg, size: Decimal, state: DeskState) -> bool:
    """A stop larger than the position is clipped by the venue; it is resized once the coin is quiet."""
    if leg.size - leg.filled == size:
        return True
    return leg.size - leg.filled > size and bool(state.exits_of(leg.coin) or state.legs_of(leg.coin, "exit"))


def _crossed(position: Position, trigger_px: Decimal, market: Market) -> bool:
    """Whether the mark is at or beyond the stop already (triggers fire on the mark, hyperliquid.md section 6.4)."""
    mark = market.mark(position.coin)
    if mark is None:
        return False
    return mark <= trigger_px if position.owned > 0 else mark >= trigger_px


def _close_now(state: DeskState, position: Position, wish: StopWish, now_ms: int, market: Market) -> list[ev.Event]:
    if wish.key in state.exits or is_dust(abs(position.owned), position, market):
        return []
    text = f"{position.coin}: the stop at {plain(wish.trigger_px)} is crossed already; closing now"
    return [
        ev.AlarmRaised(at_ms=now_ms, account=state.account, key=wish.key, code="STOP_CROSSED", text=text),
        ev.ExitOwed(
            at_ms=now_ms,
            account=state.account,
            key=wish.key,
            coin=position.coin,
            agent=position.owner,
            size=abs(position.owned),
            why="stop crossed",
            side=closing_side(position.owned),
        ),
    ]


def _place_stop(
    settings: DeskSettings, state: DeskState, position: Position, wish: StopWish, now_ms: int, market: Market
) -> list[ev.Event]:
    leg = _trigger_leg(settings, state, position, "stop", wish, abs(position.owned), now_ms, market)
    return [leg, *_beyond_liquidation(state, position, wish, now_ms)]


def _beyond_liquidation(state: DeskState, position: Position, wish: StopWish, now_ms: int) -> list[ev.Event]:
    """A stop behind the liquidation price never fires: it is placed, and a person is told."""
    px = position.liquidation_px
    if px is None or wish.attempts > 0:
        return []
    beyond = wish.trigger_px <= px if position.owned > 0 else wish.trigger_px >= px
    if not beyond:
        return []
    text = f"{position.coin}: the stop at {plain(wish.trigger_px)} is beyond the liquidation price {plain(px)}"
    return [
        ev.AlarmRaised(at_ms=now_ms, account=state.account, key=wish.key, code="STOP_BEYOND_LIQUIDATION", text=text)
    ]


def _trigger_leg(
    settings: DeskSettings,
    state: DeskState,
    position: Position,
    kind: ev.LegKind,
    wish: StopWish | TargetWish,
    size: Decimal,
    now_ms: int,
    market: Market,
) -> ev.LegPlanned:
    side = closing_side(position.owned)
    attempt = _next_attempt(state, wish.key, kind)
    return ev.LegPlanned(
        at_ms=now_ms,
        account=state.account,
        key=wish.key,
        cloid=cloid(settings.network, settings.address, wish.key, kind, attempt),
        leg=kind,
        attempt=attempt,
        coin=position.coin,
        side=side,
        size=size,
        limit_px=market.rules.stop_limit_px(position.coin, side, wish.trigger_px),
        reduce_only=True,
        trigger_px=wish.trigger_px,
        agent=position.owner,
        signal_at_ms=wish.at_ms,
    )


def _next_attempt(state: DeskState, key: str, kind: ev.LegKind) -> int:
    made = [leg.attempt for leg in state.legs.values() if leg.key == key and leg.kind == kind]
    return max(made, default=0) + 1


# -- targets ------------------------------------------------------------------------------------------------------


def _target_steps(
    settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market
) -> list[ev.Event]:
    wishes = [wish for wish in state.targets.get(position.coin, []) if speaks_of(wish, position.owned)]
    legs = _live(state, position.coin, "target")
    events: list[ev.Event] = []
    left = abs(position.owned)
    for wish in reversed(wishes):
        mine = [leg for leg in legs if leg.key == wish.key]
        left, more = _one_target(settings, state, position, wish, mine, left, now_ms, market)
        events += more
    return events


def _one_target(
    settings: DeskSettings,
    state: DeskState,
    position: Position,
    wish: TargetWish,
    mine: list[Leg],
    left: Decimal,
    now_ms: int,
    market: Market,
) -> tuple[Decimal, list[ev.Event]]:
    """What one target needs, newest first: ``left`` is what the newer ones leave of the position."""
    taken = sum((leg.size - leg.filled for leg in mine), ZERO)
    if taken > left:
        return left, [event for leg in mine for event in _cancel(state, leg, "more than the position", now_ms)]
    if mine or (wish.attempts > 0 and not _failed_long_ago(wish, now_ms)):
        return left - taken, []
    if any(leg.key == wish.key and leg.kind == "target" and leg.filled > 0 for leg in state.legs.values()):
        return left, []
    size = market.rules.floor_size(position.coin, exit_size(wish.fraction, position.owned))
    if size <= 0 or size > left or (wish.failed_at_ms and wish.attempts >= 3):
        return left, []
    leg = _trigger_leg(settings, state, position, "target", wish, size, now_ms, market)
    return left - size, [leg]


def _failed_long_ago(wish: TargetWish, now_ms: int) -> bool:
    return wish.failed_at_ms > 0 and now_ms - wish.failed_at_ms >= RETRY_MS


# -- naked positions ------------------------------------------------------------------------------------------------


def covered(state: DeskState, coin: str, owned: Decimal) -> bool:
    """Whether a stop that closes all of this signed size rests on the venue, by its own record."""
    stops = [leg for leg in state.legs_of(coin, "stop") if leg.state is LegState.RESTING]
    return any(leg.size - leg.filled >= abs(owned) and leg.side is closing_side(owned) for leg in stops)


def _naked(settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market) -> list[ev.Event]:
    """Measure how long a position that should have a stop has none, and act by the policy."""
    coin, since = position.coin, position.unprotected_since_ms
    due = position.owned != 0 and (settings.require == "always" or coin in state.stops)
    bare = due and not covered(state, coin, position.owned)
    if not bare and not _foreign_bare(settings, state, position):
        return [_protection(state, coin, "protected", now_ms)] if since is not None else []
    if since is None:
        return [_protection(state, coin, "unprotected", now_ms)]
    if position.acted or now_ms - since < settings.after_ms:
        return []
    return _act(settings, state, position, now_ms, market)


def _foreign_bare(settings: DeskSettings, state: DeskState, position: Position) -> bool:
    """Whether a position we did not open should have a stop and has none: that is only ever alerted."""
    if settings.require != "always" or position.size == position.owned:
        return False
    stops = [order for order in state.orders.values() if order.coin == position.coin and order.is_stop]
    closes = closing_side(position.size)
    return not any(order.size >= abs(position.size) and order.side is closes for order in stops)


def _protection(state: DeskState, coin: str, word: str, now_ms: int) -> ev.ProtectionChanged:
    return ev.ProtectionChanged(at_ms=now_ms, account=state.account, coin=coin, state=word, since_ms=now_ms)  # type: ignore[arg-type]  # one of the two words


def _act(settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market) -> list[ev.Event]:
    """alert, place_default or flatten; a wished stop that does not stand yet is not replaced by a default."""
    coin = position.coin
    policy = settings.policy if position.owned != 0 else "alert"
    text = f"{coin}: {plain(position.size)} without a stop for {now_ms - (position.unprotected_since_ms or now_ms)} ms"
    alarm = ev.AlarmRaised(at_ms=now_ms, account=state.account, code="UNPROTECTED", text=f"{text}; policy {policy}")
    acted = ev.ProtectionActed(at_ms=now_ms, account=state.account, coin=coin, policy=policy)
    if policy == "flatten":
        owed = ev.ExitOwed(
            at_ms=now_ms,
            account=state.account,
            key=f"protect:{coin}",
            coin=coin,
            agent=position.owner,
            size=abs(position.owned),
            why="unprotected",
            side=closing_side(position.owned),
        )
        return [alarm, acted, owed]
    if policy == "place_default" and coin not in state.stops:
        return [alarm, acted, _default_stop(settings, state, position, now_ms, market)]
    return [alarm, acted]


def _default_stop(
    settings: DeskSettings, state: DeskState, position: Position, now_ms: int, market: Market
) -> ev.StopWanted:
    away = settings.default_stop_pct / PCT * (-1 if position.owned > 0 else 1)
    px = market.rules.trigger_px(position.coin, position.entry_px * (1 + away))
    key = f"protect:{position.coin}@{now_ms}"
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
