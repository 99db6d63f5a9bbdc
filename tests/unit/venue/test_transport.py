"""What happens before anything is sent: budgets, and which way a request goes. Sockets: tests/integration."""

from __future__ import annotations

import asyncio

import pytest

from executor.core.facts import RawReply
from executor.errors import VenueAnswerOdd, VenueUnavailable
from executor.hyperliquid import limits
from executor.ports import Lane, SignedRequest
from executor.testing import ManualClock
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.http import HttpDoor
from executor.venue.reads import Reads
from executor.venue.socket import SocketSettings, VenueSocket
from executor.venue.transport import LATELY, Transport

ORDERS = {"type": "order", "orders": [{}] * 79, "grouping": "na"}
REQUEST = SignedRequest(ORDERS, 1, {}, None, None)


class ScriptedDoor(HttpDoor):
    """Gives one answer for everything and remembers what it was asked."""

    def __init__(self, reply: RawReply) -> None:
        super().__init__("http://nowhere")
        self.reply = reply
        self.asked: list[str] = []

    async def post(self, path: str, body: bytes, timeout_s: float) -> RawReply:
        self.asked.append(path)
        return self.reply


class Stage:
    def __init__(self, reply: RawReply) -> None:
        self.manual = ManualClock()
        self.clock = VenueClock(self.manual)
        self.budgets = Budgets()
        self.door = ScriptedDoor(reply)
        socket = VenueSocket("ws://nowhere", self.clock, self.budgets, SocketSettings())
        self.transport = Transport(self.door, socket, self.clock, self.budgets)

    def spend(self, weight: int) -> None:
        self.budgets.spend(weight, self.clock.mono_ms())

    def used(self) -> int:
        return self.budgets.weight.used(self.clock.mono_ms())


def answer(status: int | None, body: object = None, error: str = "") -> RawReply:
    return RawReply(sent=True, status=status, body=body, error=error)


async def test_without_a_socket_a_request_goes_over_http_and_weighs_what_the_venue_says() -> None:
    stage = Stage(answer(200, {"status": "ok"}))
    assert (await stage.transport.submit(REQUEST, Lane.ENTRY, 1.0)).status == 200
    assert (stage.door.asked, stage.used(), stage.transport.http_fallbacks) == (["/exchange"], 2, 1)


async def test_an_entry_without_budget_is_certainly_not_sent_and_an_exit_goes() -> None:
    stage = Stage(answer(200, {}))
    stage.spend(1200)
    assert (await stage.transport.submit(REQUEST, Lane.ENTRY, 1.0)).sent is False
    assert stage.door.asked == []
    assert (await stage.transport.submit(REQUEST, Lane.CLOSE, 1.0)).sent is True


async def test_a_429_holds_back_entries_and_reads() -> None:
    stage = Stage(answer(429, None, "HTTP 429"))
    await stage.transport.submit(REQUEST, Lane.CLOSE, 1.0)
    assert stage.budgets.wait_ms(Lane.ENTRY, 1, stage.clock.mono_ms()) > 0
    assert stage.budgets.wait_ms(Lane.RESIZE, 1, stage.clock.mono_ms()) == 0


async def test_a_read_without_budget_is_unavailable() -> None:
    stage = Stage(answer(200, {}))
    stage.spend(1200)
    with pytest.raises(VenueUnavailable):
        await stage.transport.info("meta", Lane.READ, {})
    assert stage.door.asked == []


@pytest.mark.parametrize("status", [None, 429, 500, 502, 503])
async def test_what_may_work_later_is_unavailable(status: int | None) -> None:
    with pytest.raises(VenueUnavailable):
        await Stage(answer(status, None, "no")).transport.info("meta", Lane.READ, {})


@pytest.mark.parametrize(("status", "error"), [(422, "HTTP 422"), (404, "HTTP 404"), (200, "HTTP 200, not JSON")])
async def test_what_will_not_work_later_is_odd(status: int, error: str) -> None:
    with pytest.raises(VenueAnswerOdd):
        await Stage(answer(status, None, error)).transport.info("meta", Lane.READ, {})


async def test_long_answers_weigh_more() -> None:
    stage = Stage(answer(200, [{}] * 2000))
    assert await stage.transport.info("userFillsByTime", Lane.READ, {}) == [{}] * 2000
    assert stage.used() == 120


