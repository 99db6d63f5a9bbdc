"""From a batch of legs to the wire action of one request, and the record that is written before it leaves."""

from __future__ import annotations

from typing import Any

from executor.core import events as ev
from executor.core.batch import Batch
from executor.core.protocols import VenueRules
from executor.core.state import DeskState, Leg, Request
from executor.hyperliquid import wire
from executor.ports import Lane, SignedRequest, Signer

LANES = {"exit": Lane.CLOSE, "cancel": Lane.RESIZE, "protect": Lane.CLOSE, "leverage": Lane.ENTRY, "entry": Lane.ENTRY}
"""Who goes first when a budget is short; a stop that protects a naked position ranks with a close."""

TPSL = {"stop": "sl", "target": "tp"}


def _asset_id(rules: VenueRules, coin: str) -> int:
    asset = rules.asset(coin)
    if asset is None:
        raise LookupError(f"the venue no longer lists {coin}")
    return asset.asset_id


def _order(rules: VenueRules, leg: Leg) -> dict[str, Any]:
    asset_id = _asset_id(rules, leg.coin)
    if leg.trigger_px is None:
        return wire.limit_order(
            asset_id, leg.side, leg.limit_px, leg.size, tif="Ioc", reduce_only=leg.reduce_only, cloid=leg.cloid
        )
    return wire.trigger_order(
        asset_id,
        leg.side,
        leg.limit_px,
        leg.size,
        trigger_px=leg.trigger_px,
        tpsl=TPSL[leg.kind],  # type: ignore[arg-type]  # one of the two words
        cloid=leg.cloid,
    )


def action_of(rules: VenueRules, state: DeskState, batch: Batch) -> dict[str, Any]:
    """The wire action a batch stands for (hyperliquid.md section 2.2)."""
    if batch.purpose == "leverage":
        coin = batch.coin or ""
        wanted = state.leverage[coin]
        return wire.update_leverage_action(_asset_id(rules, coin), wanted.leverage, wanted.is_cross)
    if batch.purpose == "cancel":
        return _cancel(rules, batch)
    return wire.order_action([_order(rules, leg) for leg in batch.legs], batch.grouping)


def _cancel(rules: VenueRules, batch: Batch) -> dict[str, Any]:
    by_name = [(_asset_id(rules, c.coin), c.cloid) for c in batch.cancels if c.cloid is not None]
    if by_name:
        return wire.cancel_by_cloid_action(by_name)
    return wire.cancel_action([(_asset_id(rules, c.coin), c.oid) for c in batch.cancels if c.oid is not None])


def started(
    state: DeskState,
    batch: Batch,
    action: dict[str, Any],
    signer: str,
    nonce: int,
    expires_ms: int,
    vault: str | None,
    now_ms: int,
) -> ev.SendStarted:
    """The record of a request, written in the transaction before its first byte leaves."""
    return ev.SendStarted(
        at_ms=now_ms,
        account=state.account,
        key=_key_of(state, batch),
        request_id=f"{signer[:10]}:{nonce}",
        purpose=batch.purpose,
        signer=signer,
        nonce=nonce,
        expires_after_ms=expires_ms,
        vault=vault,
        action=action,
        cloids=tuple(leg.cloid for leg in batch.legs) or tuple(c.cloid for c in batch.cancels if c.cloid is not None),
        oids=tuple(c.oid for c in batch.cancels if c.cloid is None and c.oid is not None),
        coin=batch.coin,
    )


def _key_of(state: DeskState, batch: Batch) -> str | None:
    """The one action a request is for, if it is for one."""
    if batch.purpose == "leverage":
        return state.leverage[batch.coin or ""].key
    return batch.legs[0].key if len(batch.legs) == 1 else None


def signed(signer: Signer, request: ev.SendStarted | Request) -> SignedRequest:
    """The request with its signature; the same record always makes the same bytes."""
    action, expires = request.action, request.expires_after_ms
    signature = signer.sign(action, request.nonce, request.vault, expires)
    return SignedRequest(action, request.nonce, signature, request.vault, expires)


def legs_expected(request: ev.SendStarted | Request) -> int:
    """How many per-order records its answer must have."""
    return len(request.cloids) + len(request.oids) or 1
