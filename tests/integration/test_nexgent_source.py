"""The Nexgent source against the simulator: every trap of the real server, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from executor.clock import SystemClock
from executor.core.source_events import Malformed, SourceEvent, SourcePosition, Status, Ticker
from executor.errors import CredentialRefused
from executor.ports import Frame
from executor.sim.nexgent import Habits, NexgentSimulator
from executor.sim.nexgent_positions import BONK
from executor.sources.nexgent import NexgentOptions, NexgentSource
from executor.testing import until

AGENT = "550e8400-e29b-41d4-a716-446655440000"
SOON_S = 20.0
"""A limit, not a pace: each wait normally takes a few hundredths of a second."""


class Worker:
    """A running source and what it emitted, journaled as the worker would."""

    def __init__(
        self, simulator: NexgentSimulator, secrets: dict[str, str], keys: dict[str, Any], recalled: list[Frame]
    ) -> None:
        self.events: list[SourceEvent | Malformed] = []
        self.journal = list(recalled)
        self.notes: list[str] = []
        options = NexgentOptions(url=simulator.rest_url, agents=(AGENT,), **{"reconnect_interval_s": 0.05, **keys})
        hidden = {name: SecretStr(value) for name, value in secrets.items()}
        past = list(recalled)

        def recall() -> Iterator[Frame]:
            return iter(past)

        self.source = NexgentSource(
            "nex", options, hidden, SystemClock(), lambda: 0.0, lambda _, text: self.notes.append(text), recall
        )
        self.task = asyncio.create_task(self.source.run(self.emit))

    def emit(self, raw: str | bytes, event: SourceEvent | Malformed) -> None:
        last = self.journal[-1].data if self.journal else b""
        if raw and raw is not last and not isinstance(event, Ticker):
            self.journal.append(Frame(event.origin.received_at_ms, "nex", event.origin.channel, raw))
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [status.state for status in self.of(Status)]

    @property
    def state(self) -> str:
        return self.source.channels()[0].state

    def sizes(self) -> list[tuple[str, Decimal]]:
        return [(one.position_id, one.size) for one in self.of(SourcePosition)]

    def size(self, position_id: str = "p1") -> Decimal | None:
        return dict(self.sizes()).get(position_id)


@contextlib.asynccontextmanager
async def simulated(**habits: Any) -> AsyncIterator[NexgentSimulator]:
    async with NexgentSimulator((AGENT,), habits=Habits(**{"ping_s": 0.1, **habits})) as simulator:
        yield simulator


@contextlib.asynccontextmanager
async def working(
    simulator: NexgentSimulator,
    secrets: dict[str, str] | None = None,
    recalled: list[Frame] | None = None,
    **keys: Any,
) -> AsyncIterator[Worker]:
    usual = {"access_token": simulator.tokens.access()}
    worker = Worker(simulator, usual if secrets is None else secrets, keys, recalled or [])
    try:
        yield worker
    finally:
        worker.task.cancel()
        await asyncio.gather(worker.task, return_exceptions=True)


async def live(worker: Worker, count: int = 1) -> None:
    await until(lambda: worker.state == "open" and worker.states().count("open") >= count, SOON_S)


async def test_connected_then_snapshot_then_updates_and_ready_only_with_the_snapshot() -> None:
    async with simulated(load_s=0.2) as simulator:
        await simulator.buy(AGENT, "p1")
        async with working(simulator) as worker:
            await until(lambda: worker.states() == ["open"], SOON_S)
            assert worker.state == "connecting"
            await live(worker)
            assert worker.sizes() == [("p1", Decimal(1000000))]
            await simulator.change(AGENT, "p1", remainingAmount=400000, realizedProfitSol=0.5)
            await until(lambda: worker.size() == 400000, SOON_S)
            await simulator.change(AGENT, "p1", partial=True, purchaseAmount=2000000, remainingAmount=1400000)
            await until(lambda: worker.size() == 1400000, SOON_S)
            await simulator.sell(AGENT, "p1")
            await until(lambda: worker.size() == 0, SOON_S)
            first, last = worker.of(SourcePosition)[0], worker.of(SourcePosition)[-1]
            assert (first.symbol, first.token, first.stop_pct, first.quote) == ("BONK", BONK, Decimal(-32), "SOL")
            assert (last.bought, last.realized, last.agent.agent_id) == (2000000, Decimal("0.5"), AGENT)


async def test_every_server_ping_is_answered_so_the_server_never_times_us_out() -> None:
    async with simulated(ping_s=0.02) as simulator, working(simulator) as worker:
        await live(worker)
        await until(lambda: sum(m["type"] == "pong" for m in simulator.seen.messages) >= 5, SOON_S)
        assert worker.states() == ["open"]


async def test_prices_become_tickers_with_the_original_mint_kept_and_reach_the_journal_now_and_then() -> None:
    async with simulated() as simulator:
        await simulator.buy(AGENT, "p1")
        async with working(simulator) as worker:
            await live(worker)
            written = len(worker.journal)
            await simulator.price(BONK, 3.1e-9)
            await simulator.price(BONK, 3.2e-9, legacy=True)
            await until(lambda: len(worker.of(Ticker)) == 2, SOON_S)
            assert worker.of(Ticker)[0].px == Decimal("3.1E-9") * 150
            marked = worker.of(SourcePosition)[-1]
            assert (marked.token, marked.mark_px) == (BONK, Decimal("3.1E-9"))
            assert len(worker.journal) == written + 1


@pytest.mark.parametrize("reason", ["Connection timeout", "Server shutdown"])
async def test_a_1000_of_the_server_is_no_farewell(reason: str) -> None:
    async with simulated() as simulator, working(simulator) as worker:
        await live(worker)
        await simulator.cut(1000, reason)
        await live(worker, 2)
        assert worker.states() == ["open", "closed", "open"]
        assert worker.of(Status)[1].detail == f"CLOSED_NORMALLY: {reason}"


async def test_who_was_taken_over_waits_long_and_tells_people() -> None:
    async with simulated() as simulator, working(simulator) as worker:
        await live(worker)
        async with working(simulator) as other:
            await until(lambda: worker.state == "closed", SOON_S)
            await live(other)
            channel = worker.source.channels()[0]
            assert channel.detail == "TAKEN_OVER: New connection established"
            assert "one connection an agent" in channel.remedy
            assert "in 300 s" in worker.notes[-1]
            assert simulator.handshakes == 2


async def test_a_mute_socket_is_let_go_closed_and_opened_again_though_it_answers() -> None:
    async with simulated() as simulator, working(simulator, ping_silence_s=0.4) as worker:
        await live(worker)
        simulator.mute(AGENT)
        await simulator.buy(AGENT, "p1")
        assert worker.size() is None
        await until(lambda: worker.size() == 1000000, SOON_S)
        assert worker.states()[:3] == ["open", "closed", "open"]
        assert worker.of(Status)[1].detail.startswith("MUTE")
        assert len(simulator.peers) == 1


async def test_the_takeover_trap_ends_in_a_socket_that_hears_again() -> None:
    """The old one of another client is closed, the new one is mute: N10 as the real server made it."""
    async with simulated() as simulator, working(simulator) as worker:
        await live(worker)
        async with working(simulator, ping_silence_s=0.4) as second:
            await live(second)
            await until(lambda: second.states().count("open") == 2, SOON_S)
            await live(second, 2)
            await simulator.buy(AGENT, "p9")
            await until(lambda: second.size("p9") is not None, SOON_S)


async def test_an_unknown_agent_is_refused_for_good_with_a_remedy() -> None:
    async with simulated() as simulator:
        simulator.agents = ()
        async with working(simulator) as worker:
            with pytest.raises(CredentialRefused, match="Agent not found") as refusal:
                await asyncio.wait_for(worker.task, SOON_S)
            assert "agent's id" in refusal.value.remedy
            assert worker.state == "refused"
            assert simulator.handshakes == 1


async def test_a_refused_token_is_refreshed_once_and_works() -> None:
    async with simulated() as simulator:
        stale = simulator.tokens.access()
        simulator.tokens.revoked.add(stale)
        secrets = {"access_token": stale, "refresh_token": simulator.tokens.refresh()}
        async with working(simulator, secrets) as worker:
            await live(worker)
            assert (simulator.seen.refreshes, simulator.handshakes) == (1, 2)
            assert worker.states() == ["closed", "open"]


async def test_a_token_that_is_refused_again_after_a_refresh_ends_the_channel() -> None:
    async with simulated() as simulator:
        simulator.refuse_with = 401
        secrets = {"access_token": simulator.tokens.access(), "refresh_token": simulator.tokens.refresh()}
        async with working(simulator, secrets) as worker:
            with pytest.raises(CredentialRefused, match="UNAUTHORIZED"):
                await asyncio.wait_for(worker.task, SOON_S)
            assert (simulator.seen.refreshes, simulator.handshakes) == (1, 2)
            assert not any(secret in str(worker.source.channels()) for secret in secrets.values())


async def test_a_token_that_is_about_to_end_is_refreshed_before_the_next_connection() -> None:
    async with simulated() as simulator:
        secrets = {"access_token": simulator.tokens.access(30), "refresh_token": simulator.tokens.refresh()}
        async with working(simulator, secrets) as worker:
            await live(worker)
            assert (simulator.seen.refreshes, simulator.handshakes, worker.states()) == (1, 1, ["open"])


async def test_email_and_password_alone_will_do_and_come_after_a_refresh_token_that_is_over() -> None:
    async with simulated() as simulator:
        login = {"email": simulator.tokens.email, "password": simulator.tokens.password}
        async with working(simulator, login) as worker:
            await live(worker)
        async with working(simulator, {**login, "refresh_token": simulator.tokens.refresh(-5)}) as worker:
            await live(worker)
        assert (simulator.seen.logins, simulator.seen.refreshes) == (2, 1)


async def test_a_wrong_password_ends_the_channel() -> None:
    async with simulated() as simulator, working(simulator, {"email": "a@b.example", "password": "x"}) as worker:
        with pytest.raises(CredentialRefused, match="HTTP 401"):
            await asyncio.wait_for(worker.task, SOON_S)
        assert simulator.handshakes == 0


async def test_a_rest_side_that_is_down_while_a_token_is_needed_is_tried_again() -> None:
    async with simulated() as simulator:
        simulator.rest_refuse_with = 503
        async with working(simulator, {"refresh_token": simulator.tokens.refresh()}) as worker:
            await until(lambda: worker.state == "closed", SOON_S)
            assert "TOKEN_UNREACHABLE" in worker.source.channels()[0].detail
            simulator.rest_refuse_with = None
            await live(worker)


async def test_a_snapshot_that_fails_to_load_comes_by_rest() -> None:
    async with simulated(fail_load="Database connection error") as simulator:
        await simulator.buy(AGENT, "p1", remainingAmount=400000, takeProfitLevelsHit=1)
        async with working(simulator) as worker:
            await live(worker)
            assert worker.size() == 400000
            assert worker.notes[0] == "the server says: Failed to load initial data: Database connection error"
            assert worker.states() == ["open"]


async def test_while_the_socket_is_down_rest_tells_what_was_closed() -> None:
    async with simulated() as simulator:
        await simulator.buy(AGENT, "p1")
        async with working(simulator, rest_poll_s=0.2) as worker:
            await live(worker)
            simulator.refuse_with = 503
            await simulator.cut(1006)
            await until(lambda: worker.state == "closed", SOON_S)
            await simulator.sell(AGENT, "p1", told=False)
            await until(lambda: worker.size() == 0, SOON_S)


async def test_a_position_that_vanished_over_a_reconnect_is_closed_and_the_others_are_told_again() -> None:
    async with simulated() as simulator:
        await simulator.buy(AGENT, "p1")
        await simulator.buy(AGENT, "p2")
        async with working(simulator) as worker:
            await live(worker)
            await simulator.cut(1006)
            await simulator.sell(AGENT, "p1", told=False)
            await live(worker, 2)
            assert worker.sizes()[2:] == [("p1", 0), ("p2", 1000000)]
            again = [one for one in worker.of(SourcePosition) if one.position_id == "p2"]
            assert again[0].revision == again[1].revision


async def test_a_position_closed_while_no_worker_ran_is_closed_at_the_next_start() -> None:
    async with simulated() as simulator:
        await simulator.buy(AGENT, "p1")
        async with working(simulator) as first:
            await live(first)
        await simulator.wait_disconnected()
        await simulator.sell(AGENT, "p1", told=False)
        async with working(simulator, recalled=first.journal) as second:
            await until(lambda: second.sizes() == [("p1", Decimal(0))], SOON_S)


async def test_a_long_journal_is_read_beside_the_worker_and_before_anything_is_told() -> None:
    loop_went_on = threading.Event()
    found: list[bool] = []

    def recall() -> Iterator[Frame]:
        found.append(loop_went_on.wait(SOON_S))
        return iter(())

    async with simulated() as simulator:
        options = NexgentOptions(url=simulator.rest_url, agents=(AGENT,))
        secrets = {"access_token": SecretStr(simulator.tokens.access())}
        source = NexgentSource("nex", options, secrets, SystemClock(), lambda: 0.0, lambda *_: None, recall)
        states: list[list[bool]] = []
        task = asyncio.create_task(source.run(lambda *_: states.append(list(found))))
        await asyncio.sleep(0)
        loop_went_on.set()
        await until(lambda: states, SOON_S)
        assert (found, states[0]) == ([True], [True])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_comes_before_the_snapshot_is_taken_at_once_and_not_undone_by_it() -> None:
    async with simulated(load_s=0.5) as simulator:
        await simulator.buy(AGENT, "old")
        async with working(simulator) as worker:
            await simulator.wait_connected()
            await until(lambda: worker.states() == ["open"], SOON_S)
            await simulator.buy(AGENT, "early")  # the snapshot was read before it
            await simulator.sell(AGENT, "old")  # and still has this one
            await until(lambda: worker.size("early") is not None, SOON_S)
            await live(worker)
            assert worker.size("early") == 1000000
            assert worker.size("old") is None


async def test_frames_nobody_can_read_are_recorded_and_end_nothing() -> None:
    async with simulated() as simulator, working(simulator) as worker:
        await live(worker)
        for frame in ("not json", b"\xff\xfe", "[1]", {"type": 7}, {"type": "position_update", "data": []}):
            await simulator.publish(AGENT, frame)
        await simulator.publish(AGENT, {"type": "something_new", "data": {}})
        await until(lambda: len(worker.of(Malformed)) == 5, SOON_S)
        await simulator.buy(AGENT, "p1")
        await until(lambda: worker.size() is not None, SOON_S)
        assert worker.states() == ["open"]


async def test_wallets_leave_out_positions_of_others() -> None:
    async with simulated() as simulator, working(simulator, wallets=("mine",)) as worker:
        await live(worker)
        await simulator.buy(AGENT, "simulated", walletAddress="paper")
        await simulator.buy(AGENT, "p1", walletAddress="mine")
        await until(lambda: worker.size() is not None, SOON_S)
        assert worker.size("simulated") is None


async def test_the_pong_carries_a_timestamp() -> None:
    async with simulated() as simulator, working(simulator):
        await until(lambda: simulator.seen.messages, SOON_S)
        assert json.dumps(simulator.seen.messages[0]).startswith('{"type": "pong", "timestamp": "20')
