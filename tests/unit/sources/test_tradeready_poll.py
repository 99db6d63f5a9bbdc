"""tradeready_poll.py: no order is passed over, however many came since the page was last read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from executor.core.source_events import Malformed, SourceTrade
from executor.sources.channel import Channel
from executor.sources.rest import Answer, RestReader
from executor.sources.tradeready_poll import Poller, Wanted, _nobody
from executor.sources.tradeready_wire import SYSTEM, Decoded
from executor.testing.clock import ManualClock


class Orders(RestReader):
    """A list of orders, newest first, in pages; ``failing`` pages after the first are refused for once.

    Its total counts all there are, or as the real server's the page alone.
    """

    def __init__(self, *, counts_pages: bool) -> None:
        super().__init__("http://nowhere")
        self.ids: list[int] = []
        self.failing = 0
        self.asked = 0
        self.counts_pages = counts_pages

    def come(self, number: int) -> None:
        self.ids += range(len(self.ids), len(self.ids) + number)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        assert params is not None
        self.asked += 1
        offset, limit = int(params["offset"]), int(params["limit"])
        if offset and self.failing:
            self.failing -= 1
            return Answer(429, error="HTTP 429")
        rows = [_row(number) for number in self.ids[::-1][offset : offset + limit]]
        return Answer(200, {"orders": rows, "total": len(rows) if self.counts_pages else len(self.ids)})


def _row(number: int) -> dict[str, Any]:
    words = {"status": "filled", "symbol": "BTCUSDT", "side": "sell", "type": "market", "quantity": "1"}
    return {"order_id": f"o{number}" if number >= 0 else number, "filled_at": "2027-01-15T08:00:00Z", **words}


class Polled:
    """A poller and the trades it told."""

    def __init__(
        self, *, counts_pages: bool = True, clock: ManualClock | None = None, heard_ms: int | None = None
    ) -> None:
        self.orders, self.told, self.unread = Orders(counts_pages=counts_pages), list[str](), 0
        self.notes: list[str] = []
        channel, wanted = Channel(SYSTEM, "mine", "rest:a"), Wanted(orders=True, portfolio=False, candles=())
        self.poller = Poller(
            wanted, channel, self.orders, clock or ManualClock(), 2.0, self.tell, self.note, heard_ms=heard_ms
        )

    def note(self, _: str, text: str) -> None:
        self.notes.append(text)

    def tell(self, raw: str, said: Decoded, emit: object) -> None:
        assert json.loads(raw)
        if emit is _nobody:
            return
        self.unread += isinstance(said, Malformed)
        if isinstance(said, SourceTrade) and said.ref is not None and said.ref not in self.told:
            self.told.append(said.ref)

    async def round(self) -> bool:
        return await self.poller._round(lambda raw, event: None, slow=False)


@pytest.mark.parametrize("counts_pages", [False, True])
async def test_after_an_outage_every_order_is_told_though_they_fill_pages(*, counts_pages: bool) -> None:
    polled = Polled(counts_pages=counts_pages)
    polled.orders.come(300)
    assert await polled.round()
    polled.orders.come(350)
    assert await polled.round()
    assert polled.told == [f"o{number}" for number in range(650)]


@pytest.mark.parametrize("counts_pages", [False, True])
async def test_pages_that_could_not_be_read_are_read_the_next_time(*, counts_pages: bool) -> None:
    polled = Polled(counts_pages=counts_pages)
    polled.orders.come(300)
    assert await polled.round()
    polled.orders.come(350)
    polled.orders.failing = 1
    assert not await polled.round()
    assert await polled.round()
    assert sorted(polled.told) == sorted(f"o{number}" for number in range(650))


@pytest.mark.parametrize(("counts_pages", "pages"), [(False, 2), (True, 1)])
async def test_a_few_new_orders_cost_the_first_and_the_last_page(*, counts_pages: bool, pages: int) -> None:
    polled = Polled(counts_pages=counts_pages)
    polled.orders.come(900)
    assert await polled.round()
    polled.orders.come(3)
    before = polled.orders.asked
    assert await polled.round()
    assert polled.orders.asked == before + pages
    assert await polled.round()
    assert polled.orders.asked == before + pages + 1


async def test_a_row_nobody_can_read_is_told_once_and_not_at_every_reading() -> None:
    polled = Polled()
    polled.orders.come(1)
    assert await polled.round()
    polled.orders.ids += [-1, -2]
    for _ in range(3):
        assert await polled.round()
    assert polled.unread == 2


DAY_MS = 86_400_000
FILLED_MS = 1_800_000_000_000
"""When all orders were (see ``_row``)."""


@pytest.mark.parametrize(
    ("heard_ms", "told"), [(FILLED_MS - 1, 1), (FILLED_MS + DAY_MS - 1, 1), (FILLED_MS + DAY_MS, 0), (None, 0)]
)
async def test_trades_made_while_no_worker_listened_are_told_however_old_they_are(
    heard_ms: int | None, told: int
) -> None:
    polled = Polled(clock=ManualClock(FILLED_MS + 2 * DAY_MS), heard_ms=heard_ms)
    polled.orders.come(1)
    assert await polled.round()
    assert len(polled.told) == told
