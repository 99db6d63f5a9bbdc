"""The stream clients against the simulators: handlers of both kinds, reconnects, refusals, staleness."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.sim.halyrd import HalyrdSimulator
from executor.sim.nexgent import Habits, NexgentSimulator
from executor.sim.tradeready import API_KEY, Heartbeat, TradeReadySimulator
from executor.streams import AgentExchangeWS, AuthenticationError, FractradeWS, HalyrdWS, NexgentWebSocket

LIMIT_S = 30


async def until(true):
    async with asyncio.timeout(LIMIT_S):
        while not true():
            await asyncio.sleep(0.01)


def subscribed(sim, count):
    return bool(sim.sessions) and len(sim.sessions[-1].channels) >= count


async def test_prices_reach_sync_and_async_handlers_and_a_new_connection_subscribes_again():
    async with TradeReadySimulator() as sim:
        ws = AgentExchangeWS(API_KEY, sim.url, poll_s=None)
        btc, every, closed = [], [], []

        @ws.on_ticker("btcusdt")
        def plain(data):
            btc.append((data["symbol"], data["price"], data["data"]["price"]))

        @ws.on_ticker("all")
        async def any_price(data):
            every.append(data["symbol"])
            raise ValueError("a handler's mistake is its own")

        ws.on_close()(closed.append)
        async with ws:
            await until(lambda: subscribed(sim, 1))
            await sim.tick("BTCUSDT", "100.5")
            await sim.tick("ETHUSDT", "4000")
            await until(lambda: len(btc) == 1 and len(every) == 2)
            await sim.cut(1000)
            await until(lambda: closed and subscribed(sim, 1) and ws.is_connected)
            await sim.tick("BTCUSDT", "101")
            await until(lambda: len(btc) == 2)
        assert btc == [("BTCUSDT", "100.5", "100.5"), ("BTCUSDT", "101", "101")]
        assert closed[0]["reason"] == "CLOSED_NORMALLY"


async def test_it_answers_pings_and_leaves_a_connection_that_has_gone_stale():
    async with TradeReadySimulator(heartbeat=Heartbeat(0.05, 5)) as sim:
        ws = AgentExchangeWS(API_KEY, sim.url, poll_s=None, stale_s=1)
        closed = []
        ws.on_close()(closed.append)
        ws.on_ticker("BTCUSDT")(print)
        async with ws:
            await until(lambda: sim.pongs >= 3)
            sim.silent = True
            await until(lambda: closed)
            assert closed[0]["reason"] == "SILENT"


async def test_orders_pushed_or_only_in_the_lists_are_told_once_and_acknowledgements_never():
    async with TradeReadySimulator() as sim:
        ws = AgentExchangeWS(API_KEY, sim.url, poll_s=0.05)
        orders, equity = [], []
        ws.on_order_update()(orders.append)
        ws.on_portfolio()(equity.append)
        async with ws:
            await until(lambda: equity and subscribed(sim, 2))
            silent = await sim.order("BTCUSDT", "buy", "0.5")
            await until(lambda: orders)
            sim.pushes = True
            pushed = await sim.order("ETHUSDT", "sell", "1")
            await until(lambda: len(orders) >= 2)
            sim.equity = "10001"
            await until(lambda: len(equity) >= 2)
        assert [order["order_id"] for order in orders] == [silent, pushed]
        assert (orders[0]["status"], orders[0]["executed_quantity"]) == ("filled", "0.5")
        assert [one["total_equity"] for one in equity] == ["10000", "10001"], "the same again is not told"


async def test_rest_that_is_out_of_order_is_told_and_its_refusal_says_what_to_do():
    async with TradeReadySimulator() as sim:
        ws = AgentExchangeWS(API_KEY, sim.url, poll_s=0.05)
        orders, errors = [], []
        ws.on_order_update()(orders.append)
        ws.on_error()(errors.append)
        async with ws:
            await until(lambda: sim.requests)
            sim.rest_refuse_with = 500
            await until(lambda: errors)
            sim.rest_refuse_with = None
            await sim.order("BTCUSDT", "buy", "0.5")
            await until(lambda: orders)
            sim.rest_refuse_with = 403
            await until(lambda: len(errors) > 1)
        assert [(one["channel"], one["state"], one["detail"]) for one in errors] == [
            ("rest", "closed", "SERVER_UNAVAILABLE: HTTP 500"),
            ("rest", "refused", "FORBIDDEN: HTTP 403"),
        ]
        assert "credentials" in errors[1]["remedy"]


async def test_a_flood_in_batches_tells_the_newest_price_of_each_symbol():
    async with TradeReadySimulator() as sim:
        ws = AgentExchangeWS(API_KEY, sim.url, poll_s=None, batch_s=0.5)
        told = []
        ws.on_ticker("all")(lambda data: told.append((data["symbol"], data["price"])))
        async with ws:
            await until(lambda: subscribed(sim, 1))
            for price in range(200):
                await sim.tick("BTCUSDT", str(price))
                await sim.tick("ETHUSDT", str(price))
            await until(lambda: {("BTCUSDT", "199"), ("ETHUSDT", "199")} <= set(told))
        assert len(told) < 100


async def test_a_bad_key_ends_it_with_what_to_do():
    async with TradeReadySimulator() as sim:
        ws = AgentExchangeWS("ak_live_wrong", sim.url)
        ws.on_ticker("BTCUSDT")(print)
        with pytest.raises(AuthenticationError) as refused:
            await ws.connect()
        assert "ak_live_wrong" not in str(refused.value)
        with pytest.raises(AuthenticationError):
            async with ws:
                pass


async def test_in_a_daemon_thread_it_runs_until_it_is_stopped_from_another():
    async with TradeReadySimulator() as sim:
        ws = AgentExchangeWS(API_KEY, sim.url, poll_s=None)
        prices, release = [], threading.Event()

        @ws.on_ticker("BTCUSDT")
        def slow(data):
            release.wait(LIMIT_S)
            prices.append(data["price"])

        thread = threading.Thread(target=ws.run_forever, daemon=True)
        thread.start()
        await until(lambda: subscribed(sim, 1))
        for price in ("1", "2", "3"):
            await sim.tick("BTCUSDT", price)
        await sim.publish({"type": "ping"})
        await until(lambda: sim.pongs == 1)
        assert prices == [], "the handler hung, the socket did not"
        release.set()
        await until(lambda: prices == ["1", "2", "3"])
        ws.stop()
        await asyncio.to_thread(thread.join, LIMIT_S)
        assert not thread.is_alive()


async def test_positions_follow_the_server_stay_over_a_reconnect_and_go_with_a_manual_close():
    async with NexgentSimulator(habits=Habits(ping_s=0.1)) as sim:

        class Mine(NexgentWebSocket):
            seen = 0

            async def on_positions_update(self, positions):
                self.seen += 1

        ws = Mine(sim.rest_url, sim.tokens.access(), "sim-agent")
        after_cut = []
        ws.on_close()(lambda _: after_cut.append(len(ws.positions)))
        running = asyncio.create_task(ws.connect())
        await until(lambda: ws.seen)
        assert ws.positions == []
        await sim.buy("sim-agent", "p1", tokenAddress="MintA", purchasePrice=0.5, purchaseAmount=100)
        await until(lambda: [one["id"] for one in ws.positions] == ["p1"])
        await sim.price("MintA", 0.75)
        await until(lambda: ws.positions[0].get("profitLossPercent") == pytest.approx(50))
        await sim.cut(1000, "Server shutdown")
        await until(lambda: after_cut == [1])
        await until(lambda: ws.is_connected)
        await sim.sell("sim-agent", "p1")
        await until(lambda: ws.positions == [])
        await sim.buy("sim-agent", "p2", tokenAddress="MintB")
        await until(lambda: len(ws.positions) == 1)
        await ws.disconnect()
        await asyncio.wait_for(running, LIMIT_S)
        assert ws.positions == []


async def test_a_token_nobody_takes_ends_it():
    async with NexgentSimulator() as sim:
        with pytest.raises(AuthenticationError):
            await NexgentWebSocket(sim.rest_url, "no-token", "sim-agent").connect()


async def test_halyrds_events_reach_their_handlers():
    async with HalyrdSimulator() as sim:
        ws = HalyrdWS("current", sim.url)
        trades, entries, every = [], [], []
        ws.on_trade()(trades.append)
        ws.on_journal_entry()(entries.append)
        ws.on_event()(lambda data: every.append(data["event"]))
        async with ws:
            await sim.wait_connected()
            ref = await sim.trade("BTC/USDT", "buy", 100.0, 50.0)
            await sim.publish({"event": "risk_veto", "rule_name": "max_drawdown", "message": "no"})
            await until(lambda: len(every) == 3)
        assert (trades[0]["journal_ref"], entries[0]["id"], every[2]) == (ref, ref, "risk_veto")


async def test_fractrades_actions_are_told_once_whichever_channel_and_shape_they_come_in():
    async with FractradeSimulator(credentials=Credentials("k", "s", "t")) as sim:
        ws = FractradeWS("k", "s", "a1", sim.url, user_id="u1", user_token="t")
        trades, stops, errors = [], [], []
        ws.on_trade()(trades.append)
        ws.on_stop_loss()(stops.append)
        ws.on_error()(errors.append)
        async with ws:
            await sim.wait_connected(2)
            position = {"asset": "BTC", "size": 0.1, "side": "LONG", "leverage": 10, "exchange": "hyperliquid"}
            kind = "EXECUTE_HYPERLIQUID_PERP_TRADE"
            flat = {"action_id": "x-1", "action_type": kind, "agent_id": "a1", "config": {"position": position}}
            await sim.publish(flat | {"created_at": "now", "status": "PENDING"})
            closing = {"symbol": "BTC", "size": "0.1", "side": "SELL", "trigger_price": "90000", "reduce_only": True}
            data = {
                "action_id": "set_hyperliquid_perp_stop_loss",
                "config": {"position": closing, "metadata": {"event_id": "e"}},
            }
            await sim.publish({"type": "ACTION", "data": data})
            await sim.publish(flat | {"action_id": "x-2", "config": {"position": position | {"size": -1}}})
            await until(lambda: trades and stops and errors)
            await sim.publish({"type": "ACTION", "data": data})
        assert [(one["action_id"], one["side"], one["size"], one["leverage"]) for one in trades] == [
            ("x-1", "buy", "0.1", "10")
        ]
        assert [one["trigger_price"] for one in stops] == ["90000"]


async def test_a_client_can_be_used_again_and_not_twice_at_once():
    async with HalyrdSimulator() as sim:
        ws = HalyrdWS(base_url=sim.url)
        for _ in range(2):
            async with ws:
                with pytest.raises(RuntimeError):
                    await ws.connect()
        with contextlib.suppress(AuthenticationError):
            await asyncio.wait_for(ws.disconnect(), LIMIT_S)


async def test_who_gives_up_waiting_for_a_server_that_is_down_leaves_nothing_behind():
    async with HalyrdSimulator() as sim:
        sim.refuse_with = 503
        ws = HalyrdWS(base_url=sim.url)
        entering = asyncio.create_task(ws.__aenter__())
        await sim.wait_handshakes(1)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(entering, LIMIT_S)
        assert ws._background.done(), "it would go on trying for ever"
        sim.refuse_with = None
        async with ws:
            assert ws.is_connected


async def test_who_is_cancelled_while_leaving_is_cancelled_and_leaves_nothing_behind():
    async with HalyrdSimulator() as sim:
        ws, release = HalyrdWS(base_url=sim.url), threading.Event()
        ws.on_open()(lambda: release.wait(LIMIT_S))

        async def leave():
            async with ws:
                pass

        leaving = asyncio.create_task(leave())
        await until(lambda: ws._connections and ws._connections[0]._ending.is_set())
        leaving.cancel()
        done, _ = await asyncio.wait([leaving], timeout=LIMIT_S)
        release.set()
        assert done == {leaving}
        assert leaving.cancelled()
        assert ws._background.done()
