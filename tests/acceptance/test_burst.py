"""Many entries at once: every one gets an outcome, none twice, and the caps hold on the exchange's own side."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

MANY = 200
SIZES = {"BTC": "0.01", "ETH": "0.25", "SOL": "5", "AVAX": "25"}
"""A thousand dollars each, at the middle of the quotes."""

PRICES = {"BTC": 100_000, "ETH": 4_000, "SOL": 200, "AVAX": 40}
DAY = {"rule": "daily_loss", "max_usd": 50_000}
ORDER = {"rule": "max_order_notional", "max_usd": 2_000}


async def _burst(rig, risk):
    rig.configure(risk=risk)
    await rig.spawn()
    coins = list(SIZES)
    names = [f"burst-{i}" for i in range(MANY)]
    frames = [
        rig.trade(name, "LONG", float(SIZES[coins[i % 4]]), coins[i % 4], leverage=3) for i, name in enumerate(names)
    ]
    await rig.send(*frames)
    await rig.settled(*names, within_s=40)
    assert await rig.stop() == 0, rig.log()[-2000:]
    return rig.actions()


def _no_duplicate(rig, actions):
    assert len(actions) == MANY
    assert max(Counter(order.cloid for order in rig.orders()).values()) == 1
    executed = [row for row in actions.values() if row["outcome"] == "executed"]
    assert len(rig.orders()) == len(executed)


def _batched(rig):
    assert len(rig.sent()) <= len(rig.orders()) / 3


def _notional(rig, coin):
    return abs(rig.size(coin)) * PRICES[coin]


async def test_200_entries_against_a_position_cap_that_refuses(rig):
    cap = {"rule": "max_position_notional", "max_usd": 20_000}
    actions = await _burst(rig, [ORDER, cap, DAY])
    assert Counter(row["outcome"] for row in actions.values()) == {"executed": 76, "refused": 124}
    _no_duplicate(rig, actions)
    assert {coin: _notional(rig, coin) for coin in SIZES} == dict.fromkeys(SIZES, 19_000)
    _batched(rig)


async def test_200_entries_against_a_gross_cap_that_shrinks(rig):
    gross = {"rule": "max_gross_exposure", "max_usd": 30_500, "on_breach": "shrink"}
    position = {"rule": "max_position_notional", "max_usd": 20_000}
    actions = await _burst(rig, [ORDER, position, gross, DAY])
    _no_duplicate(rig, actions)
    total = sum((_notional(rig, coin) for coin in SIZES), Decimal(0))
    assert Decimal(30_300) <= total <= Decimal(30_500)
    assert all(row["reason"] for row in actions.values() if row["outcome"] == "refused")


async def test_200_entries_that_may_all_go_arrive_in_few_batches(rig):
    cap = {"rule": "max_position_notional", "max_usd": 100_000}
    actions = await _burst(rig, [ORDER, cap, DAY])
    assert {row["outcome"] for row in actions.values()} == {"executed"}
    _no_duplicate(rig, actions)
    assert {coin: _notional(rig, coin) for coin in SIZES} == dict.fromkeys(SIZES, 50_000)
    assert len(rig.sent()) < 40
    assert all(len(body["action"]["orders"]) <= 39 for body in rig.sent())
