"""Stops and targets are kept as wished: placed, resized with the position, replaced without a gap, swept when flat.

A stop covers the whole owned position: market, reduce-only, its own order (grouping ``na``). The new one is placed
before the old one is cancelled, and targets stay untouched. Targets take their fraction, the newest first; the oldest
are cancelled while their sum exceeds the part. Only our own triggers are ever cancelled here (design.md section 5).
Whether a position is protected is measured in ``watch``.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from executor.core import events as ev
from executor.core.exits import CROSSED, NOT_FILLED, is_dust
from executor.core.guarded import Guarded, adopts, parts
from executor.core.identity import cloid, plain
from executor.core.lifecycle import LegState
from executor.core.protocols import Market
from executor.core.settings import ABSENT_MARGIN_MS, RESEND_STOPS_MS, DeskSettings
from executor.core.sizing import exit_size
from executor.core.state import DeskState, Leg, StopWish, TargetWish, speaks_of
from executor.core.stopcheck import beyond, beyond_alarm
from executor.core.triggers import RETRY_MS, pause_ms, trigger_leg
from executor.core.types import ZERO, closing_side
from executor.core.watch import covered, naked_steps

TRIGGERED_MS = 3_000
"""How long a stop that fired may stay open: then its position is closed by an exit, with a wider cap."""


def protect_steps(settings: DeskSettings, state: DeskState, coin: str, now_ms: int, market: Market) -> list[ev.Event]:
    """What the coin's protection needs now, for each agent that shares it."""
    if _unconcerned(settings, state, coin):
        return []
    return [event for part in parts(settings, state, coin) for event in _steps(settings, state, part, now_ms, market)]


def _steps(settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int, market: Market) -> list[ev.Event]:
    if market.rules.asset(part.coin) is None:  # no order of it can be made; what others hold here must not suffer
        return naked_steps(replace(settings, policy="alert"), state, part, now_ms, market)
    brought_nothing = _of_failed_entries(settings, state, part, now_ms)
    if brought_nothing:
        return brought_nothing
    if part.owned == 0:
        return _without_position(settings, state, part, now_ms) + naked_steps(settings, state, part, now_ms, market)
    return [
        *_orphans(state, part, now_ms),
        *_lapsed(settings, state, part, now_ms),
        *_unfilled(state, part, now_ms, market),
        *_stop_step(settings, state, part, now_ms, market),
        *_beyond_liquidation(state, part, now_ms),
        *_target_steps(settings, state, part, now_ms, market),
        *naked_steps(settings, state, part, now_ms, market),
    ]


def _unconcerned(settings: DeskSettings, state: DeskState, coin: str) -> bool:
    """Whether no stop or target of the coin is wished, placed or planned: then no step here has anything to say."""
    position = state.position(coin)
    if settings.require == "always" or (adopts(settings, state) and position.foreign):
        return False
    if coin in state.stops or coin in state.targets or position.unprotected_since_ms is not None:
        return False
    return all(leg.coin != coin or leg.kind in ("entry", "exit") for leg in state.live.values())


def _live(state: DeskState, part: Guarded, kind: ev.LegKind) -> list[Leg]:
    """A part's protective legs that may still act, oldest first, cancels under way left out."""
    return [leg for leg in part.legs_of(kind) if leg.cloid not in state.cancels]


def _cancel(state: DeskState, leg: Leg, why: str, now_ms: int) -> list[ev.Event]:
    if leg.state not in (LegState.RESTING, LegState.UNKNOWN) and not _stuck(leg, now_ms):
        return []
    if now_ms - leg.gone_at_ms < RETRY_MS:
        return []  # the look-up tells first: cancels one after another would leave it no budget
    return [
        ev.CancelWanted(
            at_ms=now_ms, account=state.account, key=leg.key, coin=leg.coin, oid=leg.oid, cloid=leg.cloid, why=why
        )
    ]


# -- without a position -------------------------------------------------------------------------------------------