async def test_a_short_wait_for_the_budget_is_waited() -> None:
    stage = Stage(answer(200, {}))
    clock = ManualClock()
    stage.clock = VenueClock(clock)
    transport = Transport(
        stage.door,
        VenueSocket("ws://nowhere", stage.clock, stage.budgets, SocketSettings()),
        stage.clock,
        stage.budgets,
    )
    stage.spend(1200)
    clock.advance(59_999)
    waiting = asyncio.create_task(transport.submit(REQUEST, Lane.ENTRY, 1.0))
    await asyncio.sleep(0)
    clock.advance(1)
    assert (await waiting).sent


@pytest.mark.parametrize(("status", "error"), [(None, "no answer"), (500, "HTTP 500"), (503, "HTTP 503")])
async def test_failures_in_a_row_are_a_storm_and_one_good_answer_ends_it(status: int | None, error: str) -> None:
    stage = Stage(answer(status, None, error))
    for _ in range(3):
        await stage.transport.submit(REQUEST, Lane.CLOSE, 1.0)
        stage.manual.advance(10_000)
    assert stage.budgets.in_storm(stage.clock.mono_ms())
    stage.door.reply = answer(200, {})
    await stage.transport.submit(REQUEST, Lane.CLOSE, 1.0)
    assert not stage.budgets.in_storm(stage.clock.mono_ms())


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refusal_of_one_request_is_no_trouble_of_the_venue(status: int) -> None:
    stage = Stage(answer(status, None, "HTTP 4xx"))
    await stage.transport.submit(REQUEST, Lane.CLOSE, 1.0)
    assert stage.budgets.failures == 0


async def test_in_a_storm_a_first_exit_goes_and_the_same_bytes_again_are_kept_back() -> None:
    stage = Stage(answer(503, None, "HTTP 503"))
    for nonce in range(3):
        await stage.transport.submit(SignedRequest(ORDERS, nonce, {}, None, None), Lane.CLOSE, 1.0)
        stage.manual.advance(10_000)
    stage.spend(600)
    assert (await stage.transport.submit(SignedRequest(ORDERS, 0, {}, None, None), Lane.CLOSE, 0.0)).sent is False
    assert (await stage.transport.submit(SignedRequest(ORDERS, 9, {}, None, None), Lane.CLOSE, 0.0)).sent is True


async def test_who_kept_a_read_back_is_told() -> None:
    stage = Stage(answer(503, None, "HTTP 503"))
    for _ in range(20):
        stage.manual.advance(60_000)
        with pytest.raises(VenueUnavailable):
            await stage.transport.info("meta", Lane.READ, {})
    stage.budgets.throttled(stage.clock.mono_ms() + 60_000)
    with pytest.raises(VenueUnavailable, match="the venue failed 21 times in a row"):
        await stage.transport.info("meta", Lane.READ, {})


async def test_what_went_before_is_remembered_within_bounds() -> None:
    stage = Stage(answer(200, {}))
    for nonce in range(3_000):
        await stage.transport.submit(SignedRequest(ORDERS, nonce, {}, None, None), Lane.CLOSE, 1.0)
    assert len(stage.transport._lately) <= LATELY


async def test_prices_of_what_is_held_leave_the_budget_of_a_storm_to_the_exits() -> None:
    """Sixty coins after a restart, each read every five seconds for two minutes of 429."""
    stage, most = Stage(answer(429, error="too many")), 0
    reads = Reads(stage.transport.info, stage.clock)
    for _ in range(24):
        reading = [asyncio.ensure_future(reads.book(f"C{coin}", Lane.RESIZE)) for coin in range(60)]
        await asyncio.wait(reading, timeout=0)  # whoever is held back gives up, as who asked did
        for one in reading:
            one.cancel()
        failed = await asyncio.gather(*reading, return_exceptions=True)
        assert all(isinstance(error, VenueUnavailable | asyncio.CancelledError) for error in failed)
        most = max(most, stage.used())
        stage.manual.advance(5_000)
    assert 0 < most <= 0.6 * limits.IP_WEIGHT_PER_MINUTE
    assert stage.budgets.wait_ms(Lane.CLOSE, 1, stage.clock.mono_ms()) == 0
