"""Whether the quote an entry is priced with can be believed: it is of now, near the signal's own price, deep enough.

Asked before the risk rules, of entries only (issue 4 item 7, after seed 003's quote verifier): an exit takes the price
there is.
"""

from __future__ import annotations

from decimal import Decimal

from executor.core import events as ev
from executor.core.identity import plain
from executor.core.protocols import Market, Proposal
from executor.core.settings import QuoteCheck
from executor.core.signal import Signal
from executor.core.types import ZERO, Quote, Side

_BPS = 10_000
_PCT = 100


def quote_rejected(
    check: QuoteCheck, account: str, signal: Signal, proposal: Proposal, market: Market, now_ms: int
) -> ev.QuoteRejected | None:
    """The quote's rejection with every number; ``None``, and nothing made, where it holds.

    Age is asked first: how far an old price is from the signal's says nothing.
    """
    quote, reference_px = market.quotes[proposal.coin], signal.received.reference_px
    age_ms = market.age_ms(proposal.coin, now_ms)
    problem = _stale(check, age_ms) or _apart(check, proposal, quote, reference_px) or _thin(check, proposal, quote)
    if problem is None:
        return None
    return ev.QuoteRejected(
        at_ms=now_ms,
        account=account,
        key=signal.key,
        coin=proposal.coin,
        side=proposal.side,
        size=proposal.size,
        reason=problem[0],
        detail=problem[1],
        bid=quote.bid,
        ask=quote.ask,
        bid_size=quote.bid_size,
        ask_size=quote.ask_size,
        reference_px=reference_px,
        age_ms=age_ms,
    )


def _stale(check: QuoteCheck, age_ms: int) -> tuple[str, str] | None:
    if check.max_age_ms is None or age_ms <= check.max_age_ms:
        return None
    return ("QUOTE_STALE", f"the quote is {age_ms} ms old, at most {check.max_age_ms} ms are allowed")


def _apart(check: QuoteCheck, proposal: Proposal, quote: Quote, reference_px: Decimal | None) -> tuple[str, str] | None:
    """To either side: also a price that looks too good is not the one the signal speaks of."""
    touch = quote.ask if proposal.side is Side.BUY else quote.bid
    if check.max_divergence_bps is None or touch is None or not reference_px:
        return None  # a signal that names no price diverges from none
    apart = abs(touch - reference_px) * _BPS
    if apart <= check.max_divergence_bps * reference_px:  # multiplied, not divided: the limit is exact
        return None
    text = f"{plain(touch)} is {plain(round(apart / reference_px, 2))} bps from the signal's {plain(reference_px)}"
    return ("QUOTE_DIVERGENCE", f"{text}, at most {plain(check.max_divergence_bps)} bps are allowed")


def _thin(check: QuoteCheck, proposal: Proposal, quote: Quote) -> tuple[str, str] | None:
    """By the best level alone, which is all that is known without a read; a depth nobody knows is none."""
    depth = quote.ask_size if proposal.side is Side.BUY else quote.bid_size
    if check.min_depth_pct is None or (depth or ZERO) * _PCT >= check.min_depth_pct * proposal.size:
        return None
    there = "of unknown size" if depth is None else plain(depth)
    wanted = f"{plain(check.min_depth_pct)} % of {plain(round(proposal.size, 8))}"
    return ("QUOTE_DEPTH", f"the best level is {there}, at least {wanted} {proposal.coin} has to be there")
