"""Builds the actions Hyperliquid hashes, and re-serialises received ones, in the venue's exact key order.

Key order, omitted defaults and number text are part of what is signed (hyperliquid.md sections 2.1, 2.2, 2.4): one
character off and the venue recovers another address. Builders serve the venue adapter, ``canonical_action`` the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from executor.core.types import Side

Action = dict[str, Any]
"""An action or a part of one, ready to be hashed: its key order is the message."""

MAX_DECIMALS = 8
"""The SDK's float_to_wire and the venue's own fields never carry more decimals (hyperliquid.md section 2.4)."""


def decimal_to_wire(value: Decimal) -> str:
    """Plain decimal text, no exponent, trailing zeros or ``-0``; ``ValueError`` beyond 8 decimals or if not finite."""
    if not value.is_finite():
        raise ValueError(f"not a number for the wire: {value}")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
        if len(text.partition(".")[2]) > MAX_DECIMALS:
            raise ValueError(f"more than {MAX_DECIMALS} decimals: {text}")
    return "0" if text == "-0" else text


# Building


def limit_order(
    asset_id: int,
    side: Side,
    px: Decimal,
    size: Decimal,
    *,
    tif: str,
    reduce_only: bool = False,
    cloid: str | None = None,
) -> Action:
    """One limit order; ``tif`` is ``Ioc``, ``Gtc`` or ``Alo``. Size in base units, px in USD."""
    return _order(asset_id, side, px, size, reduce_only, {"limit": {"tif": tif}}, cloid)


def trigger_order(
    asset_id: int,
    side: Side,
    px: Decimal,
    size: Decimal,
    *,
    trigger_px: Decimal,
    tpsl: Literal["sl", "tp"],
    is_market: bool = True,
    reduce_only: bool = True,
    cloid: str | None = None,
) -> Action:
    """One stop or target. ``px`` is required also for a market trigger (``quantise.stop_limit_px``)."""
    trigger = {"isMarket": is_market, "triggerPx": decimal_to_wire(trigger_px), "tpsl": tpsl}
    return _order(asset_id, side, px, size, reduce_only, {"trigger": trigger}, cloid)


def _order(
    asset_id: int, side: Side, px: Decimal, size: Decimal, reduce_only: bool, kind: Action, cloid: str | None
) -> Action:
    order: Action = {
        "a": asset_id,
        "b": side is Side.BUY,
        "p": decimal_to_wire(px),
        "s": decimal_to_wire(size),
        "r": reduce_only,
        "t": kind,
    }
    if cloid is not None:
        order["c"] = cloid
    return order


def order_action(orders: Iterable[Action], grouping: str = "na") -> Action:
    """Orders in one signed action; ``grouping`` is ``na``, ``normalTpsl`` or ``positionTpsl``."""
    return {"type": "order", "orders": list(orders), "grouping": grouping}


def cancel_action(cancels: Iterable[tuple[int, int]]) -> Action:
    """Cancels by (asset id, oid)."""
    return {"type": "cancel", "cancels": [{"a": asset_id, "o": oid} for asset_id, oid in cancels]}


def cancel_by_cloid_action(cancels: Iterable[tuple[int, str]]) -> Action:
    """Cancels by (asset id, cloid)."""
    return {"type": "cancelByCloid", "cancels": [{"asset": asset_id, "cloid": cloid} for asset_id, cloid in cancels]}


def update_leverage_action(asset_id: int, leverage: int, is_cross: bool) -> Action:
    """Sets one coin's leverage and margin mode."""
    return {"type": "updateLeverage", "asset": asset_id, "isCross": is_cross, "leverage": leverage}


# Re-serialising what somebody sent

Convert = Callable[[object], Any]
_OMIT = object()


class Field(NamedTuple):
    """One key of a schema. ``default`` is the value whose canonical form is "key absent"; required without one."""

    key: str
    convert: Convert
    default: object = _OMIT


def _misfit(wanted: str) -> ValueError:
    return ValueError(f"expected {wanted}")


