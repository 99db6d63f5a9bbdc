"""What a person who wants to see money lost would try: plugins that misbehave, accounts that fail, files that break."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
from decimal import Decimal

import pytest

from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.clock import SystemClock
from executor.core.types import Side
from executor.errors import LedgerError
from executor.paper.faults import Fault
from executor.venue.signer import Signer

CAPS = [{"rule": "max_order_notional", "max_usd": 250_000}, {"rule": "max_position_notional", "max_usd": 500_000}]
LOSS = {"rule": "daily_loss", "max_usd": 50_000}
SECOND = "0x" + "b2" * 20
SECOND_KEY = "0x" + "7e57ab1e" * 8

PLUGINS = """
import threading, time
from decimal import Decimal
from executor.api import Options, StopIntent, Trade, TradeIntent, TargetIntent

class Base:
    class Options(Options):
        pass
    def __init__(self, options):
        pass

class Bracket(Base):
    wrong = False
    def on_action(self, action, view):
        if not isinstance(action, Trade):
            return []
        buys = (action.side == "buy") != self.wrong
        low, high = Decimal(95000), Decimal(110000)
        return [TradeIntent(coin=view.coin, side=action.side, size=action.size, leverage=action.leverage,
                            stop_px=low if buys else high, target_px=high if buys else low)]

class WrongSide(Bracket):
    wrong = True

class Hangs(Base):
    def on_action(self, action, view):
        threading.Event().wait()

class Throws(Base):
    def on_action(self, action, view):
        raise SystemError("not today")

class Exits(Base):
    def on_action(self, action, view):
        raise SystemExit(7)
