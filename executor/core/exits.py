"""Exits are kept going until the position has got where it should.

Each exit owes a size. Its next attempt is a reduce-only IOC order for what it still owes, with a wider cap every time
one misses for its price: exit, emergency, 10 % with an alarm. The venue clips it. Against an unresolved entry it goes
out at once and stays pending until that entry resolves (design.md section 5).
"""

from __future__ import annotations

from decimal import Decimal

from executor.core import events as ev
from executor.core.guarded import owned
from executor.core.identity import cloid, plain
from executor.core.position import Position
from executor.core.protocols import Market
from executor.core.settings import LAST_RESORT_BPS, DeskSettings
from executor.core.state import DeskState, Exit, Leg
from executor.core.types import ZERO, Side, closing_side

UNPROTECTED, CROSSED, NOT_FILLED = "unprotected", "stop crossed", "stop not filled"
"""Why an exit of our own making is owed: it closes what we are to protect, adopted positions too."""

NEAR = Decimal("0.9")
"""The share of the mark below which a bid says nothing of what a position is worth."""

RETRY_MS = 1_000
"""The pause between attempts once the widest cap has missed too; it doubles with every further miss."""

RETRY_MAX_MS = 4_000
"""What it grows to. A position that is not there is refused each time: its read needs a moment without an order."""


IN_PART = "filled in part"

PRICE = frozenset(
    {IN_PART, "canceled", "IOC_NO_MATCH", "iocCancelRejected", "NO_LIQUIDITY", "marketOrderNoLiquidityRejected"}
)
"""Why an attempt found too little within its cap, by our reason codes and the venue's order states (``canceled`` is the
rest of an IOC order). Only then does a wider cap help: all else is tried again as it was."""

PAUSE_MS = {"ADDRESS_BUDGET_EXHAUSTED": 10_500}
"""Reasons that make the next attempt pointless for a while: an account without requests left gets one in about 10 s,
and refusals do not put that off (hyperliquid.md section 5.2)."""


def note_miss(owed: Exit, why: str) -> None:
    """Count an attempt that did not do all it should, by why it did not."""
    if why in PRICE:
        owed.missed += 1
        owed.failed_for = ""
    else:
        owed.failed += 1
        owed.failed_for = why


def exit_steps(settings: DeskSettings, state: DeskState, coin: str, now_ms: int, market: Market) -> list[ev.Event]:
    """The next attempt of each exit of this coin, or its end."""
    events: list[ev.Event] = []
    for owed in state.exits_of(coin):
        events += _one(settings, state, owed, now_ms, market)
    return events


def _closable(settings: DeskSettings, state: DeskState, owed: Exit) -> Decimal:
    """What there is to close, signed: a flatten closes all, an exit its agent's part, the policy what is adopted too.

    Never a position of the other direction: during a flip that is the one before, or the one after.
    """
    position = state.position(owed.coin)
    if owed.why == "flatten":
        held = position.size
    elif owed.why in (UNPROTECTED, CROSSED, NOT_FILLED):
        held = owned(settings, state, owed.coin, state.whose(owed.coin, owed.agent))
    else:
        held = position.held_by(state.whose(owed.coin, owed.agent))
    return held if owed.side in (None, closing_side(held)) else ZERO


def _one(settings: DeskSettings, state: DeskState, owed: Exit, now_ms: int, market: Market) -> list[ev.Event]:
    if any(leg.key == owed.key and leg.open for leg in state.legs_of(owed.coin, "exit")):
        return []
    held = _closable(settings, state, owed)
    pending = _entries_before(state, owed)
    if owed.owed <= 0 or (held == 0 and not pending):
        return [_settled(state, owed, now_ms)]
    if not _due(owed, held, pending, now_ms):
        return []
    size = min(owed.owed, abs(held) + sum((leg.remaining for leg in pending), ZERO))
    if owed.attempts > 0 and is_dust(size, state.position(owed.coin), market):
        # with another of its agent's exits out it is not known yet what of the whole part is left
        others = state.legs_for(owed.coin, "exit", state.whose(owed.coin, owed.agent))
        return [] if others else [_settled(state, owed, now_ms)]
    side = closing_side(held) if held else pending[0].side.opposite
    return _attempt(settings, state, owed, side, size, now_ms, market)


def is_dust(size: Decimal, position: Position, market: Market) -> bool:
    """A rest of a partial exit the venue takes no order for: it leaves with the next exit."""
    return size < abs(position.size) and below_minimum(size, position.coin, closing_side(position.size), market)