def _without_position(settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int) -> list[ev.Event]:
    """Sweep what a flat position left behind; wishes whose position does not come lapse after the entry's time.

    While an entry is under way only what was the position's before it goes: its own bracket stays.
    """
    if _was_adopted(state, part):
        return []
    coming = bool(part.legs_of("entry"))
    events: list[ev.Event] = []
    for leg in [*_live(state, part, "stop"), *_live(state, part, "target")]:
        if not (coming and _is_wished(part, leg)):
            events += _sweep(state, leg, now_ms)
    return events + _lapsed(settings, state, part, now_ms)


def _was_adopted(state: DeskState, part: Guarded) -> bool:
    """Whether a stop of the policy's covers what others opened, and is left alone now: so is that stop."""
    wish = part.stop
    return (
        part.agent is None and wish is not None and wish.default and speaks_of(wish, state.position(part.coin).foreign)
    )


def _is_wished(part: Guarded, leg: Leg) -> bool:
    """Whether the wish this leg was placed for still stands, or the part's stop wish closes on the leg's side."""
    if leg.kind == "target":
        return any(wish.key == leg.key for wish in part.targets)
    return part.stop is not None and part.stop.side in (None, leg.side)


def _orphans(state: DeskState, part: Guarded, now_ms: int) -> list[ev.Event]:
    """What protected an earlier life of this coin must not fire into this one; a flatten keeps triggers to the end."""
    closes, events = closing_side(part.owned), list[ev.Event]()
    for leg in [*_live(state, part, "stop"), *_live(state, part, "target")]:
        unwanted = leg.bracket is None or not _is_wished(part, leg)
        if _is_orphan(state, part, leg) if leg.side is closes else unwanted:
            events += _sweep(state, leg, now_ms)
    return events


def _is_orphan(state: DeskState, part: Guarded, leg: Leg) -> bool:
    """Whether a leg that does close this position was not placed for it.

    A flip's old stop stays until it is flat, also where what the flip opens lapsed while its exit goes on missing.
    """
    if state.flattening:
        return False
    if leg.kind == "stop":
        return part.stop is None and not state.exits_for(part.coin, part.agent)
    return not _is_wished(part, leg)


def _sweep(state: DeskState, leg: Leg, now_ms: int) -> list[ev.Event]:
    if leg.state is LegState.PLANNED:
        reason = "NO_POSITION"
        return [ev.LegDropped(at_ms=now_ms, account=state.account, key=leg.key, cloid=leg.cloid, reason=reason)]
    return _cancel(state, leg, "its position is gone", now_ms)


def _lapsed(settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int) -> list[ev.Event]:
    """Wishes whose position did not come within the entry's time; not while an entry may still bring it."""
    if part.legs_of("entry"):
        return []
    wishes: list[tuple[ev.LegKind, StopWish | TargetWish]] = [("target", wish) for wish in part.targets]
    if part.stop is not None:
        wishes.append(("stop", part.stop))
    events: list[ev.Event] = []
    for kind, wish in wishes:
        if now_ms - wish.at_ms > settings.entry_ttl_ms and not speaks_of(wish, part.owned):
            events += _no_position(state, part.coin, kind, wish.key, now_ms)
    return events


def _of_failed_entries(settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int) -> list[ev.Event]:
    """Stop and target that came with an entry that brought nothing: what is held keeps the stop it had before.

    Where nothing is held they go too: they would pass for the next entry's, or forbid it.
    """
    coin, stop = part.coin, part.stop
    keys: list[tuple[ev.LegKind, str]] = [("target", wish.key) for wish in part.targets]
    if stop is not None and (stop.before is not None or part.owned == 0):
        keys.append(("stop", stop.key))
    return [
        ev.WantDropped(at_ms=now_ms, account=state.account, key=key, coin=coin, kind=kind, reason="NO_POSITION")
        for kind, key in keys
        if _brought_nothing(state.legs.get(cloid(settings.network, settings.address, key, "entry", 1)))
    ]