def _integer(low: int, high: int) -> Convert:
    def convert(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _misfit(f"an integer from {low} to {high}")
        return value

    return convert


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _misfit("a boolean")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _misfit("a string")
    return value


def _matching(pattern: str, what: str) -> Convert:
    compiled = re.compile(pattern)

    def convert(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise _misfit(what)
        return value.lower()

    return convert


def _one_of(*choices: str) -> Convert:
    def convert(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _misfit(f"one of {', '.join(choices)}")
        return value

    return convert


_NUMBER_TEXT = _matching(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", "a decimal string")


def _number(value: object) -> str:
    return decimal_to_wire(Decimal(_NUMBER_TEXT(value)))


def _list_of(convert: Convert) -> Convert:
    def convert_all(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise _misfit("an array")
        return [convert(item) for item in value]

    return convert_all


def _either(*choices: Convert) -> Convert:
    def convert(value: object) -> Any:
        problems = []
        for choice in choices:
            try:
                return choice(value)
            except ValueError as problem:
                problems.append(str(problem))
        raise ValueError(" or ".join(problems))

    return convert


def _struct(*fields: Field) -> Convert:
    def convert(value: object) -> Action:
        if not isinstance(value, Mapping):
            raise _misfit("an object")
        return {field.key: item for field in fields if (item := _member(value, field)) is not _OMIT}

    return convert


def _member(value: Mapping[str, object], field: Field) -> Any:
    """One key's canonical value, or ``_OMIT``: an explicit null or default is hashed as if the key were absent."""
    raw = value.get(field.key)
    optional = field.default is not _OMIT
    if raw is None and optional:
        return _OMIT
    if field.key not in value:
        raise ValueError(f"missing field `{field.key}`")
    try:
        item = field.convert(raw)
    except ValueError as problem:
        raise ValueError(f"{field.key}: {problem}") from None
    return _OMIT if optional and item == field.default else item


_U32 = _integer(0, 2**32 - 1)
_U64 = _integer(0, 2**64 - 1)
_I64 = _integer(-(2**63), 2**63 - 1)
_ADDRESS = _matching(r"0x[0-9a-fA-F]{40}", "an address")
_CLOID = _matching(r"0x[0-9a-fA-F]{32}", "a cloid")
_OID = _either(_U64, _CLOID)

_KIND = _either(
    _struct(Field("limit", _struct(Field("tif", _one_of("Gtc", "Ioc", "Alo", "FrontendMarket"))))),
    _struct(
        Field(
            "trigger",
            _struct(Field("isMarket", _boolean), Field("triggerPx", _number), Field("tpsl", _one_of("tp", "sl"))),
        )
    ),
)
_ORDER = _struct(
    Field("a", _U32),
    Field("b", _boolean),
    Field("p", _number),
    Field("s", _number),
    Field("r", _boolean),
    Field("t", _KIND),
    Field("c", _CLOID, None),
)
_MODIFY = _struct(Field("oid", _OID), Field("order", _ORDER))
_GROUPING = _either(_one_of("na", "normalTpsl", "positionTpsl"), _struct(Field("p", _U64)))
_BUILDER = _struct(Field("b", _ADDRESS), Field("f", _U64))
_TWAP = _struct(
    Field("a", _U32),
    Field("b", _boolean),
    Field("s", _number),
    Field("r", _boolean),
    Field("m", _U32),
    Field("t", _boolean),
)

SCHEMAS: dict[str, tuple[Field, ...]] = {
    "order": (Field("orders", _list_of(_ORDER)), Field("grouping", _GROUPING), Field("builder", _BUILDER, None)),
    "cancel": (
        Field("cancels", _list_of(_struct(Field("a", _U32), Field("o", _U64)))),
        Field("f", _boolean, default=False),
    ),
    "cancelByCloid": (
        Field("cancels", _list_of(_struct(Field("asset", _U32), Field("cloid", _CLOID)))),
        Field("f", _boolean, default=False),
    ),
    "modify": (Field("oid", _OID), Field("order", _ORDER), Field("a", _boolean, default=False)),
    "batchModify": (Field("modifies", _list_of(_MODIFY)), Field("a", _boolean, default=False)),
    "updateLeverage": (Field("asset", _U32), Field("isCross", _boolean), Field("leverage", _U32)),
    "updateIsolatedMargin": (Field("asset", _U32), Field("isBuy", _boolean), Field("ntli", _I64)),
    "topUpIsolatedOnlyMargin": (Field("asset", _U32), Field("leverage", _number)),
    "scheduleCancel": (Field("time", _U64, None),),
    "noop": (),
    "setReferrer": (Field("code", _text),),
    "createSubAccount": (Field("name", _text),),
    "subAccountTransfer": (Field("subAccountUser", _ADDRESS), Field("isDeposit", _boolean), Field("usd", _U64)),
    "subAccountSpotTransfer": (
        Field("subAccountUser", _ADDRESS),
        Field("isDeposit", _boolean),
        Field("token", _text),
        Field("amount", _number),
    ),
    "vaultTransfer": (Field("vaultAddress", _ADDRESS), Field("isDeposit", _boolean), Field("usd", _U64)),
    "twapOrder": (Field("twap", _TWAP),),
    "twapCancel": (Field("a", _U32), Field("t", _U64)),
    "agentEnableDexAbstraction": (),
    "agentSetAbstraction": (Field("abstraction", _one_of("i", "u", "p")),),
    "evmUserModify": (Field("usingBigBlocks", _boolean),),
}
"""Every L1 action the server understands, in hash order after ``type`` (hyperliquid.md section 2.2)."""

_SERIALISERS = {name: _struct(*fields) for name, fields in SCHEMAS.items()}


def canonical_action(parsed: Mapping[str, object]) -> Action:
    """A received L1 action as the venue hashes it: schema key order, lower-case addresses, no defaults or unknown keys.

    ``ValueError`` says what does not fit the schema (the venue answers HTTP 422, hyperliquid.md section 0.1).
    """
    kind = parsed.get("type")
    serialise = _SERIALISERS.get(kind) if isinstance(kind, str) else None
    if serialise is None:
        raise ValueError(f"unknown action type {kind!r:.80}")
    return {"type": kind, **serialise(parsed)}
