"""The Fractrade source against the simulator: every channel, credential and end, one identity."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from executor.clock import SystemClock
from executor.core.source_events import ActionBase, Malformed, SourceEvent, Status
from executor.errors import CredentialRefused
from executor.sim.fractrade import FractradeSimulator
from executor.sources.fractrade import FractradeOptions, FractradeSource

GOOD = {
    "api_key": SecretStr("sim-key"),
    "api_secret": SecretStr("sim-secret"),
    "user_token": SecretStr("sim-token"),
}
ALL: dict[str, Any] = {"agents": ("a1",), "user_id": "u1", "executor_channel": True}
FRAME: dict[str, Any] = {
    "action_id": "7c1f",
    "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
    "agent_id": "a1",
    "config": {"position": {"asset": "ETH", "size": 0.25, "side": "LONG", "leverage": 3}},
    "created_at": "now",
    "status": "PENDING",
}


class Worker:
    """A running source and what it emitted."""

    def __init__(self, url: str, secrets: Mapping[str, SecretStr], keys: dict[str, Any]) -> None:
        self.events: list[SourceEvent | Malformed] = []
        self.raws: list[str | bytes] = []
        self.notes: list[tuple[str, str]] = []
        self.news = asyncio.Event()
        options = FractradeOptions(url=url, **keys)
        self.source = FractradeSource(
            "mine", options, secrets, SystemClock(), lambda: 0.0, lambda *note: self.notes.append(note)
        )
        self.task = asyncio.create_task(self.source.run(self.emit))

    def emit(self, raw: str | bytes, event: SourceEvent | Malformed) -> None:
        self.raws.append(raw)
        self.events.append(event)
        self.news.set()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> dict[str, str]:
        return {channel.name: channel.state for channel in self.source.channels()}

    async def until(self, fulfilled: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not fulfilled():
                self.news.clear()
                await self.news.wait()


@contextlib.asynccontextmanager
async def working(
    simulator: FractradeSimulator, secrets: Mapping[str, SecretStr] = GOOD, **keys: Any
) -> AsyncIterator[Worker]:
    worker = Worker(simulator.url.replace("ws:", "http:"), secrets, keys)
    try:
        yield worker
    finally:
        worker.task.cancel()
        await asyncio.gather(worker.task, return_exceptions=True)


async def test_one_action_on_three_channels_is_emitted_thrice_with_one_identity() -> None:
    async with FractradeSimulator() as simulator, working(simulator, **ALL) as worker:
        await simulator.wait_connected(3)
        assert await simulator.publish(FRAME) == 3
        await worker.until(lambda: len(worker.of(ActionBase)) == 3)
        actions = worker.of(ActionBase)
        assert {action.origin.channel for action in actions} == {"agent:a1", "user:u1", "executor"}
        assert len({(action.key, action.fingerprint, action.agent) for action in actions}) == 1
        assert {action.origin.source for action in actions} == {"mine"}


async def test_each_channel_tells_when_it_opens_and_which_agents_it_carries() -> None:
    async with FractradeSimulator() as simulator, working(simulator, **ALL) as worker:
        await worker.until(lambda: len(worker.of(Status)) == 3)
        assert {(s.origin.channel, s.state, s.agent_ids) for s in worker.of(Status)} == {
            ("agent:a1", "open", ("a1",)),
            ("user:u1", "open", ()),
            ("executor", "open", ()),
        }
        assert set(worker.raws) == {b""}
        assert set(worker.states().values()) == {"open"}


async def test_each_agent_has_a_socket_of_its_own() -> None:
    async with FractradeSimulator() as simulator, working(simulator, agents=("a1", "a2")) as worker:
        await simulator.wait_connected(2)
        await simulator.publish(FRAME, ["agent"], agent_id="a2")
        await worker.until(lambda: bool(worker.of(ActionBase)))
        assert [action.origin.channel for action in worker.of(ActionBase)] == ["agent:a2"]


async def test_a_bad_credential_stops_its_channel_for_good_while_the_others_go_on() -> None:
    secrets = {**GOOD, "api_secret": SecretStr("wrong")}
    async with FractradeSimulator() as simulator, working(simulator, secrets, **ALL) as worker:
        await worker.until(lambda: len(worker.of(Status)) == 3)
        assert worker.states() == {"agent:a1": "refused", "user:u1": "open", "executor": "open"}
        (refused,) = [c for c in worker.source.channels() if c.state == "refused"]
        assert "credentials" in refused.remedy
        assert [one.remedy for one in worker.of(Status) if one.state == "refused"] == [refused.remedy]
        await simulator.publish(FRAME)
        await worker.until(lambda: len(worker.of(ActionBase)) == 2)
        assert simulator.handshakes == 3


async def test_when_every_channel_is_refused_the_source_ends_with_the_remedy_and_no_secret() -> None:
    secrets = {name: SecretStr("wr0ng") for name in GOOD}
    async with FractradeSimulator() as simulator, working(simulator, secrets, **ALL) as worker:
        with pytest.raises(CredentialRefused) as refusal:
            await asyncio.wait_for(worker.task, 5)
        assert "executor" in refusal.value.message
        assert "credentials" in refusal.value.remedy
        assert "wr0ng" not in str(refusal.value)
        assert {status.state for status in worker.of(Status)} == {"refused"}


async def test_a_policy_violation_while_open_stops_that_channel_for_good() -> None:
    async with FractradeSimulator() as simulator, working(simulator, **ALL) as worker:
        await simulator.wait_connected(3)
        await simulator.cut(1008, "too many", ["user"])
        await worker.until(lambda: worker.states()["user:u1"] == "refused")
        (status,) = [s for s in worker.of(Status) if s.state == "refused"]
        assert (status.code, status.detail) == (1008, "POLICY_VIOLATION: too many")
        assert worker.states()["agent:a1"] == "open"


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012])
async def test_a_cut_channel_comes_back_and_tells_both(code: int) -> None:
    async with FractradeSimulator() as simulator, working(simulator, agents=("a1",)) as worker:
        await simulator.wait_connected(1)
        await simulator.cut(code)
        await worker.until(lambda: len(worker.of(Status)) == 3)
        assert [status.state for status in worker.of(Status)] == ["open", "closed", "open"]
        assert worker.of(Status)[1].code == code
        await simulator.publish(FRAME)
        await worker.until(lambda: bool(worker.of(ActionBase)))


async def test_a_long_outage_is_told_once() -> None:
    async with FractradeSimulator() as simulator:
        simulator.refuse_with = 503
        async with working(simulator, agents=("a1",)) as worker:
            await simulator.wait_handshakes(3)
            assert [status.state for status in worker.of(Status)] == ["closed"]
            assert worker.source.channels()[0].attempts >= 2
            simulator.refuse_with = None
            await worker.until(lambda: worker.states()["agent:a1"] == "open")
            assert worker.source.channels()[0].detail == ""


async def test_whatever_is_no_action_is_malformed_and_ends_nothing() -> None:
    frames: list[str | bytes] = ["", "[1]", "{", b"\xff", b"{}", "x" * (2 << 20), '{"type": "PING"}']
    async with FractradeSimulator() as simulator, working(simulator, agents=("a1",)) as worker:
        await simulator.wait_connected(1)
        for frame in frames:
            await simulator.publish(frame)
        await simulator.publish(FRAME)
        await worker.until(lambda: bool(worker.of(ActionBase)))
        assert [event.reason for event in worker.of(Malformed)] == [
            "INVALID_JSON",
            "NOT_AN_OBJECT",
            "INVALID_JSON",
            "NOT_UTF8",
            "MISSING_FIELD",
            "FRAME_TOO_LARGE",
            "UNSUPPORTED_MESSAGE",
        ]
        assert simulator.handshakes == 1
        assert worker.raws[1:5] == ["", "[1]", "{", b"\xff"]


async def test_more_than_a_hundred_messages_a_minute_are_noted_once() -> None:
    async with FractradeSimulator() as simulator, working(simulator, agents=("a1",)) as worker:
        await simulator.wait_connected(1)
        for _ in range(250):
            await simulator.publish("{}")
        await worker.until(lambda: len(worker.of(Malformed)) == 250)
        assert 1 <= len(worker.notes) <= 2  # two when the minute turns in between
        assert worker.notes[0][0] == "agent:a1"


async def test_the_time_of_the_last_frame_is_shown() -> None:
    async with FractradeSimulator() as simulator, working(simulator, agents=("a1",)) as worker:
        await simulator.wait_connected(1)
        assert worker.source.channels()[0].last_frame_at_ms is None
        await simulator.publish(FRAME)
        await worker.until(lambda: bool(worker.of(ActionBase)))
        assert worker.source.channels()[0].last_frame_at_ms == worker.of(ActionBase)[0].origin.received_at_ms


async def test_cancelling_closes_every_socket() -> None:
    async with FractradeSimulator() as simulator:
        async with working(simulator, **ALL):
            await simulator.wait_connected(3)
        await simulator.wait_disconnected(2)
