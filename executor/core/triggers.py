"""One protective order as it is planned, and how long its wish waits after a refusal."""

from __future__ import annotations

from decimal import Decimal

from executor.core import events as ev
from executor.core.exits import taken_px
from executor.core.guarded import Guarded
from executor.core.identity import cloid
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.state import DeskState, StopWish, TargetWish
from executor.core.types import closing_side

RETRY_MS = 1_000
"""The pause after a protective order was refused, before it is tried again; it doubles while it is refused."""

RETRY_SOON_MS = 8_000
"""What it grows to at first: a venue that is well again must not be asked half a minute late."""

SOON = 20
"""How many refusals in a row count as at first; about a minute and a half."""

RETRY_MAX_MS = 60_000
"""What it grows to in the end."""


def pause_ms(wish: StopWish | TargetWish) -> int:
    """Longer with every refusal: one the venue never takes must not use up the address's requests."""
    longest_ms = RETRY_SOON_MS if wish.failures <= SOON else RETRY_MAX_MS
    return min(RETRY_MS << min(max(wish.failures - 1, 0), 10), longest_ms)


def trigger_leg(
    settings: DeskSettings,
    state: DeskState,
    part: Guarded,
    kind: ev.LegKind,
    key: str,
    trigger_px: Decimal,
    signal_at_ms: int,
    size: Decimal,
    now_ms: int,
    market: Market,
) -> ev.LegPlanned:
    """The next attempt of a stop or target that closes ``size`` (base units, positive) of a part."""
    side = closing_side(part.owned)
    far_px = market.rules.stop_limit_px(part.coin, side, trigger_px)
    attempt = _next_attempt(state, part, key, kind)
    return ev.LegPlanned(
        at_ms=now_ms,
        account=state.account,
        key=key,
        cloid=cloid(settings.network, settings.address, key, kind, attempt),
        leg=kind,
        attempt=attempt,
        coin=part.coin,
        side=side,
        size=size,
        limit_px=taken_px(state.position(part.coin), side, size, far_px, trigger_px, market),
        reduce_only=True,
        trigger_px=trigger_px,
        agent=part.agent,
        signal_at_ms=signal_at_ms,
    )


def _next_attempt(state: DeskState, part: Guarded, key: str, kind: ev.LegKind) -> int:
    """By the wish's own count, since old legs are forgotten, and by the legs, since the policy's have no wish."""
    wishes = (part.stop,) if kind == "stop" else part.targets
    made = [wish.attempts for wish in wishes if wish is not None and wish.key == key]
    made += [leg.attempt for leg in state.legs.values() if leg.key == key and leg.kind == kind]
    return state.attempt_after(max(made, default=0))