"""


def _strategy(rig, name):
    (rig.folder / "mine.py").write_text(PLUGINS)
    rig.configure(
        routes=[{"source": "fractrade", "agents": ["*"], "strategy": f"mine.py:{name}", "accounts": ["main"]}]
    )


def _two_accounts(rig, fund=1_000_000):
    if fund:
        rig.exchange.fund(SECOND, fund)
        rig.exchange.approve_agent(SECOND, Signer.from_key_text(SECOND_KEY, mainnet=False).address, "second")
    rig.environ["SECOND_KEY"] = SECOND_KEY
    rig.configure(
        accounts=[
            {"name": "main", "address": rig.address, "signer_env": "HYPERLIQUID_PRIVATE_KEY"},
            {"name": "second", "address": SECOND, "signer_env": "SECOND_KEY"},
        ],
        routes=[{"source": "fractrade", "agents": ["*"], "strategy": "follow", "accounts": ["main", "second"]}],
    )


def _size(rig, address, coin="BTC"):
    position = rig.exchange.service.state.accounts[address].positions.get(coin)
    return Decimal(0) if position is None else position.szi


def _breaks(*_):
    raise RuntimeError("a mistake of ours")


def _full():
    raise LedgerError("the disk is full")


def _rows(rig, action_id):
    rows = rig.read(lambda reader: reader.actions(limit=1000)["actions"], [])
    return {row["account"]: row["outcome"] for row in rows if row["action_id"] == action_id}


# -- strategies of somebody else ---------------------------------------------------------------------------------


async def test_a_bracket_of_a_plugin_protects_a_whole_entry(rig):
    _strategy(rig, "Bracket")
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        await rig.until(lambda: len(rig.stops()) == 1 and len(rig.targets()) == 1)
        assert [Decimal(row["sz"]) for row in (*rig.stops(), *rig.targets())] == [1, 1]
        await asyncio.sleep(1.5)
        assert (len(rig.stops()), len(rig.targets())) == (1, 1)  # none was stacked on top
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [])


async def test_a_bracket_that_would_close_what_it_opens_opens_nothing(rig):
    _strategy(rig, "WrongSide")
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        assert (rig.outcome("open"), rig.reason("open")) == ("refused", "STRATEGY_ODD")
        assert rig.orders() == []


async def test_a_bracket_whose_entry_fills_in_part_is_protected_for_what_filled(rig):
    _strategy(rig, "Bracket")
    rig.market.set_levels("BTC", [("99990", "10")], [("100010", "0.3")])
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        assert rig.size() == Decimal("0.3")
        await rig.until(lambda: [Decimal(row["sz"]) for row in rig.stops()] == [Decimal("0.3")], 5)
        await rig.until(lambda: [Decimal(row["sz"]) for row in rig.targets()] == [Decimal("0.3")], 5)
        await asyncio.sleep(1.5)
        assert (len(rig.stops()), len(rig.targets())) == (1, 1)
        rig.market.set_levels("BTC", [("94900", "10")], [("95100", "10")])
        rig.market.set_mark("BTC", 94_900)
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [])


@pytest.mark.parametrize("fault", ["drop_answer", "drop_request", "garbage", "http_502_after"])
async def test_a_bracket_whose_answer_is_lost_ends_as_one_covered_position(rig, fault):
    _strategy(rig, "Bracket")
    async with rig.inside() as runtime:
        rig.arm(Fault(fault, match="order"))
        await rig.send(rig.trade("open", "LONG", 1))
        desk = runtime.worker.desks["main"]
        await rig.until(lambda: rig.sent() and desk.quiet() and not desk.uncertain_legs(), 25)
        await asyncio.sleep(1.5)
        assert rig.size() == 1
        assert [Decimal(row["sz"]) for row in rig.stops()] == [1]
        assert [Decimal(row["sz"]) for row in rig.targets()] == [1]
        assert len([o for o in rig.orders() if o.cloid == rig.entry_name("open")]) == 1
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [], 15)


@pytest.mark.parametrize("name", ["Hangs", "Throws", "Exits"])
async def test_a_strategy_that_misbehaves_fails_entries_never_exits_and_the_worker_ends_in_order(rig, name):
    await rig.spawn()
    await rig.send(rig.trade("open", "LONG", 1))
    await rig.settled("open")
    assert await rig.stop() == 0
    _strategy(rig, name)
    rig.configure(
        sources=[rig.source(after_gap="continue")],
        routes=[{"source": "fractrade", "agents": ["*"], "strategy": f"mine.py:{name}", "accounts": ["main"]}],
    )
    await rig.spawn()
    for number, coin in enumerate(("ETH", "SOL", "AVAX")):
        await rig.send(rig.trade(f"other-{number}", "LONG", 1, coin))
    await rig.send(rig.trade("add", "LONG", 1))
    await rig.send(rig.trade("close", "SHORT", 2))
    await rig.until(lambda: rig.size() == 0, 6)
    await rig.settled("add", "other-0", "other-1", "other-2", within_s=6)
    for action_id in ("add", "other-0", "other-1", "other-2"):
        assert (rig.outcome(action_id), rig.reason(action_id)) == ("refused", "STRATEGY_FAILED")
    assert await rig.stop() == 0


# -- two accounts ------------------------------------------------------------------------------------------------


async def test_one_action_to_two_accounts_is_one_order_on_each(rig):
    _two_accounts(rig)
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(lambda: rig.size() == 1 and _size(rig, SECOND) == 1)
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and _size(rig, SECOND) == 0)


async def test_an_account_without_money_does_not_touch_the_other(rig):
    _two_accounts(rig, fund=5)
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(lambda: rig.size() == 1)
        await rig.until(lambda: _rows(rig, "open") == {"main": "executed", "second": "rejected"})
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0)
        await rig.until(lambda: _rows(rig, "close") == {"main": "executed", "second": "refused"})


async def test_a_bug_in_one_accounts_desk_leaves_the_other_trading(rig):
    _two_accounts(rig)
    async with rig.inside() as runtime:
        runtime.worker.desks["second"].advance = _breaks
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(lambda: rig.size() == 1, 5)
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.until(lambda: len(rig.stops()) == 1, 5)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [], 5)
        assert any("second" in row["text"] for row in rig.events("AlarmRaised"))


# -- margin modes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "cross"), [("keep", True), ("cross", True), ("isolated", False)])
async def test_an_entry_leaves_with_the_margin_mode_asked_for(rig, mode, cross):
    rig.configure(
        accounts=[
            {"name": "main", "address": rig.address, "signer_env": "HYPERLIQUID_PRIVATE_KEY", "margin_mode": mode}
        ]
    )
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(lambda: rig.size() == 1, 8)
        settings = [body["action"] for body in rig.sent("updateLeverage")]
        assert all(setting["isCross"] is cross for setting in settings)
        assert [setting["leverage"] for setting in settings] == [5]  # 10 asked, 5 allowed
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0)


# -- flatten, breakers, files ---------------------------------------------------------------------------------------


async def test_flatten_takes_resting_orders_and_foreign_positions_too(rig):
    async with rig.inside() as runtime:
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.send(rig.protect("TAKE_PROFIT", "target", "SELL", 110_000, 0.5))
        await rig.until(lambda: rig.stops() and rig.targets())
        await rig.by_hand("BTC", Side.BUY, "0.5", "100100")
        await rig.by_hand("ETH", Side.SELL, "3", "3990")
        await rig.by_hand("ETH", Side.BUY, "3", "4600", trigger="4500")
        await rig.until(lambda: rig.size("ETH") == -3 and len(rig.resting("ETH")) == 1)
        runtime.worker.command("flatten", "main", "test")
        desk = runtime.worker.desks["main"]
        await rig.until(lambda: not desk.state.flattening, 15)
        assert (rig.size(), rig.size("ETH")) == (0, 0)
        assert rig.resting() == rig.resting("ETH") == []
        await rig.send(rig.trade("again", "LONG", 1))
        await rig.settled("again")
        assert rig.reason("again") == "FLATTENED"


async def test_a_flatten_with_an_entry_out_catches_what_that_entry_brings(rig):
    async with rig.inside() as runtime:
        rig.arm(Fault("delay", match="order", delay_ms=1500))
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(rig.sent)
        runtime.worker.command("flatten", "main", "test")
        desk = runtime.worker.desks["main"]
        await rig.until(lambda: not desk.state.flattening, 25)
        assert rig.size() == 0
        assert rig.resting() == []


async def test_the_daily_loss_latch_survives_kill_9_and_ends_with_a_reset(rig):
    rig.configure(risk=[*CAPS, {"rule": "daily_loss", "max_usd": 1_000}])
    await rig.spawn()
    code, said = await rig.command("reset", "daily_loss")
    assert (code, "no breaker 'daily_loss' has fired" in str(said)) == (1, True)
    await rig.send(rig.trade("open", "LONG", 1))
    await rig.settled("open")
    rig.market.set_quote("BTC", "97990", "98010")
    rig.market.set_mark("BTC", 98_000)
    await rig.send(rig.trade("close", "SHORT", 1))
    await rig.until(lambda: rig.size() == 0)
    await rig.send(rig.trade("second", "LONG", 0.1))
    await rig.settled("second")
    assert rig.reason("second") == "DAILY_LOSS"
    await rig.stop(signal.SIGKILL)
    await rig.spawn()
    await rig.send(rig.trade("third", "LONG", 0.1, "ETH"))
    await rig.settled("third")
    assert rig.reason("third") == "DAILY_LOSS_LATCHED"
    code, said = await rig.command("reset", "daily_loss")
    assert code == 0, said
    await rig.send(rig.trade("fourth", "LONG", 0.1, "ETH"))
    await rig.settled("fourth")
    assert rig.reason("fourth") == "DAILY_LOSS"  # the loss is still there: the latch comes back
    assert await rig.stop() == 0


async def test_the_kill_file_stops_entries_while_it_is_there_and_never_exits(rig):
    stop = rig.folder / "stop"
    rig.configure(risk=[*CAPS, LOSS, {"rule": "kill_file", "path": str(stop)}])
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        stop.touch()
        await rig.send(rig.trade("add", "LONG", 1))
        await rig.settled("add")
        assert rig.reason("add") == "KILL_FILE"
        await rig.send(rig.trade("reduce", "SHORT", 1))
        await rig.until(lambda: rig.size() == Decimal("0.5"))
        stop.unlink()
        await rig.send(rig.trade("again", "LONG", 1))
        await rig.until(lambda: rig.size() == Decimal("1.5"))


async def test_a_ledger_that_cannot_be_written_midway_opens_nothing_any_more_and_ends_with_1(rig):
    await rig.spawn()
    await rig.send(rig.trade("open", "LONG", 1))
    await rig.settled("open")
    before = len(rig.exchange.reached)
    with contextlib.closing(sqlite3.connect(rig.ledger_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # held longer than the worker waits
        await rig.send(rig.trade("add", "LONG", 1))
        await rig.until(lambda: "LEDGER_FAILED" in rig.log())
        await rig.send(rig.trade("more", "LONG", 1))
        await rig.until(lambda: "more" in rig.log())
        other.execute("ROLLBACK")
    assert len(rig.exchange.reached) == before
    assert await rig.stop() == 1
    await rig.spawn()
    await rig.send(rig.trade("close", "SHORT", 1))
    await rig.until(lambda: rig.size() == 0)


async def test_a_ledger_that_cannot_be_tended_stops_entries_and_is_told(rig):
    async with rig.inside() as runtime:
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        runtime.ledger.tend = _full
        await rig.until(lambda: runtime.worker.failed is not None)
        before = len(rig.exchange.reached)
        await rig.send(rig.trade("add", "LONG", 1), rig.trade("close", "SHORT", 2))
        await rig.until(lambda: rig.size() == 0)  # the exit leaves, unrecorded
        assert len(rig.exchange.reached) == before + 1


# -- clocks ------------------------------------------------------------------------------------------------------


class _Off(SystemClock):
    """A machine whose wall clock is wrong."""

    def __init__(self, by_ms):
        self.by_ms = by_ms

    def now_ms(self):
        return super().now_ms() + self.by_ms


@pytest.mark.parametrize("by_ms", [3_600_000, -3_600_000, 25 * 3_600_000, -49 * 3_600_000])
async def test_a_machine_whose_clock_is_wrong_trades_by_the_venues(rig, by_ms):
    rig.arm(Fault("delay", on="info", match="l2Book", delay_ms=300, times=2))
    loaded = rig.loaded()
    async with Runtime(loaded, traders(loaded), clock=_Off(by_ms)) as runtime:
        runtime.listen()
        await rig.until(lambda: runtime.ready() and rig.sim.clients)
        assert abs(runtime.worker.desks["main"].state.started_ms - rig.clock.now_ms()) < 5_000
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.settled("open")
        assert rig.outcome("open") == "executed"
        assert all(abs(body["nonce"] - rig.clock.now_ms()) < 5_000 for body in rig.exchange.reached)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0)


@pytest.mark.parametrize("how", ["pause", pytest.param("close", marks=pytest.mark.full)])
async def test_an_entry_lost_on_its_way_is_not_sent_again_once_it_shall_not_open(rig, how):
    async with rig.inside() as runtime:
        rig.arm(Fault("drop_request", match="order"))
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(rig.sent)
        if how == "pause":
            runtime.worker.command("pause", None, "test")
        else:
            await rig.send(rig.trade("close", "SHORT", 1))
        await rig.settled("open", within_s=25)
        assert rig.outcome("open") == "absent"
        desk = runtime.worker.desks["main"]
        await rig.until(lambda: desk.quiet() and not desk.state.exits, 15)
        assert rig.size() == 0
        assert rig.fills() == []