def _brought_nothing(entry: Leg | None) -> bool:
    return entry is not None and not entry.open and not entry.filled


def _no_position(state: DeskState, coin: str, kind: ev.LegKind, key: str, now_ms: int) -> list[ev.Event]:
    reason, text = "NO_POSITION", f"no {coin} position of this agent came within the entry's time"
    return [
        ev.WantDropped(at_ms=now_ms, account=state.account, key=key, coin=coin, kind=kind, reason=reason),
        ev.ActionRefused(at_ms=now_ms, account=state.account, key=key, reason=reason, detail=text),
    ]


# -- the stop -----------------------------------------------------------------------------------------------------


def _stuck(leg: Leg, now_ms: int) -> bool:
    """Whether a trigger fired a while ago and is still open: its order found nobody to trade with."""
    return leg.state is LegState.TRIGGERED and now_ms - leg.last_change_ms >= TRIGGERED_MS


def _unfilled(state: DeskState, part: Guarded, now_ms: int, market: Market) -> list[ev.Event]:
    """A stop that fired and did not fill protects nothing any more: the position is closed, wider (freqtrade#12984)."""
    stuck = [leg for leg in part.legs_of("stop") if _stuck(leg, now_ms)]
    if not stuck or stuck[-1].side is not closing_side(part.owned):
        return []
    px = plain(stuck[-1].trigger_px)
    text = f"the stop at {px} fired {now_ms - stuck[-1].last_change_ms} ms ago and did not fill; closing now"
    return _close_now(state, part, stuck[-1].key, ("STOP_NOT_FILLED", NOT_FILLED, text), now_ms, market)


def _stop_step(settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int, market: Market) -> list[ev.Event]:
    wish = part.stop
    if wish is None or not speaks_of(wish, part.owned):
        return []
    size, legs = abs(part.owned), _departed(_live(state, part, "stop"))
    good = [leg for leg in legs if leg.key == wish.key and _covers(leg, size, state)]
    if not covered(part.legs, part.owned):
        good = [leg for leg in good if not _is_lost(leg, now_ms)]
    if good:
        keep = good[-1]
        if keep.state is not LegState.RESTING or not keep.listed:
            return []  # the old one goes when the venue itself has shown the new one
        return [event for leg in legs if leg is not keep for event in _cancel(state, leg, "replaced", now_ms)]
    if any(leg.state is LegState.PLANNED for leg in legs):
        return []
    if wish.crossed or _crossed(part, wish.trigger_px, market):
        text = f"the stop at {plain(wish.trigger_px)} is crossed already; closing now"
        return _close_now(state, part, wish.key, ("STOP_CROSSED", CROSSED, text), now_ms, market)
    if now_ms - wish.failed_at_ms < pause_ms(wish):
        return []
    return _place_stop(settings, state, part, wish, now_ms, market)


def _departed(legs: list[Leg]) -> list[Leg]:
    """Without the stops of brackets that still wait for something: they protect nothing yet."""
    return [leg for leg in legs if leg.bracket is None or leg.state is not LegState.PLANNED]


def _covers(leg: Leg, size: Decimal, state: DeskState) -> bool:
    """A stop larger than the position is clipped by the venue; it is resized once the coin is quiet."""
    if leg.size - leg.filled == size:
        return True
    return leg.size - leg.filled > size and bool(state.exits_of(leg.coin) or state.legs_of(leg.coin, "exit"))


def _is_lost(leg: Leg, now_ms: int) -> bool:
    """Whether a stop nobody knows of cannot be sent again: with none in place another goes now, not once it is absent.

    Of two stops of one position the venue clips the second; once both are known one goes.
    """
    if leg.state is not LegState.UNKNOWN or leg.deadline_ms is None:
        return False
    return now_ms > leg.deadline_ms - ABSENT_MARGIN_MS - RESEND_STOPS_MS


