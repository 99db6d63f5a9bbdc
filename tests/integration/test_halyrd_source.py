"""The Halyrd source against its simulator: the stream, gaps filled from REST, and the socket that stays down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from executor.app.doctor_sources import handshakes
from executor.clock import SystemClock, iso
from executor.core.source_events import AgentNotice, Malformed, SourceEvent, SourcePortfolio, SourceTrade, Status
from executor.core.types import Side
from executor.errors import ConfigError, CredentialRefused
from executor.ports import Frame
from executor.sim.halyrd import HalyrdSimulator
from executor.sources.halyrd import HalyrdOptions, HalyrdSource
from executor.sources.strict_json import text_of
from executor.testing.waiting import until

WAIT_S = 20.0


class Listener:
    """A running source and what it emitted."""

    def __init__(self, url: str, recalled: Sequence[Frame] = (), **keys: Any) -> None:
        self.events: list[SourceEvent | Malformed] = []
        self.raws: list[str | bytes] = []
        self.notes: list[str] = []
        self.source = HalyrdSource(
            "mine",
            HalyrdOptions(url=url, **keys),
            SystemClock(),
            lambda: 0.0,
            lambda channel, text: self.notes.append(text),
            lambda: iter(recalled),
        )
        self.task = asyncio.create_task(self.source.run(self.emit))

    def emit(self, raw: str | bytes, event: SourceEvent | Malformed) -> None:
        self.raws.append(raw)
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def notices(self, kind: str) -> list[AgentNotice]:
        return [event for event in self.of(AgentNotice) if event.kind == kind]

    @property
    def trades(self) -> list[SourceTrade]:
        return self.of(SourceTrade)

    @property
    def state(self) -> str:
        return self.source.channels()[0].state

    async def settled(self, simulator: HalyrdSimulator) -> None:
        """Open, and the lists read once."""
        await until(lambda: self.state == "open" and simulator.requests[-1:] == [f"{LISTS}/equity"], WAIT_S)
        await self.told(simulator)

    async def told(self, simulator: HalyrdSimulator) -> None:
        """Everything sent so far has arrived: a snapshot sent last was told."""
        before = len(self.of(SourcePortfolio))
        await asyncio.sleep(0)
        await simulator.publish({"event": "snapshot", "ts": f"2026-05-04T09:30:{before:02}Z", "equity": 1})
        await until(lambda: len(self.of(SourcePortfolio)) > before, WAIT_S)


LISTS = "/agents/current"


@contextlib.asynccontextmanager
async def listening(simulator: HalyrdSimulator, **keys: Any) -> AsyncIterator[Listener]:
    listener = Listener(simulator.url.replace("ws:", "http:"), **keys)
    try:
        yield listener
    finally:
        listener.task.cancel()
        await asyncio.gather(listener.task, return_exceptions=True)


async def test_a_trade_is_told_at_once_and_once_though_the_journal_tells_it_too() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator) as listener:
        await listener.settled(simulator)
        ref = await simulator.trade("LINK/USDT", "buy", 80.0, 17.42)
        await until(lambda: listener.notices("journal_entry"), WAIT_S)
        (trade,) = listener.trades
        assert (trade.symbol, trade.side, trade.ref, trade.reduce_only) == ("LINK/USDT", Side.BUY, ref, False)
        assert trade.origin.channel == "agent:current"
        assert listener.notices("journal_entry")[0].ref == ref


async def test_the_channel_opens_for_its_agent_and_the_agents_state_is_told() -> None:
    async with HalyrdSimulator(status="DEMOTED") as simulator, listening(simulator, agents=("seed",)) as listener:
        await until(lambda: listener.notices("status_change"), WAIT_S)
        (opened,) = listener.of(Status)
        assert (opened.state, opened.agent_ids) == ("open", ("seed",))
        (told,) = listener.notices("status_change")
        assert (told.was, told.now, told.agent.agent_id) == (None, "DEMOTED", "seed")


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
async def test_what_happened_in_a_gap_is_told_once_after_it(code: int) -> None:
    async with HalyrdSimulator() as simulator, listening(simulator) as listener:
        await listener.settled(simulator)
        await simulator.trade("LINK/USDT", "buy", 80.0, 17.42)
        simulator.mute = True
        missed = [await simulator.trade("LINK/USDT", "sell", 82.0, 18.0, pnl=2.0)]
        missed.append(await simulator.trade("ETH/USDT", "buy", 90.0, 3000.0))  # open: in the journal alone
        await simulator.block("risk_veto", "daily_drawdown", "enough for today", "ord_1")
        simulator.mute = False
        await simulator.cut(code)
        await until(lambda: len(listener.trades) == 3 and listener.notices("risk_veto"), WAIT_S)
        await listener.told(simulator)
        assert {trade.ref for trade in listener.trades[1:]} == set(missed)
        assert len(listener.notices("risk_veto")) == 1
        assert [status.state for status in listener.of(Status)] == ["open", "closed", "open"]


async def test_a_demotion_in_a_gap_is_told_as_the_change_of_status_it_was() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator) as listener:
        await listener.settled(simulator)
        simulator.mute = True
        await simulator.demote("max_drawdown", "max", None)
        simulator.mute = False
        await simulator.cut(1006)
        await until(lambda: len(listener.notices("status_change")) == 2, WAIT_S)
        assert (listener.notices("status_change")[1].was, listener.notices("status_change")[1].now) == (
            "LIVE",
            "DEMOTED",
        )


class Slow(HalyrdSimulator):
    """Answers who the agent is with what it was before ``meanwhile`` happened."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def _agent(self, request: web.Request) -> web.Response:
        answer = await super()._agent(request)
        if self.meanwhile is not None:
            await self.meanwhile()
        return answer


