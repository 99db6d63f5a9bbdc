"""Turns the venue's JSON into facts; anything of another shape raises ``VenueAnswerOdd`` naming the field.

Shapes: hyperliquid.md sections 1.1 to 1.4 (requests) and 4.4 (channels), checked against recorded answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TypeVar

from executor.core.facts import AccountFact, Fill, Funding, LeverageFact, OpenOrder, OrderFact, PositionFact
from executor.core.types import ZERO, Quote, Side
from executor.errors import VenueAnswerOdd
from executor.hyperliquid import reading

OfCoin = TypeVar("OfCoin", Fill, Funding, OpenOrder)

_SIDES = {"B": Side.BUY, "A": Side.SELL}

COLLATERAL = "USDC"
"""What perps of the first dex pay fees in (section 1.4); a spot purchase pays in what was bought."""


def is_perp(coin: str) -> bool:
    """Whether a coin's name is one of the first dex's perps, the only ones we know (section 0).

    Spot pairs are ``@107`` or ``PURR/USDC``, outcomes ``#n`` or ``+n``, perps of other dexes ``dex:COIN``.
    """
    return coin[:1] not in ("@", "#", "+") and "/" not in coin and ":" not in coin


def parse_account(obj: object) -> AccountFact:
    """``clearinghouseState``: one account's positions and money. Flat rows are dropped."""
    state = reading.mapping(obj, "clearinghouseState")
    summary = reading.child(state, "marginSummary")
    rows = (reading.mapping(row, "assetPositions[]") for row in reading.items(state, "assetPositions"))
    positions = (_position(reading.child(row, "position")) for row in rows)
    return AccountFact(
        positions=tuple(position for position in positions if position.size),
        equity_usd=reading.number(summary, "accountValue"),
        withdrawable_usd=reading.number(state, "withdrawable"),
        margin_used_usd=reading.number(summary, "totalMarginUsed"),
        at_ms=reading.integer(state, "time"),
    )


def _position(row: reading.Object) -> PositionFact:
    leverage, is_cross = _leverage(row)
    return PositionFact(
        coin=reading.text(row, "coin"),
        size=reading.number(row, "szi"),
        entry_px=reading.optional_number(row, "entryPx") or ZERO,
        leverage=leverage,
        is_cross=is_cross,
        liquidation_px=reading.optional_number(row, "liquidationPx"),
        margin_used_usd=reading.number(row, "marginUsed"),
        unrealized_pnl_usd=reading.number(row, "unrealizedPnl"),
    )


def _leverage(row: reading.Object) -> tuple[int, bool]:
    leverage = reading.child(row, "leverage")
    mode = reading.text(leverage, "type")
    if mode not in ("cross", "isolated"):
        raise VenueAnswerOdd(f"leverage.type: expected cross or isolated, got {mode!r:.40}")
    return reading.integer(leverage, "value"), mode == "cross"


def parse_leverage(obj: object) -> LeverageFact:
    """``activeAssetData``: the leverage setting of one coin, flat or not."""
    row = reading.mapping(obj, "activeAssetData")
    leverage, is_cross = _leverage(row)
    return LeverageFact(reading.text(row, "coin"), leverage, is_cross)


def parse_fill(obj: object, account: str) -> Fill:
    """One fill of ``userFills``, ``userFillsByTime`` or the fill channels of ``account``.

    Whoever trades against a liquidation has it in his fill too (``liquidatedUser``). A fee that is not paid in US
    dollars is left out.
    """
    row = reading.mapping(obj, "fill")
    return Fill(
        tid=reading.integer(row, "tid"),
        oid=reading.integer(row, "oid"),
        cloid=reading.optional_text(row, "cloid"),
        coin=reading.text(row, "coin"),
        side=_side(row),
        px=reading.number(row, "px"),
        size=reading.number(row, "sz"),
        fee_usd=_fee_usd(row),
        closed_pnl_usd=reading.number(row, "closedPnl"),
        start_position=reading.number(row, "startPosition"),
        at_ms=reading.integer(row, "time"),
        crossed=row.get("crossed") is True,
        liquidation=_is_liquidated(row, account),
    )


def _fee_usd(row: reading.Object) -> Decimal:
    fee = reading.number(row, "fee")
    return fee if row.get("feeToken") in (None, COLLATERAL) else ZERO


def _is_liquidated(row: reading.Object, account: str) -> bool:
    """Whether the fill is of a liquidation, and the account's own where it names whose."""
    if row.get("liquidation") is None:
        return False
    whose = reading.optional_text(reading.child(row, "liquidation"), "liquidatedUser")
    return whose is None or whose.lower() == account.lower()


def parse_fills(obj: object, account: str) -> tuple[Fill, ...]:
    """An array of fills, in the order given (``userFills`` newest first, ``userFillsByTime`` oldest first).

    Spot trades and those of other dexes stand among them (``perps_only``).
    """
    return tuple(parse_fill(row, account) for row in reading.sequence(obj, "fills"))


def perps_only(facts: Iterable[OfCoin]) -> tuple[OfCoin, ...]:
    """Of fills, orders or payments those of the perps we know: the rest of the account is not ours to count."""
    return tuple(fact for fact in facts if is_perp(fact.coin))


def parse_fundings(obj: object) -> tuple[Funding, ...]:
    """``userFunding``: the hourly payments, in the order given; ``usdc`` below zero was paid."""
    rows = (reading.mapping(row, "userFunding[]") for row in reading.sequence(obj, "userFunding"))
    return tuple(_funding(row, reading.child(row, "delta")) for row in rows)


