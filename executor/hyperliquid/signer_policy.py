"""What a signer signs: its own policy, judged on the wire action itself and independent of the risk rules above it.

Deny by default: only actions that trade are known here, nothing that moves funds, names a fee or approves a key.
Caps and the list of coins bind what can add risk, never a reduce-only order or a cancel (design.md rule 9).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

import orjson

from executor.core.types import ZERO
from executor.hyperliquid.wire import canonical_action

PolicyRule = Literal["action", "shape", "vault", "price", "allowlist", "per_trade_cap", "daily_cap"]
"""Which part of the policy said no; the last three bear Halyrd's names (signal-protocols.md section 3.2)."""

REASONS = {
    "SIGNER_ACTION": "The signer does not sign actions of this kind, only orders, cancels and leverage: report this.",
    "SIGNER_SHAPE": "What was to be signed is not in the venue's own form, so nobody can be sure of it: report this.",
    "SIGNER_VAULT": "What was to be signed names another account than this signer's: report this.",
    "SIGNER_PRICE": "The signer knows no price to value this sell by: check the coin's market.",
    "SIGNER_ALLOWLIST": "The coin is not in the account's signer_policy.symbols: add it to have its entries signed.",
    "SIGNER_PER_TRADE_CAP": "The order is worth more than signer_policy.per_trade_cap_usd: send less, or raise it.",
    "SIGNER_DAILY_CAP": "The day's entries would be worth more than signer_policy.daily_cap_usd: wait for 00:00 UTC.",
}
"""The reason code of each rule, with one plain sentence saying what to do."""


@dataclass(frozen=True, slots=True)
class SignerPolicy:
    """One account's limits, in US dollars; ``None`` is no limit. ``symbols`` are the venue's coins, in any case."""

    symbols: frozenset[str] | None = None
    per_trade_cap_usd: Decimal | None = None
    daily_cap_usd: Decimal | None = None


class Markets(Protocol):
    """What a signer has to know of the venue: names and prices by asset id."""

    def coin(self, asset_id: int) -> str | None:
        """The coin with this id, ``None`` for none that is listed."""

    def price(self, asset_id: int) -> Decimal | None:
        """The coin's price now, ``None`` where it is not known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The policy's no: which rule, and why in words."""

    rule: PolicyRule
    text: str

    @property
    def code(self) -> str:
        """The stable reason code."""
        return f"SIGNER_{self.rule.upper()}"


Orders = Sequence[Mapping[str, Any]]

_ORDERS: dict[str, Callable[[Mapping[str, Any]], Orders]] = {
    "order": lambda action: action["orders"],
    "modify": lambda action: [action["order"]],
    "batchModify": lambda action: [one["order"] for one in action["modifies"]],
    "cancel": lambda action: [],
    "cancelByCloid": lambda action: [],
    "updateLeverage": lambda action: [],
}
"""Every action that is signed, with the orders in it."""

SIGNABLE = frozenset(_ORDERS)
"""All that this program ever signs: nothing here moves money out of the account."""


_FLAG = "(?:true|false)"
_ABOVE_0 = r'"(?:[1-9][0-9]{0,29}(?:\.[0-9]{0,7}[1-9])?|0\.[0-9]{0,7}[1-9])"'
_KIND = (
    r'\{(?:"limit":\{"tif":"(?:Gtc|Ioc|Alo)"\}'
    rf'|"trigger":\{{"isMarket":{_FLAG},"triggerPx":{_ABOVE_0},"tpsl":"(?:tp|sl)"\}})\}}'
)
_ORDER = (
    rf'\{{"a":(?:0|[1-9][0-9]{{0,8}}),"b":{_FLAG},"p":{_ABOVE_0},"s":{_ABOVE_0},"r":{_FLAG},"t":{_KIND}'
    r'(?:,"c":"0x[0-9a-f]{32}")?\}'
)
PLAIN_ORDERS = re.compile(
    rf'\{{"type":"order","orders":\[{_ORDER}(?:,{_ORDER})*\],"grouping":"(?:na|normalTpsl|positionTpsl)"\}}'.encode()
)
"""What ``canonical_action`` makes of orders above zero, as one pattern of the JSON the venue reads.

Whatever matches is canonical; taking it apart field by field costs a cold order ten times as much. All else is.
"""


