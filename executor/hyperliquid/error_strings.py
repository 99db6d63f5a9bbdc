"""Every error string of the venue with our reason code: one table that the worker reads and the paper exchange writes.

Source: hyperliquid.md sections 2.6 and 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

STATUS_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "rejected": "VENUE_REJECTED_OTHER",
        "tickRejected": "TICK_SIZE",
        "minTradeNtlRejected": "MIN_NOTIONAL",
        "perpMarginRejected": "INSUFFICIENT_MARGIN",
        "reduceOnlyRejected": "REDUCE_ONLY_WOULD_INCREASE",
        "badAloPxRejected": "POST_ONLY_WOULD_MATCH",
        "iocCancelRejected": "IOC_NO_MATCH",
        "badTriggerPxRejected": "INVALID_TRIGGER_PX",
        "marketOrderNoLiquidityRejected": "NO_LIQUIDITY",
        "positionIncreaseAtOpenInterestCapRejected": "OPEN_INTEREST_CAPPED",
        "positionFlipAtOpenInterestCapRejected": "OPEN_INTEREST_CAPPED",
        "tooAggressiveAtOpenInterestCapRejected": "OPEN_INTEREST_CAPPED_PRICE",
        "openInterestIncreaseRejected": "OPEN_INTEREST_TOO_FAST",
        "insufficientSpotBalanceRejected": "INSUFFICIENT_SPOT_BALANCE",
        "oracleRejected": "TOO_FAR_FROM_ORACLE",
        "perpMaxPositionRejected": "MARGIN_TIER_LIMIT",
        "tooManyOpenOrdersRejected": "TOO_MANY_OPEN_ORDERS",
    }
)
"""Orders rejected at placement: the state in the history and the reason code of the error that came with it."""


class ErrorText(NamedTuple):
    """One string of the venue's. ``{names}`` vary; ``per_order`` strings end live with `` asset=N``."""

    reason: str
    template: str
    per_order: bool = False


FALLBACK_REASON = "VENUE_REJECTED_OTHER"
DUPLICATE_NONCE = "DUPLICATE_NONCE"

_ORDER_ERRORS = (
    ("TICK_SIZE", "Price must be divisible by tick size."),
    ("INVALID_PRICE", "Order has invalid price."),
    ("INVALID_SIZE", "Order has invalid size."),
    ("ZERO_SIZE", "Order has zero size."),
    ("MIN_NOTIONAL", "Order must have minimum value of $10."),
    ("MIN_NOTIONAL", "Order must have minimum value of {minimum}."),
    ("INSUFFICIENT_MARGIN", "Insufficient margin to place order."),
    ("REDUCE_ONLY_WOULD_INCREASE", "Reduce only order would increase position."),
    ("POST_ONLY_WOULD_MATCH", "Post only order would have immediately matched, bbo was {bid}@{ask}."),
    ("IOC_NO_MATCH", "Order could not immediately match against any resting orders."),
    ("INVALID_TRIGGER_PX", "Invalid TP/SL price."),
    ("NO_LIQUIDITY", "No liquidity available for market order."),
    ("OPEN_INTEREST_CAPPED", "Order would increase open interest while open interest is capped"),
    ("OPEN_INTEREST_CAPPED", "Cannot increase position when open interest is at cap."),
    ("OPEN_INTEREST_CAPPED", "Cannot flip position when open interest is at cap."),
    (
        "OPEN_INTEREST_CAPPED_PRICE",
        "Order rejected due to price more aggressive than oracle while at open interest cap",
    ),
    ("OPEN_INTEREST_TOO_FAST", "Order would increase open interest too quickly"),
    ("OPEN_INTEREST_TOO_FAST", "Open interest is increasing too quickly. Try again in a few seconds."),
    ("INSUFFICIENT_SPOT_BALANCE", "Insufficient spot balance"),
    ("INSUFFICIENT_SPOT_BALANCE", "Order has insufficient spot balance to trade"),
    ("TOO_FAR_FROM_ORACLE", "Price too far from oracle"),
    ("TOO_FAR_FROM_ORACLE", "Order price too far from oracle"),
    ("TOO_FAR_FROM_REFERENCE", "Order price cannot be more than 80% away from the reference price"),
    ("TOO_FAR_FROM_REFERENCE", "Order price cannot be more than 95% away from the reference price"),
    ("MARGIN_TIER_LIMIT", "Order would cause position to exceed margin tier limit at current leverage"),
    ("MARGIN_TIER_LIMIT", "Order would exceed maximum position size for current leverage."),
    ("TOO_MANY_OPEN_ORDERS", "Too many open orders."),  # our wording: the venue's is unknown (U5)
    ("BUILDER_FEE_NOT_APPROVED", "Builder fee has not been approved."),
    ("PRIORITY_BALANCE", "Insufficient delegatable balance for priority order"),
    ("POST_ONLY_PERIOD", "Only post-only orders allowed immediately after network upgrade"),
    ("POST_ONLY_PERIOD", "Only post-only orders allowed immediately after a network upgrade"),
    ("REDUCE_ONLY_SPOT", "Reduce-only is invalid for spot trading."),
    ("MODIFY_GONE", "Cannot modify canceled or filled order"),
    ("ORDER_GONE", "Order was never placed, already canceled, or filled."),
)
"""One order's or cancel's, section 2.6; where two wordings are known the one we write comes first."""

