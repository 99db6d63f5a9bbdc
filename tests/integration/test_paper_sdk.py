"""The official SDK, unmodified, trades on the paper exchange over loopback: a client we did not write judges."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import eth_account
import pytest
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from executor.paper.feeds import ManualMarket
from executor.paper.server import Options, PaperExchange

MASTER = eth_account.Account.from_key("0x" + "11" * 32)
AGENT = eth_account.Account.from_key("0x" + "22" * 32)
STRANGER = eth_account.Account.from_key("0x" + "33" * 32)
USER = MASTER.address.lower()


@pytest.fixture
async def paper():
    logging.getLogger("websocket").setLevel(logging.CRITICAL)
    feed = ManualMarket()
    async with PaperExchange(feed, fund={USER: 10_000}, options=Options(latency_ms=0, ip_limit=False)) as server:
        server.market.set_levels("ETH", [(1999, 10), (1998, 50)], [(2001, 10), (2002, 50)], mark=2000, oracle=2000)
        server.market.set_quote("BTC", 99_990, 100_010)
        yield server


@pytest.fixture
async def sdk(paper: PaperExchange) -> Exchange:
    return await asyncio.to_thread(Exchange, MASTER, paper.url, account_address=USER)


async def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(function, *args, **kwargs)


def statuses(answer: Any) -> list[Any]:
    assert answer["status"] == "ok", answer
    return answer["response"]["data"]["statuses"]


async def test_a_limit_order_rests_is_queried_modified_and_canceled(sdk: Exchange) -> None:
    cloid = Cloid.from_int(7)
    [status] = statuses(await call(sdk.order, "ETH", True, 0.5, 1900, {"limit": {"tif": "Gtc"}}, cloid=cloid))
    oid = status["resting"]["oid"]
    assert status["resting"]["cloid"] == cloid.to_raw()
    [row] = await call(sdk.info.open_orders, USER)
    assert (row["oid"], row["limitPx"], row["sz"], row["cloid"]) == (oid, "1900.0", "0.5", cloid.to_raw())
    found = await call(sdk.info.query_order_by_cloid, USER, cloid)
    assert found["order"]["order"]["oid"] == oid
    assert found["order"]["status"] == "open"

    [moved] = statuses(
        await call(sdk.modify_order, oid, "ETH", True, 0.5, 1890, {"limit": {"tif": "Gtc"}}, cloid=cloid)
    )
    new_oid = moved["resting"]["oid"]
    assert new_oid != oid
    old = await call(sdk.info.query_order_by_oid, USER, oid)
    assert old["order"]["status"] == "canceled"

    assert statuses(await call(sdk.cancel, "ETH", new_oid)) == ["success"]
    [gone] = statuses(await call(sdk.cancel_by_cloid, "ETH", cloid))
    assert gone["error"].startswith("Order was never placed, already canceled, or filled.")
    assert await call(sdk.info.open_orders, USER) == []


async def test_market_open_and_close_leave_fills_and_a_flat_account(sdk: Exchange) -> None:
    [opened] = statuses(await call(sdk.market_open, "ETH", True, 0.5))
    assert opened["filled"]["totalSz"] == "0.5"
    assert opened["filled"]["avgPx"] == "2001.0"
    state = await call(sdk.info.user_state, USER)
    position = state["assetPositions"][0]["position"]
    assert (position["coin"], position["szi"], position["entryPx"]) == ("ETH", "0.5", "2001.0")

    [closed] = statuses(await call(sdk.market_close, "ETH"))
    assert closed["filled"]["avgPx"] == "1999.0"
    assert (await call(sdk.info.user_state, USER))["assetPositions"] == []
    newest, oldest = await call(sdk.info.user_fills, USER)
    assert (oldest["dir"], newest["dir"]) == ("Open Long", "Close Long")
    assert newest["closedPnl"] == "-1.0"
    assert oldest["fee"] == "0.450225"
    assert await call(sdk.market_close, "ETH") is None


async def test_a_bracket_arms_its_children_and_the_stop_ends_the_target(sdk: Exchange, paper: PaperExchange) -> None:
    orders = [
        {"coin": "ETH", "is_buy": True, "sz": 0.5, "limit_px": 2010, "reduce_only": False,
         "order_type": {"limit": {"tif": "Ioc"}}},
        {"coin": "ETH", "is_buy": False, "sz": 0.5, "limit_px": 1700, "reduce_only": True,
         "order_type": {"trigger": {"isMarket": True, "triggerPx": 1900, "tpsl": "sl"}}},
        {"coin": "ETH", "is_buy": False, "sz": 0.5, "limit_px": 2000, "reduce_only": True,
         "order_type": {"trigger": {"isMarket": True, "triggerPx": 2200, "tpsl": "tp"}}},
    ]  # fmt: skip
    entry, *children = statuses(await call(sdk.bulk_orders, orders, grouping="normalTpsl"))
    assert entry["filled"]["totalSz"] == "0.5"
    assert children == ["waitingForTrigger", "waitingForTrigger"]
    rows = await call(sdk.info.frontend_open_orders, USER)
    assert {r["triggerCondition"] for r in rows} == {"Price below 1900", "Price above 2200"}

    paper.market.set_quote("ETH", 1889, 1891)
    history = {r["order"]["orderType"]: r["status"] for r in await call(sdk.info.historical_orders, USER)}
    assert history == {"Limit": "filled", "Stop Market": "filled", "Take Profit Market": "siblingFilledCanceled"}
    assert (await call(sdk.info.user_state, USER))["assetPositions"] == []


async def test_leverage_and_isolated_margin_are_set_and_shown(sdk: Exchange) -> None:
    assert (await call(sdk.update_leverage, 5, "ETH", is_cross=False))["status"] == "ok"
    statuses(await call(sdk.market_open, "ETH", True, 0.5))
    assert (await call(sdk.update_isolated_margin, 100, "ETH"))["status"] == "ok"
    state = await call(sdk.info.user_state, USER)
    position = state["assetPositions"][0]["position"]
    assert position["leverage"]["type"] == "isolated"
    assert position["leverage"]["value"] == 5
    assert float(position["marginUsed"]) == pytest.approx(0.5 * 2001 / 5 + 100 - 0.5 - 0.450225)
    wrong = await call(sdk.update_leverage, 5, "ETH", is_cross=True)
    assert wrong == {"status": "err", "response": "Cannot switch leverage type with open position."}
    assert (await call(sdk.update_leverage, 500, "ETH"))["response"] == "Invalid leverage value"


async def test_an_agent_the_sdk_approves_trades_for_its_master(sdk: Exchange, paper: PaperExchange) -> None:
    answer, key = await call(sdk.approve_agent, "bot")
    assert answer == {"status": "ok", "response": {"type": "default"}}
    agent = eth_account.Account.from_key(key)
    assert (await call(sdk.info.user_role, agent.address)) == {"role": "agent", "data": {"user": USER}}
    bot = await call(Exchange, agent, paper.url, account_address=USER)
    [status] = statuses(await call(bot.order, "BTC", False, 0.01, 101_000, {"limit": {"tif": "Alo"}}))
    assert "resting" in status
    assert [r["oid"] for r in await call(sdk.info.open_orders, USER)] == [status["resting"]["oid"]]


async def test_a_stranger_is_told_that_the_wallet_does_not_exist(paper: PaperExchange) -> None:
    stranger = await call(Exchange, STRANGER, paper.url)
    answer = await call(stranger.market_open, "ETH", True, 1)
    wanted = f"User or API Wallet {STRANGER.address.lower()} does not exist."
    assert answer == {"status": "err", "response": wanted}


async def test_the_sdks_websocket_hears_snapshots_orders_fills_and_quotes(sdk: Exchange, paper: PaperExchange) -> None:
    heard: dict[str, list[Any]] = {}
    arrived = threading.Event()
    wanted = {"userFills", "orderUpdates", "user", "bbo", "l2Book", "allMids", "activeAssetCtx", "candle", "trades"}

    def listen(message: Any) -> None:
        heard.setdefault(message["channel"], []).append(message["data"])
        if wanted <= heard.keys():
            arrived.set()

    info = await call(Info, paper.url)
    try:
        for kind in ("userFills", "orderUpdates", "userEvents"):
            info.subscribe({"type": kind, "user": USER}, listen)
        for kind in ("bbo", "l2Book", "activeAssetCtx", "trades"):
            info.subscribe({"type": kind, "coin": "ETH"}, listen)
        info.subscribe({"type": "candle", "coin": "ETH", "interval": "1m"}, listen)
        info.subscribe({"type": "allMids"}, listen)
        await call(_wait_for, lambda: "allMids" in heard)
        statuses(await call(sdk.market_open, "ETH", True, 0.5))
        assert await call(arrived.wait, 5), wanted - heard.keys()
    finally:
        await call(info.disconnect_websocket)
    assert heard["userFills"][0]["isSnapshot"] is True
    assert heard["userFills"][1]["fills"][0]["dir"] == "Open Long"
    assert heard["orderUpdates"][0][0]["status"] == "filled"
    assert heard["user"][0]["fills"][0]["sz"] == "0.5"


def _wait_for(condition: Any) -> None:
    tick = threading.Event()
    for _ in range(100):
        if condition():
            return
        tick.wait(0.05)
    raise AssertionError("nothing heard in five seconds")