def _funding(row: reading.Object, delta: reading.Object) -> Funding:
    return Funding(reading.text(delta, "coin"), reading.number(delta, "usdc"), reading.integer(row, "time"))


def _side(row: reading.Object) -> Side:
    side = _SIDES.get(reading.text(row, "side"))
    if side is None:
        raise VenueAnswerOdd(f"side: expected B or A, got {row['side']!r:.40}")
    return side


def parse_open_orders(obj: object) -> tuple[OpenOrder, ...]:
    """``frontendOpenOrders``: the perp orders that may execute, each once.

    What stands in a listed parent's ``children`` waits for it to fill: it protects nothing, and goes with its parent
    (section 6.4). It may stand on its own in the list too.
    """
    rows = [reading.mapping(row, "order") for row in reading.sequence(obj, "frontendOpenOrders")]
    waiting = {reading.integer(child, "oid") for row in rows for child in _children(row)}
    orders = {order.oid: order for order in map(_order, rows) if order.oid not in waiting}
    return perps_only(orders.values())


def _children(row: reading.Object) -> Iterator[reading.Object]:
    for child in reading.sequence(row.get("children", []), "children"):
        yield reading.mapping(child, "children[]")


def _order(row: reading.Object) -> OpenOrder:
    """A ``FrontendOrder`` (section 1.3), or the shorter order of ``orderUpdates``, which has no trigger fields."""
    return OpenOrder(
        oid=reading.integer(row, "oid"),
        cloid=reading.optional_text(row, "cloid"),
        coin=reading.text(row, "coin"),
        side=_side(row),
        limit_px=reading.number(row, "limitPx"),
        size=reading.number(row, "sz"),
        orig_size=reading.number(row, "origSz"),
        reduce_only=row.get("reduceOnly") is True,
        trigger_px=reading.number(row, "triggerPx") if row.get("isTrigger") is True else None,
        order_type=_order_type(row),
        position_tpsl=row.get("isPositionTpsl") is True,
        at_ms=reading.integer(row, "timestamp"),
    )


def _order_type(row: reading.Object) -> str:
    """The venue's text; a stop limit or take profit limit that has fired is a limit order: it protects nothing."""
    text = reading.optional_text(row, "orderType") or ""
    fired = row.get("triggerCondition") == "Triggered" and text.endswith(" Limit")
    return "Limit" if fired else text


def parse_order_status(obj: object) -> OrderFact:
    """``orderStatus``: the order and the venue's word for its state, or that the venue does not know it."""
    answer = reading.mapping(obj, "orderStatus")
    if answer.get("status") == "unknownOid":
        return OrderFact(None, "", 0)
    if answer.get("status") != "order":
        raise VenueAnswerOdd(f"orderStatus.status: expected order or unknownOid, got {answer.get('status')!r:.40}")
    return _order_fact(reading.child(answer, "order"))


def parse_order_updates(obj: object) -> tuple[OrderFact, ...]:
    """``orderUpdates`` (channel) or ``historicalOrders``: the order type is empty where the venue does not say it."""
    return tuple(_order_fact(reading.mapping(row, "orderUpdates[]")) for row in reading.sequence(obj, "orderUpdates"))


def _order_fact(row: reading.Object) -> OrderFact:
    order = _order(reading.child(row, "order"))
    return OrderFact(order, reading.text(row, "status"), reading.integer(row, "statusTimestamp"))


def parse_bbo(obj: object) -> tuple[str, Quote]:
    """A ``bbo`` frame's data: the coin and its best bid and offer; the mark price is not in it."""
    row = reading.mapping(obj, "bbo")
    levels = reading.items(row, "bbo")
    if len(levels) != 2:
        raise VenueAnswerOdd(f"bbo: expected a bid and an offer, got {len(levels)} entries")
    return reading.text(row, "coin"), _quote(levels[0], levels[1], reading.integer(row, "time"))


def parse_l2_book(obj: object) -> Quote:
    """``l2Book``: best bid and offer, ``None`` for an empty side. An unknown coin answers null, which is odd here."""
    row = reading.mapping(obj, "l2Book")
    levels = reading.items(row, "levels")
    if len(levels) != 2:
        raise VenueAnswerOdd(f"l2Book.levels: expected bids and offers, got {len(levels)} entries")
    bid, ask = (side[0] if side else None for side in (reading.sequence(one, "levels[]") for one in levels))
    return _quote(bid, ask, reading.integer(row, "time"))


def _quote(bid: object, ask: object, at_ms: int) -> Quote:
    (bid_px, bid_size), (ask_px, ask_size) = _level(bid), _level(ask)
    return Quote(bid_px, ask_px, None, at_ms, bid_size, ask_size)


def _level(level: object) -> tuple[Decimal | None, Decimal | None]:
    """Price and size; a level without a readable size still has a price."""
    if level is None:
        return None, None
    row = reading.mapping(level, "level")
    return reading.number(row, "px"), reading.optional_number(row, "sz")


def parse_mark(obj: object) -> tuple[str, Decimal]:
    """An ``activeAssetCtx`` frame's data: the coin and its mark price."""
    row = reading.mapping(obj, "activeAssetCtx")
    return reading.text(row, "coin"), reading.number(reading.child(row, "ctx"), "markPx")