_ACTION_ERRORS = (
    ("EMPTY_BATCH", "Orders are empty."),
    ("TWAP_DURATION", "Invalid TWAP duration: {minutes} min(s)"),
    ("TWAP_TOO_SMALL", "TWAP order value too small. Min is {minimum}."),
    ("TWAP_GONE", "TWAP was never placed, already canceled, or filled."),
    ("SIGNER_UNKNOWN", "User or API Wallet {address} does not exist."),
    ("NOT_DEPOSITED", "Must deposit before performing actions. User: {address}"),
    ("SIGNATURE_UNRECOVERABLE", "Unable to recover signer."),
    ("WRONG_NETWORK_SIGNATURE", "Mainnet and testnet require different signature."),
    ("MULTI_SIG_REQUIRED", "Multi-sig required"),
    (DUPLICATE_NONCE, "Invalid nonce: duplicate nonce {nonce}"),
    ("NONCE_TOO_LOW", "Invalid nonce: nonce too low {nonce} < {limit}"),
    ("NONCE_TOO_HIGH", "Invalid nonce: nonce too high {nonce} > {limit}"),
    ("EXPIRED", "Action already expired"),
    ("VAULT_UNKNOWN", "Vault not registered: {address}"),
    ("VAULT_NOT_PERMITTED", "Vault may not perform this action."),
    ("BATCH_TOO_LARGE", "Signed action over weight limit of 200."),
    (
        "ADDRESS_BUDGET_EXHAUSTED",
        (
            "Too many cumulative requests sent ({used} > {cap}) for cumulative volume traded ${volume}. "
            "Place taker orders to free up 1 request per USDC traded."
        ),
    ),
    ("INVALID_LEVERAGE", "Invalid leverage value"),
    (
        "ISOLATED_MARGIN_SHORT",
        (
            "Isolated position does not have sufficient margin available to decrease leverage. "
            "To decrease leverage, add margin to the position."
        ),
    ),
    ("MARGIN_MODE_LOCKED", "Cannot switch leverage type with open position."),
    ("ISOLATED_ONLY", "Cross margin is not allowed for this asset."),  # our wording (U5)
    (
        "SCHEDULED_CANCEL_VOLUME",
        "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: ${volume}.",
    ),
    ("TOO_MANY_AGENTS", "Too many extra agents for cumulative volume traded. Current limit is {limit}"),
    ("TOO_MANY_SUB_ACCOUNTS", "Too many sub-accounts."),
    ("UNIFIED_ACCOUNT", "Action disabled when unified account is active"),
    ("ACCOUNT_MODE_LOCKED", "Abstraction transition not allowed"),
)
"""The whole action's, sections 2.6 (empty batch, TWAP) and 2.7."""

ERROR_REASONS: tuple[ErrorText, ...] = (
    *(ErrorText(reason, template, per_order=True) for reason, template in _ORDER_ERRORS),
    *(ErrorText(reason, template) for reason, template in _ACTION_ERRORS),
)
"""Ordered: the first row whose fixed beginning fits a string gives its reason."""

NOTHING_HAPPENED: frozenset[str] = frozenset({row.reason for row in ERROR_REASONS} | {FALLBACK_REASON}) - {
    DUPLICATE_NONCE
}
"""Answered to a first send, these prove that the action changed nothing. A duplicate nonce proves only that something
was executed under it: perhaps this very action."""

_OLD_PREFIX = "l1 error: "
_BEGINNINGS = tuple((row.template.partition("{")[0].rstrip(". ").casefold(), row.reason) for row in ERROR_REASONS)
_TEMPLATES = {row.reason: row for row in reversed(ERROR_REASONS)}


def reason_for(text: str) -> str:
    """The reason code of an error string, whatever follows its fixed beginning; ``VENUE_REJECTED_OTHER`` if new."""
    folded = text.strip().casefold().removeprefix(_OLD_PREFIX)
    return next((reason for beginning, reason in _BEGINNINGS if folded.startswith(beginning)), FALLBACK_REASON)


def reason_of_status(status: str) -> str:
    """The reason code of an order state that means rejected at placement."""
    return STATUS_REASONS.get(status, FALLBACK_REASON)


def status_for(reason: str) -> str:
    """The order state the history shows for an order rejected for this reason."""
    return next((status for status, known in STATUS_REASONS.items() if known == reason), "rejected")


def error_text(reason: str, *, asset_id: int | None = None, **params: object) -> str:
    """The venue's string for a reason code, as sent live; ``KeyError`` for a code or parameter not in the table."""
    row = _TEMPLATES[reason]
    suffix = f" asset={asset_id}" if row.per_order and asset_id is not None else ""
    return row.template.format(**params) + suffix