async def test_a_status_read_before_a_demotion_does_not_undo_it() -> None:
    async with Slow() as simulator, listening(simulator) as listener:

        async def demoted() -> None:
            await simulator.demote("max_drawdown", "max", None)
            await until(lambda: listener.notices("demotion"), WAIT_S)

        simulator.meanwhile = demoted
        await listener.settled(simulator)
        assert [notice.now for notice in listener.of(AgentNotice) if notice.now] == ["DEMOTED", "DEMOTED"]


async def test_a_demotion_and_its_echo_are_one_transition() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator) as listener:
        await listener.settled(simulator)
        await simulator.demote("daily_drawdown", "daily", "2026-05-05T00:00:00Z")
        await simulator.promote("0xabc")
        await until(lambda: len(listener.notices("status_change")) == 3, WAIT_S)
        told = [(e.kind, e.echo) for e in listener.of(AgentNotice) if e.now][1:]
        assert told == [("demotion", False), ("status_change", True), ("promotion", False), ("status_change", True)]


async def test_while_the_socket_is_down_the_lists_are_polled_and_nothing_is_told_twice_when_it_is_back() -> None:
    async with HalyrdSimulator() as simulator:
        simulator.refuse_with = 503
        async with listening(simulator, poll_s=Decimal("0.05")) as listener:
            ref = await simulator.trade("LINK/USDT", "sell", 80.0, 17.42, pnl=1.0)
            await until(lambda: listener.trades, WAIT_S)
            assert listener.state == "closed"
            simulator.refuse_with = None
            await until(lambda: listener.state == "open", WAIT_S)
            await listener.told(simulator)
            again = await simulator.trade("LINK/USDT", "buy", 80.0, 17.42)
            await until(lambda: len(listener.trades) > 1, WAIT_S)
            assert [trade.ref for trade in listener.trades] == [ref, again]


async def test_a_back_fill_that_fails_is_owed_and_tried_again() -> None:
    async with HalyrdSimulator() as simulator:
        simulator.rest_refuse_with = 500
        await simulator.trade("LINK/USDT", "sell", 80.0, 17.42, pnl=1.0)
        async with listening(simulator, poll_s=Decimal("0.05")) as listener:
            await until(lambda: listener.notes, WAIT_S)
            assert "HTTP 500" in listener.notes[0]
            simulator.rest_refuse_with = None
            await until(lambda: listener.trades, WAIT_S)
            assert len(listener.notes) == 1


async def test_a_trade_without_a_reference_is_taken_from_a_list_only_when_it_is_certainly_new() -> None:
    async with HalyrdSimulator() as simulator:
        old = {"ts": "now", "pair": "LINK/USDT", "size": 80, "price": 17, "pnl": 1.0, "phase": "live"}
        simulator.trades.append({**old, "ts": iso(simulator.clock.now_ms() - 60_000)})  # of an earlier life
        async with listening(simulator) as listener:
            await listener.settled(simulator)
            assert not listener.trades
            simulator.trades.append({**old, "ts": simulator._document()["last_heartbeat"]})
            await simulator.cut(1006)
            await until(lambda: listener.trades, WAIT_S)


