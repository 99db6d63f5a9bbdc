"""The worker's garbage: what outlived its second is freed too, so that weeks of reconnects do not fill the memory."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from executor.app.garbage import keep_tidy


class Knot:
    """Garbage that only the collector can free."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def own_garbage():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def _turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_lived_through_a_collection_is_freed_by_a_later_one(own_garbage):
    tidying = asyncio.create_task(keep_tidy(every_s=0, whole_every=50))
    await asyncio.sleep(0)
    knot = Knot()
    seen = weakref.ref(knot)
    await _turns(10)  # old enough that the quick collections leave it alone
    del knot
    await _turns(10)
    assert seen() is not None, "the quick ones do not look at it: this test would show nothing"
    await _turns(100)
    tidying.cancel()
    assert seen() is None