def below_minimum(size: Decimal, coin: str, side: Side, market: Market) -> bool:
    """Whether an exit that leaves something is too small for the venue.

    It goes by the limit price (hyperliquid.md section 6.1): that of a sell is no better than what it meets. A bid far
    from the mark stands in an empty book: the venue takes nothing then, and what is worth enough goes on being tried.
    """
    mark, touch = market.mark(coin), market.touch(coin, side)
    if mark is None:
        return False
    px = min(mark, max(touch, mark * NEAR)) if touch is not None and side is Side.SELL else mark
    return size * px < market.rules.min_notional_usd


def taken_px(
    position: Position, side: Side, size: Decimal, limit_px: Decimal, near_px: Decimal, market: Market
) -> Decimal:
    """The limit of an order that closes ``size`` of a position, as near to ``near_px`` as the venue's minimum asks.

    The venue goes by the limit price, so that a wide cap would make a small sell too small for it; what closes the
    whole position is exempt (hyperliquid.md section 6.1).
    """
    if side is Side.BUY or size >= abs(position.size):
        return limit_px
    least = market.rules.least_px(position.coin, size)
    return max(limit_px, least) if least <= near_px else limit_px


def _entries_before(state: DeskState, owed: Exit) -> list[Leg]:
    """Entries older than this exit whose outcome is still open: what they bring has to go too."""
    return [leg for leg in state.legs_of(owed.coin, "entry") if leg.cloid in owed.against and leg.side != owed.side]


def _due(owed: Exit, held: Decimal, pending: list[Leg], now_ms: int) -> bool:
    """At once the first time, also against an entry still out; then when there is something to close, paced at last."""
    if held == 0:
        return owed.attempts == 0 and any(leg.in_flight for leg in pending)
    tries = owed.missed + owed.failed
    pause_ms = 0 if tries < 3 else min(RETRY_MS << min(tries - 3, 10), RETRY_MAX_MS)
    pause_ms = max(pause_ms, PAUSE_MS.get(owed.failed_for, 0))
    return pause_ms == 0 or now_ms - owed.last_attempt_ms >= pause_ms


def _settled(state: DeskState, owed: Exit, now_ms: int) -> ev.ExitSettled:
    return ev.ExitSettled(at_ms=now_ms, account=state.account, key=owed.key, coin=owed.coin, left=owed.owed)


def _attempt(
    settings: DeskSettings, state: DeskState, owed: Exit, side: Side, size: Decimal, now_ms: int, market: Market
) -> list[ev.Event]:
    position = state.position(owed.coin)
    touch = market.touch(owed.coin, side) or _fallback_px(position, market)
    if touch is None or market.rules.asset(owed.coin) is None:
        return []
    # a stop that fired and found nobody has missed once already
    bps = settings.exit_cap_bps(owed.missed + (owed.why == NOT_FILLED))
    attempt, name = _named(settings, state, owed)
    cap_px = market.rules.exit_cap_px(owed.coin, side, touch, bps)
    leg = ev.LegPlanned(
        at_ms=now_ms,
        account=state.account,
        key=owed.key,
        cloid=name,
        leg="exit",
        attempt=attempt,
        coin=owed.coin,
        side=side,
        size=size,
        limit_px=taken_px(position, side, size, cap_px, touch, market),
        reduce_only=True,
        agent=owed.agent,
        signal_at_ms=owed.at_ms,
    )
    return [leg, *_alarm(state, owed, bps, now_ms)]


def _named(settings: DeskSettings, state: DeskState, owed: Exit) -> tuple[int, str]:
    """The next attempt and its cloid: never one that was used, also where a clock stands still."""
    attempt = state.attempt_after(owed.attempts)
    while (name := cloid(settings.network, settings.address, owed.identity, "exit", attempt)) in state.legs:
        attempt += 1
    return attempt, name


def _fallback_px(position: Position, market: Market) -> Decimal | None:
    """With an empty book the mark, without a mark the entry price: an exit always has a price to try."""
    return market.mark(position.coin) or (position.entry_px or None)


def _alarm(state: DeskState, owed: Exit, bps: Decimal, now_ms: int) -> list[ev.Event]:
    what = f"{owed.coin}: an exit of {plain(owed.owed)}"
    if owed.failed_for:
        code, told = "EXIT_FAILED", owed.failed == 2
        text = f"{what} failed {owed.failed} times, {owed.failed_for} at last, and goes on"
    else:
        code, told = "EXIT_MISSED", bps >= LAST_RESORT_BPS and owed.missed <= 2
        text = f"{what} missed {owed.missed} times and goes on with a cap of 10 %"
    return [ev.AlarmRaised(at_ms=now_ms, account=state.account, key=owed.key, code=code, text=text)] if told else []
