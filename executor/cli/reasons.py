"""What every reason code means, in plain words: one table for ``explain`` and for the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from executor.core.verdict import REASONS as _VERDICTS
from executor.risk.reasons import REASONS as _RULES

_FRAMES = {
    "AMBIGUOUS_SYMBOL": "The symbol could mean several markets, or counts in another unit: use the venue's own name.",
    "BAD_NUMBER": "A number in the frame is no exact, finite decimal.",
    "BAD_SIDE": "The side is none of LONG, SHORT, BUY and SELL.",
    "BAD_TEXT": "A text in the frame is empty, too long or holds control characters.",
    "BAD_TIMESTAMP": "A time in the frame cannot be read, or lies outside of the years 2000 to 2099.",
    "DELISTED_SYMBOL": "The venue no longer trades this coin.",
    "DUPLICATE_KEY": "The frame holds one key twice, so it could be read in two ways.",
    "FIELD_CONFLICT": "Two fields of the frame that mean the same say different things.",
    "FRAME_TOO_LARGE": "The frame is larger than any action can be.",
    "INVALID_JSON": "The frame is malformed: it is no JSON.",
    "MISSING_FIELD": "The frame lacks a field that this action needs.",
    "NOT_AN_OBJECT": "The frame is JSON, but no object.",
    "NOT_POSITIVE": "A size or price in the frame is not above zero.",
    "NOT_UTF8": "The frame is binary and no UTF-8 text.",
    "OUT_OF_RANGE": "A number in the frame is beyond what any market allows.",
    "TOO_DEEP": "The frame is nested more deeply than any action.",
    "UNKNOWN_SYMBOL": "The venue lists no such coin.",
    "UNSUPPORTED_ACTION": "The action is none of the three that are traded.",
    "UNSUPPORTED_EXCHANGE": "The action is meant for another exchange.",
    "UNSUPPORTED_MESSAGE": "The message is no action.",
    "WRONG_TYPE": "A field of the frame has another type than documented.",
}

_DECISIONS = {
    "AFTER_GAP": "Frames of this agent may have been missed; until its book is flat, only exits are taken.",
    "CLOSED_BEFORE_SENT": "The order was still waiting when a later action closed what it would have opened.",
    "EXIT_BELOW_MINIMUM": "Our share of the exit is smaller than the venue's smallest order; it waits for the rest.",
    "FLATTENED": "The account was flattened: entries are stopped until `executor resume`.",
    "LEVERAGE_UNCONFIRMED": "The coin's leverage could not be set and confirmed, so nothing was opened.",
    "LEVERAGE_UNREADABLE": "The coin's leverage could not be read from the venue.",
    "LEVERAGE_DIFFERS": "The venue shows another leverage than the one that was set.",
    "NOT_PENDING": "The action's status says that it was already carried out, or given up.",
    "NOT_RECONCILED": "The account could not be read completely yet; entries wait for that, exits do not.",
    "NO_ID": "The frame carries no id, so a repeat could not be told from a new action.",
    "NO_POSITION": "The action needs a position of this agent, and there is none.",
    "NO_QUOTE": "The venue showed no price to trade at.",
    "NO_ROUTE": "No route of the configuration takes this agent's actions to an account.",
    "PAUSED": "Entries are paused: `executor resume` lets them go. Exits and stops go on.",
    "SERVER_EXECUTION": "The platform says it executes this action itself; doing it too would trade twice.",
    "SERVER_EXECUTION_UNSTATED": "The action does not say who executes it, and server_execution is set to skip.",
    "SIGNER_CONFLICT": "Someone else signs with this key: stop that, then `executor reset signer_conflict`.",
    "STALE": "The entry is older than entry_ttl_s allows. Exits are never too old.",
    "STAMP_IN_FUTURE": "The action is stamped more than 5 s ahead of the venue's time.",
    "STRATEGY_DECLINED": "The strategy wants no trade for this action.",
    "STRATEGY_FAILED": "The strategy failed or took too long, so nothing was opened.",
    "STRATEGY_ODD": "The strategy wanted something other than one trade of the action's own coin and direction.",
    "SUPERSEDED": "A later action of this agent and coin came first; this one is out of date.",
    "SUSPECTED_DUPLICATE": "The same trade came twice in two shapes within 2 s: taken for one.",
    "SYMBOL_OWNED": "On this account the coin's position belongs to another agent, or was not opened by us.",
    "UNPROVEN": "Whether this action was executed before could not be looked up, so nothing was opened.",
    "UNSENDABLE": "The order could not be put into the venue's form.",
    "WRONG_SIDE": "A stop or target must close the position; this one would add to it.",
}

_VENUE = {
    "ABSENT": "It never happened: past its expiry, and neither orders nor fills of the venue know it.",
    "ADDRESS_BUDGET_EXHAUSTED": "The account has used up its requests; the venue gives one per dollar traded.",
    "BATCH_TOO_LARGE": "The venue does not take so many orders at once.",
    "BUILDER_FEE_NOT_APPROVED": "The account has not approved the builder's fee.",
    "CANCELED": "The order was cancelled before it filled.",
    "DUPLICATE_NONCE": "The venue has seen this request's number before: it, or someone else's, was executed.",
    "EXPIRED": "The request reached the venue after its expiry.",
    "INSUFFICIENT_MARGIN": "The account has too little free margin: deposit, or trade smaller.",
    "INSUFFICIENT_SPOT_BALANCE": "The spot balance is too small.",
    "INVALID_LEVERAGE": "The venue does not allow this leverage for the coin.",
    "INVALID_PRICE": "The venue did not take the price.",
    "INVALID_SIZE": "The venue did not take the size.",
    "INVALID_TRIGGER_PX": "The venue did not take the trigger price: it lies on the wrong side of the market.",
    "IOC_NO_MATCH": "Nobody sold or bought within the price cap: raise the slippage, or leave it.",
    "IP_RATE_LIMITED": "The venue answers no more requests of this address for a minute.",
    "ISOLATED_MARGIN_SHORT": "The position's margin is too small for a lower leverage.",
    "ISOLATED_ONLY": "The coin cannot be traded with cross margin.",
    "MALFORMED_REQUEST": "The venue could not read the request.",
    "MARGIN_MODE_LOCKED": "The margin mode cannot change while the coin has a position.",
    "MARGIN_TIER_LIMIT": "The position would be too large for the leverage: lower one of the two.",
    "MIN_NOTIONAL": "The order is smaller than the venue's minimum of $10.",
    "NOT_DEPOSITED": "The account was never funded.",
    "NO_LIQUIDITY": "The book is empty.",
    "NONCE_TOO_HIGH": "The request's number is too far ahead: set the machine's clock.",
    "NONCE_TOO_LOW": "The request's number is too old: set the machine's clock.",
    "OPEN_INTEREST_CAPPED": "The venue lets nobody open more of this coin at the moment.",
    "OPEN_INTEREST_CAPPED_PRICE": "The venue takes no such price while nobody may open more of this coin.",
    "OPEN_INTEREST_TOO_FAST": "The venue lets this coin's open interest grow only slowly.",
    "ORDER_GONE": "The order was never placed, or is cancelled or filled already.",
    "MODIFY_GONE": "The order to change is cancelled or filled already.",
    "POST_ONLY_PERIOD": "After an upgrade the venue takes only post-only orders for a while.",
    "POST_ONLY_WOULD_MATCH": "A post-only order would have matched at once.",
    "REDUCE_ONLY_WOULD_INCREASE": "There is nothing left to reduce on the venue.",
    "SIGNATURE_UNRECOVERABLE": "The venue could not read the signature.",
    "SIGNER_UNKNOWN": "The venue does not know the signer: approve it as the account's API wallet.",
    "TICK_SIZE": "The price is off the venue's grid.",
    "TOO_FAR_FROM_ORACLE": "The price is too far from the oracle's.",
    "TOO_FAR_FROM_REFERENCE": "The price is too far from the reference price.",
    "TOO_MANY_OPEN_ORDERS": "The account has as many open orders as the venue allows.",
    "UNIFIED_ACCOUNT": "The venue does not allow this for a unified account.",
    "VAULT_NOT_PERMITTED": "The signer may not act for this vault.",
    "VAULT_UNKNOWN": "The venue does not know the vault or sub-account.",
    "VENUE_REJECTED_OTHER": "The venue said no; its own words stand beside.",
    "WRONG_NETWORK_SIGNATURE": "The request was signed for another network.",
    "ZERO_SIZE": "The order's size was zero.",
}

_UNKNOWN = {
    "ANSWER_COUNT": "The answer does not fit the request, so each order is looked up.",
    "ANSWER_ODD": "The answer does not fit the request, so the order is looked up.",
    "HTTP_STATUS": "The venue's answer says nothing about the order, so it is looked up.",
    "NOT_SENT": "The request could not be sent.",
    "NO_ANSWER": "No answer came in time, so the order is looked up.",
    "RESEND_ERROR": "The error speaks of the repeated request alone, so the order is looked up.",
    "UNREADABLE_ANSWER": "The answer could not be read, so the order is looked up.",
    "UNREADABLE_RECORD": "The answer about this order could not be read, so it is looked up.",
    "VENUE_UNAVAILABLE": "The venue was not available, so the order is looked up.",
}

MEANINGS: Mapping[str, str] = MappingProxyType({**_FRAMES, **_DECISIONS, **_RULES, **_VERDICTS, **_VENUE, **_UNKNOWN})
"""Plain words by reason code."""


def meaning(reason: str | None) -> str:
    """What a reason code means; empty for none and for those of other people's plugins."""
    return MEANINGS.get((reason or "").upper(), "")