def _heard(simulator: HalyrdSimulator, ago_ms: int) -> tuple[Frame, ...]:
    """What the journal has of a worker that listened until so long ago."""
    return (Frame(simulator.clock.now_ms() - ago_ms, "mine", "agent:current", b"{}"),)


async def test_what_was_closed_between_two_workers_is_told_without_a_reference_too() -> None:
    async with HalyrdSimulator() as simulator:
        sold = {"pair": "LINK/USDT", "side": "buy", "size": 80, "pnl": 1, "phase": "live"}
        for ago_ms in (700_000, 300_000):
            simulator.trades.append({**sold, "ts": iso(simulator.clock.now_ms() - ago_ms)})
        async with listening(simulator, recalled=_heard(simulator, 600_000)) as listener:
            await listener.settled(simulator)
            assert [(trade.side, trade.reduce_only) for trade in listener.trades] == [(Side.SELL, True)]
            assert listener.notes == []


async def test_what_the_last_worker_told_is_not_told_again_and_a_restart_of_a_second_loses_nothing() -> None:
    async with HalyrdSimulator() as simulator:
        told = {"pair": "LINK/USDT", "side": "sell", "size": 80, "ts": iso(simulator.clock.now_ms() - 3_000)}
        frame = {**told, "event": "trade", "journal_ref": "jrn_1"}
        heard = Frame(simulator.clock.now_ms() - 2_900, "mine", "agent:current", text_of(frame))
        closed = {**told, "side": "buy", "pnl": 1, "phase": "live"}
        later = iso(simulator.clock.now_ms() - 1_500)
        simulator.trades += [closed, {**closed, "pair": "ETH/USDT", "ts": later}]
        async with listening(simulator, recalled=(heard,)) as listener:
            await listener.settled(simulator)
            assert [(trade.symbol, trade.side) for trade in listener.trades] == [("ETH/USDT", Side.SELL)]
            assert listener.notes == []


async def test_trades_made_while_no_worker_listened_are_told_however_old_they_are() -> None:
    day_ms = 86_400_000
    async with HalyrdSimulator() as simulator:
        for days in (9, 3, 2):
            ts = iso(simulator.clock.now_ms() - days * day_ms)
            row = {"ts": ts, "pair": "LINK/USDT", "side": "sell", "size": 80, "pnl": 1, "phase": "live"}
            simulator.trades.append({**row, "journal_ref": f"jrn_{days}"})
        async with listening(simulator, recalled=_heard(simulator, 4 * day_ms), poll_s=Decimal("0.05")) as listener:
            await listener.settled(simulator)
            await simulator.cut(1006)
            await until(lambda: len(listener.of(Status)) == 3, WAIT_S)
            await listener.settled(simulator)
            assert [trade.ref for trade in listener.trades] == ["jrn_3", "jrn_2"]
            assert listener.notes == []


async def test_a_close_of_the_gap_is_told_though_the_socket_told_a_newer_trade_before_the_lists_were_read() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator, poll_s=Decimal("0.05")) as listener:
        await listener.settled(simulator)
        simulator.refuse_with = 503
        simulator.rest_refuse_with = 503
        await simulator.cut(1006)
        closed = {"pair": "LINK/USDT", "side": "buy", "size": 80, "pnl": 1, "phase": "live"}
        simulator.trades.append({**closed, "ts": iso(simulator.clock.now_ms())})
        await asyncio.sleep(0.01)
        simulator.refuse_with = None
        await simulator.wait_connected()
        bought = await simulator.trade("ETH/USDT", "buy", 80.0, 3000.0)
        sold = await simulator.trade("ETH/USDT", "sell", 80.0, 3000.0, pnl=1.0)
        await until(lambda: len(listener.trades) == 2, WAIT_S)
        simulator.trades[-1].pop("journal_ref")
        simulator.rest_refuse_with = None
        await until(lambda: len(listener.trades) > 2, WAIT_S)
        told = [(trade.symbol, trade.side, trade.ref) for trade in listener.trades]
        assert told == [
            ("ETH/USDT", Side.BUY, bought), ("ETH/USDT", Side.SELL, sold), ("LINK/USDT", Side.SELL, None)
        ]  # fmt: skip


async def test_rows_that_cannot_be_read_are_mentioned_and_not_only_those_of_an_unknown_shape() -> None:
    async with HalyrdSimulator() as simulator:
        now = iso(simulator.clock.now_ms())
        row = {"ts": now, "pair": "LINK/USDT", "side": "sell", "size": 80, "pnl": 1, "phase": "live"}
        simulator.trades += [{**row, "size": "some"}, {**row, "ts": now.removesuffix("Z")}, {**row, "ts": None}]
        async with listening(simulator) as listener:
            await listener.settled(simulator)
            assert listener.notes == ["3 rows of the REST lists have a shape nobody here knows"]