def judge(
    action: Mapping[str, Any], policy: SignerPolicy, markets: Markets, signed_today_usd: Decimal
) -> Decimal | Refusal:
    """What the action may add to the account's risk, in US dollars, or why it is not signed."""
    odd = _odd(action)
    if odd is not None:
        return odd
    adding = [order for order in _ORDERS[action["type"]](action) if not order["r"]]
    return _stranger(action, adding, policy, markets) or _over(adding, policy, markets, signed_today_usd)


def _odd(action: Mapping[str, Any]) -> Refusal | None:
    """What is no trading, or not exactly what the venue would read."""
    if _is_plain(action):
        return None
    kind = action.get("type")
    if not isinstance(kind, str) or kind not in SIGNABLE:
        return Refusal("action", f"the signer does not sign {kind!r:.40} actions")
    if "builder" in action:
        return Refusal("action", "the signer does not sign fees for others")
    try:
        exact = canonical_action(action) == action
    except ValueError as error:
        return Refusal("shape", str(error)[:200])
    if not exact:
        return Refusal("shape", f"a {kind} action with more or other keys than the venue reads")
    if any(Decimal(order[name]) <= 0 for order in _ORDERS[kind](action) for name in ("p", "s")):
        return Refusal("shape", "an order whose size or price is not above zero")
    return None


def _is_plain(action: Mapping[str, Any]) -> bool:
    try:
        return PLAIN_ORDERS.fullmatch(orjson.dumps(action)) is not None
    except TypeError:  # no JSON, so nothing plain
        return False


def _stranger(action: Mapping[str, Any], adding: Orders, policy: SignerPolicy, markets: Markets) -> Refusal | None:
    """A coin that is not on the list, of an order that may add risk or of a leverage setting."""
    if policy.symbols is None:
        return None
    ids: Iterable[int] = [action["asset"]] if action["type"] == "updateLeverage" else [order["a"] for order in adding]
    allowed = {coin.casefold() for coin in policy.symbols}
    for asset_id in ids:
        coin = markets.coin(asset_id)
        if coin is None or coin.casefold() not in allowed:
            return Refusal("allowlist", f"{coin or f'asset {asset_id}'} is not among {', '.join(sorted(allowed))}")
    return None


def _over(adding: Orders, policy: SignerPolicy, markets: Markets, signed_today_usd: Decimal) -> Decimal | Refusal:
    """The worth of what may add risk, where it is within both caps."""
    worths = [_worth_usd(order, markets) for order in adding]
    known = [worth for worth in worths if worth is not None]
    capped = policy.per_trade_cap_usd is not None or policy.daily_cap_usd is not None
    if len(known) < len(worths) and capped:
        return Refusal("price", "no price is known to value a sell by")
    each, day = policy.per_trade_cap_usd, policy.daily_cap_usd
    if each is not None and known and max(known) > each:
        return Refusal("per_trade_cap", f"an order of {max(known):.2f} USD, at most {each} USD are signed")
    total = sum(known, ZERO)
    if day is not None and total and signed_today_usd + total > day:
        text = f"{total:.2f} USD after {signed_today_usd:.2f} USD since 00:00 UTC, at most {day} USD are signed"
        return Refusal("daily_cap", text)
    return total


def _worth_usd(order: Mapping[str, Any], markets: Markets) -> Decimal | None:
    """An order's worth at the worst: a buy pays its limit at most, a sell sells at its limit or above."""
    size, limit_px = Decimal(order["s"]), Decimal(order["p"])
    if order["b"]:
        return size * limit_px
    px = markets.price(order["a"])
    return None if px is None else size * max(px, limit_px)
