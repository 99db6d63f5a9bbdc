"""Waking the streams costs the worker nothing, and streams at one place share one read."""

import asyncio

import orjson
import pytest

from executor.server.reading import Busy, Reading
from executor.server.stream import Pages, Tail, event_message


class Record:
    """A read model of so many events, which counts how often it is asked."""

    def __init__(self, last_seq):
        self.last_seq = last_seq
        self.asked = 0
        self.closed = False

    def events(self, after=0, limit=1000):
        self.asked += 1
        numbers = range(after + 1, min(after + limit, self.last_seq) + 1)
        rows = [
            {"seq": n, "at": "1970-01-01T00:00:01.500Z", "kind": "K", "account": None, "key": None, "data": {}}
            for n in numbers
        ]
        return {"events": rows, "last_seq": self.last_seq}

    def close(self):
        self.closed = True


async def test_many_notifications_ring_the_bell_once():
    tail = Tail(0)
    bell = tail.more
    for seq in range(1, 1001):
        tail.notify(seq)
    assert not bell.is_set()
    await bell.wait()
    assert tail.last_seq == 1000
    assert not tail.more.is_set()


async def test_an_older_seq_does_not_turn_it_back():
    tail = Tail(0)
    tail.notify(5)
    tail.notify(3)
    assert tail.last_seq == 5
    tail.close()


async def test_streams_at_one_place_share_one_read():
    record = Record(10)
    reading = Reading(lambda: record, 5)
    await reading.start()
    pages = Pages(reading, 4)
    answers = await asyncio.gather(*(pages.after(2) for _ in range(50)))
    assert [seq for seq, _ in answers[0]] == [3, 4, 5, 6]
    assert all(answer == answers[0] for answer in answers)
    assert record.asked == 1
    assert await pages.after(10) == []
    await reading.close()


async def test_one_stream_that_goes_does_not_end_the_read_of_the_others():
    record = Record(3)
    reading = Reading(lambda: record, 5)
    await reading.start()
    pages = Pages(reading, 4)
    first, second = asyncio.create_task(pages.after(0)), asyncio.create_task(pages.after(0))
    await asyncio.sleep(0)
    first.cancel()
    assert len(await second) == 3
    await reading.close()


def test_a_message_carries_its_time_twice():
    (message,) = (event_message(event) for event in Record(1).events()["events"])
    assert orjson.loads(orjson.dumps(message)) == {
        "seq": 1, "at": "1970-01-01T00:00:01.500Z", "at_ms": 1500, "kind": "K", "account": None, "key": None,
        "data": {},
    }  # fmt: skip


async def test_a_closed_record_answers_no_more():
    record = Record(1)
    reading = Reading(lambda: record, 5)
    await reading.start()
    await reading.close()
    assert record.closed
    with pytest.raises(Busy):
        await reading.ask(lambda read: read.events())