async def test_rows_of_an_unknown_shape_are_mentioned_once() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator, poll_s=Decimal("0.05")) as listener:
        simulator.trades.append({"phase": "live", "pnl": 1, "what": "is this"})
        await until(lambda: listener.notes, WAIT_S)
        await simulator.cut(1006)
        await until(lambda: len(listener.of(Status)) == 3, WAIT_S)
        assert listener.notes == ["1 rows of the REST lists have a shape nobody here knows"]


async def test_malformed_and_unknown_frames_do_not_end_the_stream() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator) as listener:
        await listener.settled(simulator)
        for raw in ("nonsense", b"\xff\x00", '{"event":"new_thing"}', '{"event":"trade","pair":"X"}'):
            await simulator.broadcast(raw)
        await listener.told(simulator)
        assert [event.reason for event in listener.of(Malformed)] == ["INVALID_JSON", "NOT_UTF8", "MISSING_FIELD"]


async def test_a_stream_that_refuses_us_for_good_ends_the_source_with_a_remedy() -> None:
    async with HalyrdSimulator() as simulator:
        simulator.refuse_with = 403
        async with listening(simulator, poll_s=Decimal("0.05")) as listener:
            with pytest.raises(CredentialRefused) as refusal:
                await asyncio.wait_for(listener.task, WAIT_S)
            assert "agent:current" in refusal.value.message


@pytest.mark.parametrize("agents", [(), ("a", "a"), ("current", "seed"), (" a",), ("a\n",)])
def test_agents_that_cannot_be_followed_as_listed_are_refused(agents: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        HalyrdSource("mine", HalyrdOptions(agents=agents), SystemClock(), lambda: 0.0)


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", "ws://x?a=b", "http://["])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        HalyrdSource("mine", HalyrdOptions(url=url), SystemClock(), lambda: 0.0)


async def test_the_doctor_opens_the_channel_as_the_worker_would() -> None:
    async with HalyrdSimulator() as simulator:
        source = HalyrdSource("mine", HalyrdOptions(url=simulator.url), SystemClock(), lambda: 0.0)
        (check,) = await handshakes(source)
        assert (check.name, check.level) == ("channel mine/agent:current", "pass")


async def test_a_label_tells_the_agents_of_two_halyrds_apart() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator, label="office") as listener:
        await simulator.wait_connected()
        await simulator.trade("LINK/USDT", "buy", 80.0, 17.42)
        await until(lambda: listener.trades, WAIT_S)
        assert listener.trades[0].agent.agent_id == "office:current"
        assert listener.of(Status)[0].agent_ids == ("office:current",)


async def test_a_trade_opened_and_closed_in_a_gap_is_told_in_that_order_whichever_list_has_it() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator) as listener:
        await listener.settled(simulator)
        simulator.mute = True
        opened = await simulator.trade("LINK/USDT", "buy", 80.0, 17.42)  # in the journal alone
        closed = await simulator.trade("LINK/USDT", "sell", 82.0, 18.0, pnl=2.0)  # in the trades too
        simulator.mute = False
        await simulator.cut(1006)
        await until(lambda: len(listener.trades) == 2, WAIT_S)
        assert [trade.ref for trade in listener.trades] == [opened, closed]


async def test_a_buy_of_the_gap_is_not_told_where_the_socket_told_its_sell_meanwhile() -> None:
    async with HalyrdSimulator() as simulator, listening(simulator, poll_s=Decimal("0.05")) as listener:
        await listener.settled(simulator)
        simulator.mute, simulator.rest_refuse_with = True, 500
        await simulator.trade("LINK/USDT", "buy", 80.0, 17.42)
        simulator.mute = False
        await simulator.cut(1006)
        await until(lambda: len(listener.of(Status)) == 3, WAIT_S)
        await asyncio.sleep(0.005)  # another millisecond than the buy's
        sold = await simulator.trade("LINK/USDT", "sell", 82.0, 18.0, pnl=2.0)
        await until(lambda: listener.trades, WAIT_S)
        simulator.rest_refuse_with = None
        await until(lambda: any("after a later sell" in note for note in listener.notes), WAIT_S)
        assert [trade.ref for trade in listener.trades] == [sold]
