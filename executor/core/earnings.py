"""What the account earned: the money the breakers measure, and how trades and entries went, in order.

All of it comes from fills, funding payments and the marks of open positions, so a deposit or a withdrawal is neither a
gain nor a loss, by construction. What happened before the ledger's first read is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from executor.core import events as ev
from executor.core.facts import AccountFact, Fill, Funding
from executor.core.state import DeskState, Leg
from executor.core.types import ZERO
from executor.core.virtual import funding_shared

KEEP_FUNDINGS = 2000
"""How many payments' identities are kept to count each once."""


def _earn(state: DeskState, usd: Decimal, at_ms: int) -> bool:
    """Add to the day and to the whole, where it is not in what they started from; whether it counts at all."""
    if at_ms > state.day.since_ms:
        state.day.realized_usd += usd
    counts = at_ms > state.earnings.since_ms
    if counts:
        state.earnings.realized_usd += usd
    return counts


def answer_earned(state: DeskState, leg: Leg, px: Decimal) -> None:
    """What an answer says was closed counts by our own entry price until its fills tell: they may come late."""
    entry_px = state.position(leg.coin).entry_px
    if leg.reduce_only and leg.told_filled > leg.seen_filled and entry_px > 0:
        state.untold[leg.cloid] = (entry_px - px) * leg.side.sign


def untold_usd(state: DeskState) -> Decimal:
    """The estimated result of what answers told and fills have not, before fees."""
    return sum((usd * _unseen(state.legs.get(name)) for name, usd in state.untold.items()), ZERO)


def _unseen(leg: Leg | None) -> Decimal:
    return ZERO if leg is None else max(leg.told_filled - leg.seen_filled, ZERO)


def forget_told(state: DeskState) -> None:
    """Forget estimates whose fills came, or whose claim was taken back."""
    for name in [name for name in state.untold if not _unseen(state.legs.get(name))]:
        del state.untold[name]


# -- trades -----------------------------------------------------------------------------------------------------


def fill_earned(state: DeskState, fill: Fill) -> None:
    """Count one fill's closed PnL and fee, and close the trade that it ends.

    A trade is one life of a coin's position, from flat to flat or through zero to the other side. Its result is what
    its fills closed, less every fee of it, with the funding seen meanwhile.
    """
    net_usd = fill.closed_pnl_usd - fill.fee_usd
    if not _earn(state, net_usd, fill.at_ms):
        return
    result_usd = state.open_trades.pop(fill.coin, ZERO) + net_usd
    after = fill.start_position + fill.signed_size
    if fill.start_position != 0 and fill.start_position * after <= 0:
        _trade_closed(state, result_usd)
        result_usd = ZERO
    if after != 0:
        state.open_trades[fill.coin] = result_usd


def _trade_closed(state: DeskState, result_usd: Decimal) -> None:
    """A loss lengthens the row, a gain ends it, and what brought nothing is neither."""
    if result_usd < 0:
        state.losses_in_a_row += 1
    elif result_usd > 0:
        state.losses_in_a_row = 0


def _funding_id(funding: Funding) -> str:
    return f"{funding.at_ms}:{funding.coin}"


def funding_events(state: DeskState, fundings: Iterable[Funding], now_ms: int) -> list[ev.Event]:
    """Payments not seen before, oldest first."""
    fresh = {_funding_id(one): one for one in sorted(fundings, key=lambda one: one.at_ms)}
    return [
        ev.FundingSeen(at_ms=now_ms, account=state.account, funding=one)
        for name, one in fresh.items()
        if name not in state.seen_fundings
    ]


def funding_seen(state: DeskState, event: ev.FundingSeen) -> None:
    """Count one payment, once."""
    funding = event.funding
    if _funding_id(funding) in state.seen_fundings:
        return
    state.seen_fundings[_funding_id(funding)] = funding.at_ms
    funding_shared(state, funding)
    state.last_funding_ms = max(state.last_funding_ms, funding.at_ms)
    if _earn(state, funding.usd, funding.at_ms) and funding.coin in state.open_trades:
        state.open_trades[funding.coin] += funding.usd
    if len(state.seen_fundings) > 2 * KEEP_FUNDINGS:
        state.seen_fundings = dict(list(state.seen_fundings.items())[-KEEP_FUNDINGS:])


# -- the peak ---------------------------------------------------------------------------------------------------


def agrees(state: DeskState, fact: AccountFact, skipped: Iterable[str]) -> bool:
    """Whether a read shows just the positions our fills add up to: only then do the two belong together.

    A read that has a close whose fill is still to come would show the loss as gone, and a peak that never was.
    """
    ours = {coin: position.size for coin, position in state.positions.items() if position.size != 0}
    return not tuple(skipped) and ours == {position.coin: position.size for position in fact.positions}


def account_earned(state: DeskState, fact: AccountFact, *, agreed: bool) -> None:
    """Measure the earnings at a read, and remember their highest."""
    earnings = state.earnings
    unrealized_usd = sum((position.unrealized_pnl_usd for position in fact.positions), ZERO)
    state.margin_used_usd = fact.margin_used_usd
    if not earnings.since_ms:
        earnings.since_ms, earnings.start_unrealized_usd = fact.at_ms, unrealized_usd
    elif agreed:
        earnings.index_usd = earnings.realized_usd + untold_usd(state) + unrealized_usd - earnings.start_unrealized_usd
        earnings.peak_usd = max(earnings.peak_usd, earnings.index_usd)


# -- entries ----------------------------------------------------------------------------------------------------


def entry_failed(state: DeskState, leg: Leg) -> None:
    """An entry the venue refused, or whose outcome nobody knows; each order counts once."""
    if leg.kind == "entry":
        state.failures_in_a_row += 1


def entry_worked(state: DeskState, leg: Leg) -> None:
    """An entry that executed, whole or in part, ends the row."""
    if leg.kind == "entry":
        state.failures_in_a_row = 0


# -- resets -----------------------------------------------------------------------------------------------------


def forgive(state: DeskState, rule: str) -> None:
    """A breaker that was reset begins anew: else it would fire again at the next entry, for ever."""
    if rule == "drawdown":
        state.earnings.peak_usd = state.earnings.index_usd
    elif rule == "consecutive_losses":
        state.losses_in_a_row = 0
    elif rule == "consecutive_failures":
        state.failures_in_a_row = 0
