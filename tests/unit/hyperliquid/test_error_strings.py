"""error_strings.py: one row for every string the venue is known to answer, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from executor.hyperliquid.error_strings import (
    ERROR_REASONS,
    FALLBACK_REASON,
    NOTHING_HAPPENED,
    STATUS_REASONS,
    error_text,
    reason_for,
    reason_of_status,
    status_for,
)

PER_ORDER = [
    ("Price must be divisible by tick size.", "TICK_SIZE"),
    ("Order has invalid price.", "INVALID_PRICE"),
    ("Order has invalid size.", "INVALID_SIZE"),
    ("Order has zero size.", "ZERO_SIZE"),
    ("Order must have minimum value of $10.", "MIN_NOTIONAL"),
    ("Order must have minimum value of 10 USDC.", "MIN_NOTIONAL"),
    ("Insufficient margin to place order.", "INSUFFICIENT_MARGIN"),
    ("Reduce only order would increase position.", "REDUCE_ONLY_WOULD_INCREASE"),
    ("Post only order would have immediately matched, bbo was 1.5@1.6.", "POST_ONLY_WOULD_MATCH"),
    ("Post only order would have immediately matched, bbo was 1.5 @ 1.6", "POST_ONLY_WOULD_MATCH"),
    ("Order could not immediately match against any resting orders.", "IOC_NO_MATCH"),
    ("Invalid TP/SL price.", "INVALID_TRIGGER_PX"),
    ("No liquidity available for market order.", "NO_LIQUIDITY"),
    ("Order would increase open interest while open interest is capped", "OPEN_INTEREST_CAPPED"),
    (
        "Order rejected due to price more aggressive than oracle while at open interest cap",
        "OPEN_INTEREST_CAPPED_PRICE",
    ),
    ("Order would increase open interest too quickly", "OPEN_INTEREST_TOO_FAST"),
    ("Cannot increase position when open interest is at cap.", "OPEN_INTEREST_CAPPED"),
    ("Cannot flip position when open interest is at cap.", "OPEN_INTEREST_CAPPED"),
    ("Open interest is increasing too quickly. Try again in a few seconds.", "OPEN_INTEREST_TOO_FAST"),
    ("Order has insufficient spot balance to trade", "INSUFFICIENT_SPOT_BALANCE"),
    ("Insufficient spot balance", "INSUFFICIENT_SPOT_BALANCE"),
    ("Order price too far from oracle", "TOO_FAR_FROM_ORACLE"),
    ("Price too far from oracle", "TOO_FAR_FROM_ORACLE"),
    ("Order price cannot be more than 80% away from the reference price", "TOO_FAR_FROM_REFERENCE"),
    ("Order price cannot be more than 95% away from the reference price", "TOO_FAR_FROM_REFERENCE"),
    ("Order would cause position to exceed margin tier limit at current leverage", "MARGIN_TIER_LIMIT"),
    ("Order would exceed maximum position size for current leverage.", "MARGIN_TIER_LIMIT"),
    ("Too many open orders.", "TOO_MANY_OPEN_ORDERS"),
    ("Builder fee has not been approved.", "BUILDER_FEE_NOT_APPROVED"),
    ("Insufficient delegatable balance for priority order", "PRIORITY_BALANCE"),
    ("Only post-only orders allowed immediately after network upgrade", "POST_ONLY_PERIOD"),
    ("Only post-only orders allowed immediately after a network upgrade", "POST_ONLY_PERIOD"),
    ("Reduce-only is invalid for spot trading.", "REDUCE_ONLY_SPOT"),
    ("Orders are empty.", "EMPTY_BATCH"),
    ("Cannot modify canceled or filled order", "MODIFY_GONE"),
    ("Order was never placed, already canceled, or filled.", "ORDER_GONE"),
    ("Invalid TWAP duration: 1 min(s)", "TWAP_DURATION"),
    ("TWAP order value too small. Min is $1200, which is $10 per minute.", "TWAP_TOO_SMALL"),
    ("TWAP was never placed, already canceled, or filled.", "TWAP_GONE"),
]
WHOLE_ACTION = [
    ("User or API Wallet 0xabc does not exist.", "SIGNER_UNKNOWN"),
    ("L1 error: User or API Wallet 0xabc does not exist.", "SIGNER_UNKNOWN"),
    ("Must deposit before performing actions. User: 0xabc", "NOT_DEPOSITED"),
    ("Unable to recover signer.", "SIGNATURE_UNRECOVERABLE"),
    ("Mainnet and testnet require different signature.", "WRONG_NETWORK_SIGNATURE"),
    ("Multi-sig required", "MULTI_SIG_REQUIRED"),
    ("Invalid nonce: duplicate nonce 1713825891591", "DUPLICATE_NONCE"),
    ("Invalid nonce: nonce too low 5 < 7", "NONCE_TOO_LOW"),
    ("Invalid nonce: nonce too high 9 > 7", "NONCE_TOO_HIGH"),
    ("Action already expired", "EXPIRED"),
    ("Vault not registered: 0xabc", "VAULT_UNKNOWN"),
    ("Vault may not perform this action.", "VAULT_NOT_PERMITTED"),
    ("Signed action over weight limit of 200.", "BATCH_TOO_LARGE"),
    (
        (
            "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46. "
            "Place taker orders to free up 1 request per USDC traded."
        ),
        "ADDRESS_BUDGET_EXHAUSTED",
    ),
    ("Invalid leverage value", "INVALID_LEVERAGE"),
    (
        (
            "Isolated position does not have sufficient margin available to decrease leverage. "
            "To decrease leverage, add margin to the position."
        ),
        "ISOLATED_MARGIN_SHORT",
    ),
    ("Cannot switch leverage type with open position.", "MARGIN_MODE_LOCKED"),
    ("Cross margin is not allowed for this asset.", "ISOLATED_ONLY"),
    (
        "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $12.",
        "SCHEDULED_CANCEL_VOLUME",
    ),
    (
        "Too many extra agents for cumulative volume traded. Current limit is 3",
        "TOO_MANY_AGENTS",
    ),
    ("Too many sub-accounts.", "TOO_MANY_SUB_ACCOUNTS"),
    ("Action disabled when unified account is active", "UNIFIED_ACCOUNT"),
    ("Abstraction transition not allowed", "ACCOUNT_MODE_LOCKED"),
]


@pytest.mark.parametrize(("text", "reason"), PER_ORDER + WHOLE_ACTION)
@pytest.mark.parametrize("suffix", ["", " asset=4"])
def test_every_known_string_has_its_reason(text: str, suffix: str, reason: str) -> None:
    assert reason_for(text + suffix) == reason
    assert reason_for((text + suffix).upper()) == reason


def test_every_reason_of_the_table_is_tried_above() -> None:
    assert {reason for _, reason in PER_ORDER + WHOLE_ACTION} == {row.reason for row in ERROR_REASONS}


@pytest.mark.parametrize("text", ["", "The venue is tired today", "order", " asset=4"])
def test_a_new_string_is_other(text: str) -> None:
    assert reason_for(text) == FALLBACK_REASON


PARAMS: dict[str, Any] = dict.fromkeys(
    ("bid", "ask", "minimum", "minutes", "address", "nonce", "limit", "used", "cap", "volume"), "1"
)


@pytest.mark.parametrize("row", ERROR_REASONS, ids=lambda row: row.template[:30])
def test_what_is_written_is_read_back(row: object) -> None:
    reason = getattr(row, "reason", "")
    assert reason_for(error_text(reason, asset_id=4, **PARAMS)) == reason
    assert "{" not in error_text(reason, **PARAMS)


def test_live_strings_of_one_order_end_with_the_asset() -> None:
    assert error_text("ORDER_GONE", asset_id=4) == "Order was never placed, already canceled, or filled. asset=4"
    assert error_text("TOO_FAR_FROM_ORACLE", asset_id=4) == "Price too far from oracle asset=4"
    assert error_text("ORDER_GONE") == "Order was never placed, already canceled, or filled."
    assert error_text("EXPIRED", asset_id=4) == "Action already expired"
    assert error_text("MIN_NOTIONAL", asset_id=0) == "Order must have minimum value of $10. asset=0"


@pytest.mark.parametrize(("reason", "params"), [("NO_SUCH_REASON", {}), ("SIGNER_UNKNOWN", {})])
def test_a_reason_or_parameter_not_in_the_table_is_an_error(reason: str, params: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        error_text(reason, **params)


def test_only_a_duplicate_nonce_leaves_open_what_happened() -> None:
    everything = {row.reason for row in ERROR_REASONS} | {FALLBACK_REASON}
    assert everything - NOTHING_HAPPENED == {"DUPLICATE_NONCE"}


def test_rejected_states_and_reasons_translate_both_ways() -> None:
    for status, reason in STATUS_REASONS.items():
        assert reason_of_status(status) == reason
        assert STATUS_REASONS[status_for(reason)] == reason
    assert reason_of_status("somethingRejected") == FALLBACK_REASON
    assert status_for("ORDER_GONE") == "rejected"
