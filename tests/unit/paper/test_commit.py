"""Latency, and the order of actions inside a block (hyperliquid.md section 6.3)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from executor.paper.commit import BLOCK_MS, Committer, rank
from executor.paper.gate import Request


class Recorder:
    """Stands in for the venue: remembers what was executed, in order."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(monotonic_s=lambda: 10.0)
        self.done: list[str] = []

    def execute(self, request: Request):
        self.done.append(str(request.nonce))
        return {"nonce": request.nonce}


def limit(tif: str):
    return {"t": {"limit": {"tif": tif}}}


ORDER_IOC = {"type": "order", "orders": [limit("Ioc")]}
ORDER_ALO = {"type": "order", "orders": [limit("Alo")]}
CANCEL = {"type": "cancel", "cancels": []}


@pytest.mark.parametrize(
    ("action", "place"),
    [
        (ORDER_IOC, 2), ({"type": "order", "orders": [limit("Alo"), limit("Gtc")]}, 2), (ORDER_ALO, 0), (CANCEL, 1),
        ({"type": "updateLeverage"}, 0), ({"type": "modify", "order": limit("Gtc")}, 2),
        ({"type": "batchModify", "modifies": [{"order": limit("Alo")}]}, 0),
        ({"type": "order", "orders": [{"t": {"trigger": {}}}]}, 0),
    ],
)  # fmt: skip
def test_takers_come_last_in_a_block_and_cancels_before_them(action, place):
    assert rank(action) == place


async def test_one_block_is_executed_in_that_order_whoever_came_first():
    venue, slept = Recorder(), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    committer = Committer(venue, 200, sleep)
    actions = [(1, ORDER_IOC), (2, CANCEL), (3, ORDER_ALO), (4, ORDER_IOC)]
    answers = await asyncio.gather(*(committer.submit(Request(a, n, ())) for n, a in actions))
    assert venue.done == ["3", "2", "1", "4"]
    assert [a["nonce"] for a in answers] == [1, 2, 3, 4]
    assert all(0.2 <= s <= 0.2 + BLOCK_MS / 1000 for s in slept)


async def test_without_latency_an_action_is_executed_at_once():
    venue = Recorder()
    assert await Committer(venue, 0).submit(Request(CANCEL, 7, ())) == {"nonce": 7}


async def test_a_mistake_with_one_request_leaves_nobody_else_of_its_block_without_an_answer():
    venue, everybody = Recorder(), asyncio.Event()

    def execute(request: Request):
        if request.nonce == 1:
            raise ZeroDivisionError("a mistake of ours")
        return {"nonce": request.nonce}

    async def sleep(_seconds: float) -> None:
        await everybody.wait()

    venue.execute = execute
    committer = Committer(venue, 200, sleep)
    waiting = [asyncio.create_task(committer.submit(Request(ORDER_IOC, nonce, ("0x1",)))) for nonce in (2, 1, 3)]
    await asyncio.sleep(0)
    everybody.set()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [dict, ZeroDivisionError, dict]
