"""The venue's own limits as named constants, and what each request costs (hyperliquid.md sections 4.2 and 5)."""

from __future__ import annotations

from types import MappingProxyType

# Per IP, section 5.1
IP_WEIGHT_PER_MINUTE = 1200
ACTION_WEIGHT_STEP = 40
SIGNED_ACTION_WEIGHT_LIMIT = 200
"""More orders or cancels than this in one action are refused whole (section 2.5)."""

DEFAULT_INFO_WEIGHT = 20
INFO_WEIGHTS = MappingProxyType(
    {
        "l2Book": 2,
        "allMids": 2,
        "clearinghouseState": 2,
        "orderStatus": 2,
        "spotClearinghouseState": 2,
        "exchangeStatus": 2,
        "userRole": 60,
    }
)
ITEMS_PER_EXTRA_WEIGHT = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "recentTrades",
                "historicalOrders",
                "userFills",
                "userFillsByTime",
                "fundingHistory",
                "userFunding",
                "nonUserFundingUpdates",
                "twapHistory",
                "userTwapSliceFills",
                "userTwapSliceFillsByTime",
                "delegatorHistory",
                "delegatorRewards",
                "validatorStats",
            ),
            20,
        ),
        "candleSnapshot": 60,
    }
)
"""Answers that cost one more for each so many items returned."""

# Per address, section 5.2
ADDRESS_REQUESTS_FREE = 10_000
"""Plus one for each USDC ever traded."""
ADDRESS_EXHAUSTED_INTERVAL_S = 10
"""One request in so many seconds once the budget is used up."""
STALE_EXPIRY_FACTOR = 5
"""What an action refused for its ``expiresAfter`` costs of the address budget."""

# Websocket, per IP, section 4.2
WS_CONNECTIONS = 10
WS_NEW_CONNECTIONS_PER_MINUTE = 30
WS_SUBSCRIPTIONS = 1000
WS_USERS = 10
WS_MESSAGES_PER_MINUTE = 2000
WS_POSTS_IN_FLIGHT = 100
WS_SILENCE_CLOSE_S = 60
"""The server closes a connection it has sent nothing to for so long."""

# Structure, section 5.3, and nonces, section 3.4
BUILDERS_APPROVED = 10
OPEN_ORDERS_BASE = 1000
OPEN_ORDERS_MAX = 5000
NONCES_KEPT = 100
NONCE_PAST_MS = 2 * 24 * 3600 * 1000
NONCE_FUTURE_MS = 24 * 3600 * 1000
OPEN_ORDERS_USD_EACH = 5_000_000
"""One open order more than the base for so much volume, up to the maximum."""
ORDERS_REMEMBERED = 2000
"""``orderStatus`` knows so many last orders of an account (section 1.3)."""
FILLS_PER_ANSWER = 2000
FILLS_REACHABLE = 10_000
"""Older fills no answer shows (section 1.4)."""


def action_weight(length: int) -> int:
    """What an ``/exchange`` action costs the IP; ``length`` is that of the action's array (1 for a single thing)."""
    return 1 + length // ACTION_WEIGHT_STEP


def info_weight(kind: str, items_returned: int = 0) -> int:
    """What an ``/info`` request costs the IP, with the surcharge for long answers once they are known."""
    weight = INFO_WEIGHTS.get(kind, DEFAULT_INFO_WEIGHT)
    step = ITEMS_PER_EXTRA_WEIGHT.get(kind)
    return weight + (items_returned // step if step else 0)
