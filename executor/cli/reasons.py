"""What every reason code means, in plain words: one table for ``explain`` and for the documentation.

Each text is one sentence with one colon: what it means, then what to do. docs/reasons.md is written from here by
``scripts/docs``; tests/test_docs.py finds codes that are used and not told of.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from executor.core.verdict import REASONS as _VERDICTS
from executor.hyperliquid.signer_policy import REASONS as _SIGNER
from executor.risk.reasons import REASONS as _RULES

_FRAMES = {
    "BAD_NUMBER": "A number in the frame is no exact, finite decimal: the sender has to send another.",
    "BAD_SIDE": "The side is none of LONG, SHORT, BUY and SELL: the sender has to name one.",
    "BAD_TEXT": "A text in the frame is empty, too long or holds control characters: the sender has to mend it.",
    "BAD_TIMESTAMP": (
        "A time in the frame cannot be read, or lies outside of the years 2000 to 2099: the sender has to mend it."
    ),
    "DUPLICATE_KEY": "The frame holds one key twice, so it could be read in two ways: the sender has to send one.",
    "FIELD_CONFLICT": "Two fields of the frame that mean the same say different things: the sender has to choose one.",
    "FRAME_TOO_LARGE": "The frame is larger than any action can be: look at it with export-frames.",
    "INVALID_JSON": "The frame is malformed, no JSON at all: look at it with export-frames.",
    "MISSING_FIELD": "The frame lacks a field that this action needs: the sender has to add it.",
    "NOT_AN_OBJECT": "The frame is JSON, but no object: nothing to do here, the sender has to mend it.",
    "NOT_POSITIVE": "A size or price in the frame is not above zero: the sender has to mend it.",
    "NOT_UTF8": "The frame is binary and no UTF-8 text: nothing to do here, the sender has to mend it.",
    "OUT_OF_RANGE": "A number in the frame is beyond what any market allows: the sender has to mend it.",
    "TOO_DEEP": "The frame is nested more deeply than any action: look at it with export-frames.",
    "UNSUPPORTED_ACTION": "The action is none of the three that are traded: nothing to do.",
    "UNSUPPORTED_EXCHANGE": "The action is meant for another exchange: nothing to do.",
    "UNSUPPORTED_MESSAGE": "The message is no action: nothing to do.",
    "WRONG_TYPE": "A field of the frame has another type than documented: the sender has to mend it.",
}

_DECISIONS = {
    "AFTER_GAP": (
        "Frames of this agent may have been missed, so it only reduces until its book is flat: wait, or set after_gap."
    ),
    "AMBIGUOUS_SYMBOL": (
        "The symbol could mean several markets, or counts in another unit: the sender should use the venue's own name."
    ),
    "CLOSED_BEFORE_SENT": (
        "The order was still waiting when a later action closed what it would have opened: nothing to do."
    ),
    "DELISTED_SYMBOL": "The venue no longer trades this coin: nothing to do.",
    "EXIT_BELOW_MINIMUM": (
        "Our share of the exit is smaller than the venue's smallest order: it leaves when the agent closes all."
    ),
    "FLATTENED": "The account was flattened, so entries are stopped: `executor resume` lets them go.",
    "LEVERAGE_UNCONFIRMED": (
        "The coin's leverage could not be set and confirmed, so nothing was opened: the detail says why."
    ),
    "LEVERAGE_UNREADABLE": (
        "The coin's leverage could not be read from the venue: check the connection; the next entry asks again."
    ),
    "LEVERAGE_DIFFERS": (
        "The venue shows another leverage than was set: nobody else should change it; the next entry sets it again."
    ),
    "NOT_PENDING": "The action's status says that it was already carried out, or given up: nothing to do.",
    "NOT_RECONCILED": "The account could not be read completely yet: entries wait for that, exits do not.",
    "NO_ID": "The frame carries no id, so a repeat could not be told from a new action: the sender has to add one.",
    "NO_POSITION": (
        "The action needs a position of this agent, and there is none: nothing to do; see why its entry did not come."
    ),
    "STOP_WOULD_FIRE": (
        "A stop that waits for this entry is crossed already and would close it at once: send a stop that fits."
    ),
    "NO_QUOTE": "The venue showed no price to trade at: check the coin's market.",
    "NO_ROUTE": "No route of the configuration takes this agent's actions to an account: add one under routes.",
    "LEVERAGE_HELD": "The coin is held at more leverage than max_leverage allows: raise the limit, or close it first.",
    "OPPOSITE_HELD": (
        "On this account another agent holds the other side of the coin: route the two to accounts of their own."
    ),
    "PAUSED": "Entries are paused, exits and stops go on: `executor resume` lets entries go.",
    "QUOTE_DEPTH": (
        "The best level of the book holds less than quote_check.min_depth_pct of the entry: trade smaller, or lower it."
    ),
    "QUOTE_DIVERGENCE": (
        "The book is further from the price the signal names than quote_check.max_divergence_bps: wait, or raise it."
    ),
    "QUOTE_STALE": (
        "The quote was older than quote_check.max_age_s and could not be read anew: check the way to the venue."
    ),
    "SERVER_EXECUTION": (
        "The platform says it executes this action itself, and doing it too would trade twice: switch that off there."
    ),
    "SERVER_EXECUTION_UNSTATED": (
        "The action does not say who executes it: set the source's server_execution to execute if you do."
    ),
    "SIGNER_CONFLICT": "Someone else signs with this key: stop that, then `executor reset signer_conflict`.",
    "STALE": (
        "The entry is older than entry_ttl_s allows, exits never are: check the machine's clock and the way "
        "to the source."
    ),
    "STAMP_IN_FUTURE": "The action is stamped more than 5 s ahead of the venue's time: the sender's clock is wrong.",
    "STRATEGY_DECLINED": "The strategy wants no trade for this action: nothing to do.",
    "STRATEGY_FAILED": "The strategy failed or took too long, so nothing was opened: mend it; its words stand beside.",
    "STRATEGY_ODD": (
        "The strategy wanted no single trade of this coin and side, or a bracket that closes it at once: mend it."
    ),
    "SUPERSEDED": "A later action of this agent and coin came first, this one is out of date: nothing to do.",
    "SUSPECTED_DUPLICATE": (
        "The same trade came twice in two shapes within 2 s and is taken for one: compare the two in the journal."
    ),
    "SYMBOL_OWNED": (
        "On this account some of the coin's position was not opened by us: use another account, or close it."
    ),
    "UNKNOWN_SYMBOL": "The venue lists no such coin: the sender should use the venue's own name.",
    "UNPROVEN": (
        "Whether this action was executed before could not be looked up, so nothing was opened: check the "
        "venue's reach."
    ),
    "UNSENDABLE": "The order could not be put into the venue's form: its detail stands beside; report this.",
    "WRONG_SIDE": (
        "A stop or target must close the position, this one would add to it: the sender has to turn its side."
    ),
}

_VENUE = {
    "ACCOUNT_MODE_LOCKED": "The venue does not allow this change of the account's mode: nothing to do.",
    "ADDRESS_BUDGET_EXHAUSTED": "The account has used up its requests, one per dollar traded: trade, or send fewer.",
    "BATCH_TOO_LARGE": "The venue does not take so many orders at once: report this.",
    "BUILDER_FEE_NOT_APPROVED": "The account has not approved the builder's fee: approve it on the venue.",
    "EMPTY_BATCH": "The request held no orders: report this.",
    "EXPIRED": "The request reached the venue after its expiry: check the network, or raise order_expiry_s.",
    "INSUFFICIENT_MARGIN": "The account has too little free margin: deposit, or trade smaller.",
    "INSUFFICIENT_SPOT_BALANCE": "The spot balance is too small: deposit.",
    "INVALID_LEVERAGE": "The venue does not allow this leverage for the coin: lower it.",
    "INVALID_PRICE": "The venue did not take the price: report this.",
    "INVALID_SIZE": "The venue did not take the size: report this.",
    "INVALID_TRIGGER_PX": (
        "The venue did not take the trigger price, it lies on the wrong side of the market: the sender has to mend it."
    ),
    "IOC_NO_MATCH": "Nobody sold or bought within the price cap: raise the slippage, or leave it.",
    "ISOLATED_MARGIN_SHORT": (
        "The position's margin is too small for a lower leverage: add margin, or keep the leverage."
    ),
    "ISOLATED_ONLY": "The coin cannot be traded with cross margin: set margin_mode to isolated.",
    "MALFORMED_REQUEST": "The venue could not read the request: report this.",
    "MARGIN_MODE_LOCKED": "The margin mode cannot change while the coin has a position: close it, or keep the mode.",
    "MARGIN_TIER_LIMIT": "The position would be too large for the leverage: lower one of the two.",
    "MIN_NOTIONAL": "The order is smaller than the venue's minimum of $10: trade larger.",
    "MODIFY_GONE": "The order to change is cancelled or filled already: nothing to do.",
    "MULTI_SIG_REQUIRED": "The account needs several signatures, which this program cannot give: use another account.",
    "NONCE_TOO_HIGH": "The request's number is too far ahead: set the machine's clock.",
    "NONCE_TOO_LOW": "The request's number is too old: set the machine's clock.",
    "NOT_DEPOSITED": "The account was never funded: deposit.",
    "NO_LIQUIDITY": "The book is empty: wait, or leave the coin.",
    "OPEN_INTEREST_CAPPED": "The venue lets nobody open more of this coin at the moment: wait.",
    "OPEN_INTEREST_CAPPED_PRICE": "The venue takes no such price while nobody may open more of this coin: wait.",
    "OPEN_INTEREST_TOO_FAST": "The venue lets this coin's open interest grow only slowly: trade smaller, or wait.",
    "ORDER_GONE": "The order was never placed, or is cancelled or filled already: nothing to do.",
    "POST_ONLY_PERIOD": "After an upgrade the venue takes only post-only orders for a while: wait.",
    "POST_ONLY_WOULD_MATCH": "A post-only order would have matched at once: nothing to do.",
    "PRIORITY_BALANCE": "The balance does not pay for a priority order: deposit.",
    "REDUCE_ONLY_SPOT": "Reduce-only means nothing on a spot market: report this.",
    "REDUCE_ONLY_WOULD_INCREASE": "There is nothing left to reduce on the venue: nothing to do.",
    "SCHEDULED_CANCEL_VOLUME": "The venue schedules cancels only for accounts that traded enough: nothing to do.",
    "SIGNATURE_UNRECOVERABLE": "The venue could not read the signature: report this.",
    "SIGNER_UNKNOWN": (
        "The venue does not know the signer: approve it as the account's API wallet, then `executor doctor`."
    ),
    "TICK_SIZE": "The price is off the venue's grid: report this.",
    "TOO_FAR_FROM_ORACLE": "The price is too far from the oracle's: lower the slippage.",
    "TOO_FAR_FROM_REFERENCE": "The price is too far from the reference price: the sender has to name another.",
    "TOO_MANY_AGENTS": "The account has as many API wallets as the venue allows: remove one there.",
    "TOO_MANY_OPEN_ORDERS": "The account has as many open orders as the venue allows: cancel some.",
    "TOO_MANY_SUB_ACCOUNTS": "The master has as many sub-accounts as the venue allows: nothing to do.",
    "TWAP_DURATION": "The venue does not take a TWAP of this length: nothing to do, none is sent by this program.",
    "TWAP_GONE": "The TWAP is over or never was: nothing to do, none is sent by this program.",
    "TWAP_TOO_SMALL": "The TWAP is too small: nothing to do, none is sent by this program.",
    "UNIFIED_ACCOUNT": "The venue does not allow this for a unified account: see `executor doctor`.",
    "VAULT_NOT_PERMITTED": "The signer may not act for this vault: use the key of its leader.",
    "VAULT_UNKNOWN": "The venue does not know the vault or sub-account: check accounts[].address.",
    "VENUE_REJECTED_OTHER": "The venue said no in words that are in no table: they stand beside; report them.",
    "WRONG_NETWORK_SIGNATURE": "The request was signed for another network: check hyperliquid.network.",
    "ZERO_SIZE": "The order's size was zero: report this.",
}

_ENDINGS = {
    "ABSENT": "It never happened, past its expiry neither orders nor fills of the venue know it: nothing to do.",
    "CANCELED": "The order was cancelled before it filled, often because a newer one replaced it: nothing to do.",
}

_UNKNOWN = {
    "ANSWER_COUNT": "The answer does not fit the request: each order is looked up.",
    "ANSWER_ODD": "The answer does not fit the request: the order is looked up.",
    "DUPLICATE_NONCE": (
        "The venue has seen this request's number before, so it or someone else's was executed: it is looked up."
    ),
    "HTTP_STATUS": "The venue's answer says nothing about the order: it is looked up.",
    "IP_RATE_LIMITED": (
        "The venue answers no more requests of this address for a minute: run fewer clients behind it; it is looked up."
    ),
    "NOT_SENT": "The request could not be sent: the same bytes are tried again until it expires.",
    "NO_ANSWER": "No answer came in time: the order is looked up.",
    "RESEND_ERROR": "The error speaks of the repeated request alone: the order is looked up.",
    "UNREADABLE_ANSWER": "The answer could not be read: the order is looked up.",
    "UNREADABLE_RECORD": "The answer about this order could not be read: it is looked up.",
    "VENUE_UNAVAILABLE": "The venue was not available: the order is looked up.",
    "WAITS_FOR_ENTRY": "A stop or target waits for an entry that has not filled whole: it is looked up.",
}

_ALARMS = {
    "ABSENT_APPEARED": (
        "An order that was proved absent is told by the venue after all: it counts; check the account, report this."
    ),
    "CANCEL_REFUSED": (
        "The venue refused a cancel three times, and not for there being no such order: it goes on; remove the reason."
    ),
    "CHANNEL_REFUSED": (
        "A source's channel was refused for good and hears nothing any more: do what stands beside, then restart."
    ),
    "EXIT_FAILED": (
        "An exit failed twice for another reason than its price, which stands beside: it goes on; remove that reason."
    ),
    "EXIT_MISSED": "An exit missed twice and goes on with a price cap of 10 %: look at the coin's market.",
    "FILL_UNCONFIRMED": (
        "The venue answered that an order filled, and neither fills nor position show it: it does not count; check it."
    ),
    "ID_CONFLICT": "A known id came with another content, nothing was done: ask the sender which of the two is meant.",
    "LEDGER_BEHIND": "The ledger is an older copy, the venue knows more: each action is looked up before it may open.",
    "LEDGER_FAILED": (
        "The ledger cannot be written: nothing is opened, exits and stops go on unrecorded; free the disk and restart."
    ),
    "LIQUIDATED": "The venue liquidated a position of this account: look at leverage, margin and stops.",
    "PROTECTION_REJECTED": "The venue refused a stop or target, its words stand beside: correct the trigger price.",
    "STOP_BEYOND_LIQUIDATION": (
        "The stop lies behind the liquidation price and would never fire: move it, or add margin."
    ),
    "STOP_NOT_FILLED": (
        "A stop fired and its order found nobody to trade with: the position is closed now, wider; look at the market."
    ),
    "STOP_CROSSED": "The market was beyond the stop already, so the position is closed now: nothing to do.",
    "TASK_FAILED": "A part of the worker failed, its words stand beside: report this; a restart recovers.",
    "UNPROTECTED": (
        "A position that should have a stop has had none for after_s: see protection.policy, or set one on the venue."
    ),
    "UNROUTED": (
        "What an agent holds no route or configured account closes any more: bring route or account back, or close it."
    ),
}

_ANOMALIES = {
    "ILLEGAL_STEP": (
        "A fact came that cannot follow on where the order stood, and state was left alone: nothing to do; report it."
    ),
    "RESTLESS": "The steps of an account did not come to rest in one turn: report this.",
}

_CHANNELS = {
    "AGENT_NOT_FOUND": "The server knows no such agent of this user: check its id and the credentials, then restart.",
    "BAD_GATEWAY": "Something before the server failed: it is tried again.",
    "BAD_REQUEST": "The server did not take the handshake: check the source's url and ids.",
    "CLOSED_NORMALLY": "The server closed the channel: it is opened again.",
    "CLOSED_UNKNOWN_CODE": "The server closed with a code nobody documented: it is tried again, slowly.",
    "CLOSED_WITHOUT_CODE": "The server closed without a code: it is opened again.",
    "CONNECTION_LOST": "The connection broke: it is opened again.",
    "FORBIDDEN": (
        "The server refused the credentials for good: check that key, secret, token and ids belong together, "
        "then restart."
    ),
    "GOING_AWAY": "The server goes away: it is tried again.",
    "HANDSHAKE_FAILED": "What answered is no websocket server: check the source's url.",
    "HANDSHAKE_REFUSED": "The server refused the handshake: check the source's url and ids.",
    "INVALID_DATA": "The server says we sent unreadable text: it is tried again, slowly.",
    "MESSAGE_TOO_BIG": "A message was larger than allowed: it is tried again, slowly.",
    "MISSING_EXTENSION": "The server wants an extension we do not have: it is tried again, slowly.",
    "MUTE": "The socket was open and carried nothing any more: it was closed, and is opened anew.",
    "NOT_FOUND": "The server knows no such channel: check the source's url and ids.",
    "POLICY_VIOLATION": (
        "The server closed for good (1008): check the credentials and that this user has at most 10 "
        "connections, then restart."
    ),
    "PROTOCOL_ERROR": "The server says we broke the protocol: it is tried again, slowly.",
    "PROXY_REFUSED": "The proxy wants credentials: check them.",
    "REDIRECTED": "The server moved, and credentials are never sent after it: set url to the new address.",
    "SERVER_ERROR": "The server failed, or stopped answering pings: it is tried again.",
    "SERVER_RESTART": "The server restarts: it is tried again.",
    "SERVER_UNAVAILABLE": "The server is not available (HTTP 5xx): it is tried again.",
    "SILENT": "Nothing was heard for too long: the channel is opened anew.",
    "SOURCE_FAILED": "The source ended by a mistake, its words stand beside: report it; it starts again if it can.",
    "TAKEN_OVER": "Another client took this agent's one connection: stop it; after a long pause it is tried again.",
    "TIMEOUT": "No answer came in time: it is tried again.",
    "TOKEN_UNREACHABLE": "A new token was needed and could not be had: check the source's url; it is tried again.",
    "TOO_MANY_REQUESTS": "The server asks for patience (HTTP 429): it is tried again, slowly.",
    "TRY_AGAIN_LATER": "The server asks for patience: it is tried again, slowly.",
    "UNAUTHORIZED": "The server does not know the credentials: check them and restart.",
    "UNREACHABLE": "The server cannot be reached: check network and url; it is tried again.",
    "UNSUPPORTED_DATA": "The server takes no such data: it is tried again, slowly.",
}

_CAUSES = {
    "foreign position": (
        "The account holds a position no order of ours opened: it is left alone, and its coin takes no entries."
    ),
    "closed elsewhere": "A position is gone without a fill we were told of: nothing to do; what protected it is swept.",
    "unconfirmed fill": (
        "The venue answered that an order filled, and fills and position do not show it: the position counts; check it."
    ),
    "canceled elsewhere": (
        "An order of ours was cancelled by someone else, or by the venue: nothing to do; what protects is placed again."
    ),
    "expired": "An order of ours was out too long to happen any more, and did not: nothing to do; exits go again.",
    "foreign order": "Someone else placed an order on the account: nothing to do; it is left alone.",
    "forgotten order": (
        "The venue lists an order of ours that the ledger lacks: nothing to do; a trigger goes once its coin is flat."
    ),
    "changed elsewhere": "A position changed without a fill we were told of: nothing to do; the venue's size stands.",
    "manual trade": "Someone traded on the account by hand: nothing to do; the venue's size stands.",
    "stop fired": "A stop of ours fired: nothing to do.",
    "target fired": "A target of ours fired: nothing to do.",
    "liquidation": "The venue liquidated: look at leverage and stops.",
}


class Origin(NamedTuple):
    """Where codes come from: a sentence for people, and the codes with their meanings."""

    told: str
    codes: Mapping[str, str]


ORIGINS: Mapping[str, Origin] = MappingProxyType(
    {
        "malformed": Origin("a frame that is no action of ours; recorded, nothing is done (`FrameRefused`)", _FRAMES),
        "refused": Origin(
            "our own no, before anything is sent "
            "(`ActionRefused`, `QuoteRejected`, `SignerRefused`, `LegDropped`, `LeverageFailed`, `EntryJudged`)",
            {**_DECISIONS, **_RULES, **_VERDICTS, **_SIGNER},
        ),
        "rejected": Origin("the venue's readable no (`LegRejected`)", _VENUE),
        "unknown": Origin("sent, and nobody knows yet whether it happened (`LegUnknown`)", _UNKNOWN),
        "ended": Origin("how an order ended that never filled (`LegAbsent`, `LegEnded`)", _ENDINGS),
        "alarm": Origin("something a person should know now (`AlarmRaised`, and the notifiers)", _ALARMS),
        "anomaly": Origin("a fact that does not fit; state was left alone (`AnomalyNoted`)", _ANOMALIES),
        "channel": Origin("why a source's channel closed (`SourceChanged`)", _CHANNELS),
        "difference": Origin("how our picture and the venue's differed (`DifferenceFound`)", _CAUSES),
    }
)
"""Every code once, under where it comes from first."""

ALSO_ALARMS = frozenset(
    {"SIGNER_CONFLICT", "SUPERSEDED", "SUSPECTED_DUPLICATE", "SYMBOL_OWNED", "UNSENDABLE", "WRONG_SIDE"}
)
"""Refusals that a person is told of at once: a stop or target among them leaves a position as it was."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {code: text for origin in ORIGINS.values() for code, text in origin.codes.items()}
)
"""Plain words by reason code."""


def meaning(reason: str | None) -> str:
    """What a reason code means; empty for none and for those of other people's plugins."""
    return MEANINGS.get(reason or "", "") or MEANINGS.get((reason or "").upper(), "")
