"""A simulated position in the server's three shapes: raw, priced for ``initial_data``, nested for REST.

Facts: signal-protocols.md sections 2.4 and 2.6. The server counts in floats, so this does too; its REST values ignore
what was sold, its own mistake, kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

BONK = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
WALLET = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"


@dataclass(slots=True)
class Market:
    """Prices in SOL by lower-cased token address, and what SOL is worth."""

    sol_usd: float = 150.0
    prices: dict[str, float] = field(default_factory=dict)


def raw_position(agent_id: str, position_id: str, stamp: str, fields: Mapping[str, Any]) -> Document:
    """A position as the database has it, bought just now."""
    position: Document = {
        "id": position_id,
        "agentId": agent_id,
        "walletAddress": WALLET,
        "tokenAddress": BONK,
        "tokenSymbol": "BONK",
        "purchaseTransactionId": f"tx-{position_id}",
        "purchasePrice": 2.34e-06,
        "purchaseAmount": 1_000_000,
        "dcaCount": 0,
        "lastDcaTime": None,
        "lowestPrice": None,
        "dcaTransactionIds": [],
        "currentStopLossPercentage": -32,
        "peakPrice": None,
        "lastStopLossUpdate": None,
        "remainingAmount": None,
        "takeProfitLevelsHit": 0,
        "takeProfitTransactionIds": [],
        "lastTakeProfitTime": None,
        "moonBagActivated": False,
        "moonBagAmount": None,
        "realizedProfitSol": 0,
        "tpBatchStartLevel": 0,
        "totalTakeProfitLevels": None,
        "createdAt": stamp,
        "updatedAt": stamp,
        **fields,
    }
    position.setdefault("totalInvestedSol", position["purchasePrice"] * position["purchaseAmount"])
    return position


def priced(position: Document, market: Market) -> Document:
    """With the fields the server computes for ``initial_data``."""
    bought: float = position["purchasePrice"]
    amount: float = position["purchaseAmount"]
    price = market.prices.get(position["tokenAddress"].lower(), bought)
    held = amount if position["remainingAmount"] is None else position["remainingAmount"]
    gain = position["realizedProfitSol"] + (price - bought) * held
    return {
        **position,
        "currentPrice": price,
        "currentPriceUsd": price * market.sol_usd,
        "purchasePriceUsd": bought * market.sol_usd,
        "positionValueSol": price * held,
        "positionValueUsd": price * market.sol_usd * held,
        "profitLossSol": gain,
        "profitLossUsd": gain * market.sol_usd,
        "profitLossPercent": gain / (bought * amount) * 100,
        "priceChangePercent": (price - bought) / bought * 100,
    }


def nested(position: Document, market: Market) -> Document:
    """As REST answers: grouped, nulls of stop and peak as 0, value and profit as if nothing had been sold."""
    bought: float = position["purchasePrice"]
    amount: float = position["purchaseAmount"]
    price = market.prices.get(position["tokenAddress"].lower(), bought)
    held = amount if position["remainingAmount"] is None else position["remainingAmount"]
    usd, gain = market.sol_usd, (price - bought) * amount
    tops = ("id", "agentId", "walletAddress", "tokenAddress", "tokenSymbol", "createdAt", "updatedAt")
    return {
        **{name: position[name] for name in tops},
        "purchase": {
            "priceNative": bought,
            "priceUsd": bought * usd,
            "amount": amount,
            "transaction": {"id": position["purchaseTransactionId"], "hash": None, "time": position["createdAt"]},
        },
        "current": {
            "priceNative": price,
            "priceUsd": price * usd,
            "valueNative": price * amount,
            "valueUsd": price * amount * usd,
        },
        "profitLoss": {
            "native": gain,
            "usd": gain * usd,
            "percent": gain / (bought * amount) * 100,
            "priceChangePercent": (price / bought - 1) * 100,
        },
        "stopLoss": {
            "percentage": position["currentStopLossPercentage"] or 0,
            "peakPrice": position["peakPrice"] or 0,
        },
        "takeProfit": {
            "levelsHit": position["takeProfitLevelsHit"],
            "totalLevels": position["totalTakeProfitLevels"],
            "tpBatchStartLevel": position["tpBatchStartLevel"],
            "remainingAmount": held,
            "originalAmount": amount,
            "soldPercent": (amount - held) / amount * 100 if amount else 0,
            "moonBagActivated": position["moonBagActivated"],
            "moonBagAmount": position["moonBagAmount"],
            "lastTakeProfitTime": position["lastTakeProfitTime"],
            "transactionIds": position["takeProfitTransactionIds"],
        },
        "dca": {
            "count": position["dcaCount"],
            "totalInvestedSol": position["totalInvestedSol"],
            "lastDcaTime": position["lastDcaTime"],
        },
    }