def _crossed(part: Guarded, trigger_px: Decimal, market: Market) -> bool:
    """Whether the mark is at or beyond the stop already (triggers fire on the mark, hyperliquid.md section 6.4).

    Ours is pushed once a second: where the book has left it behind, the stop is placed, and the venue tells.
    """
    mark, touch = market.mark(part.coin), market.touch(part.coin, closing_side(part.owned))
    if mark is None:
        return False
    known = (mark, mark if touch is None else touch)
    return max(known) <= trigger_px if part.owned > 0 else min(known) >= trigger_px


def _close_now(
    state: DeskState, part: Guarded, key: str, told: tuple[str, str, str], now_ms: int, market: Market
) -> list[ev.Event]:
    """Close what the stop should have: ``told`` is the alarm's code, why the exit is owed, and the words."""
    if key in state.exits or is_dust(abs(part.owned), state.position(part.coin), market):
        return []
    code, why, text = told
    return [
        ev.AlarmRaised(at_ms=now_ms, account=state.account, key=key, code=code, text=f"{part.coin}: {text}"),
        ev.ExitOwed(
            at_ms=now_ms,
            account=state.account,
            key=key,
            coin=part.coin,
            agent=part.agent,
            size=abs(part.owned),
            why=why,
            side=closing_side(part.owned),
        ),
    ]


def _place_stop(
    settings: DeskSettings, state: DeskState, part: Guarded, wish: StopWish, now_ms: int, market: Market
) -> list[ev.Event]:
    px, size = wish.trigger_px, abs(part.owned)
    return [trigger_leg(settings, state, part, "stop", wish.key, px, wish.at_ms, size, now_ms, market)]


def _beyond_liquidation(state: DeskState, part: Guarded, now_ms: int) -> list[ev.Event]:
    """A stop behind the liquidation price never fires: it is placed, and a person is told once that price is known."""
    px, wish = part.liquidation_px, part.stop
    if px is None or wish is None or wish.told_beyond or not speaks_of(wish, part.owned):
        return []
    if not beyond(closing_side(part.owned).opposite, wish.trigger_px, px):
        return []
    return [beyond_alarm(state, wish.key, part.coin, wish.trigger_px, px, now_ms)]


# -- targets ------------------------------------------------------------------------------------------------------


def _target_steps(
    settings: DeskSettings, state: DeskState, part: Guarded, now_ms: int, market: Market
) -> list[ev.Event]:
    """Of what is adopted beside a holding no target speaks."""
    wishes = [wish for wish in part.targets if speaks_of(wish, part.own)]
    legs = part.legs_of("target")
    events: list[ev.Event] = []
    left = abs(part.own)
    for wish in reversed(wishes):
        out = [leg for leg in legs if leg.key == wish.key]
        left, more = _one_target(settings, state, part, wish, out, left, now_ms, market)
        events += more
    return events


def _one_target(
    settings: DeskSettings,
    state: DeskState,
    part: Guarded,
    wish: TargetWish,
    out: list[Leg],
    left: Decimal,
    now_ms: int,
    market: Market,
) -> tuple[Decimal, list[ev.Event]]:
    """What one target needs, newest first: ``left`` is what the newer ones leave of the part."""
    mine = [leg for leg in out if leg.cloid not in state.cancels]
    taken = sum((leg.size - leg.filled for leg in mine), ZERO)
    if taken > left:
        return left, [event for leg in mine for event in _cancel(state, leg, "more than the position", now_ms)]
    if out or wish.executed or now_ms - wish.failed_at_ms < pause_ms(wish):
        return left - taken, []
    size = market.rules.floor_size(part.coin, exit_size(wish.fraction, part.own))
    if size <= 0 or size > left:
        return left, []
    px = wish.trigger_px
    leg = trigger_leg(settings, state, part, "target", wish.key, px, wish.at_ms, size, now_ms, market)
    return left - size, [leg]
