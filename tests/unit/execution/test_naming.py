"""naming: every log line about an order carries action_id, account and cloid."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from story import Story

from executor import logs
from executor.app.ending import finish_orders
from executor.core import events as ev
from executor.core.facts import OrderFact
from executor.errors import SignerRefused, VenueUnavailable
from executor.execution import naming
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.proof import Prover
from executor.execution.reading import Reader
from executor.execution.resolve import Resolver
from executor.execution.turn import Turn

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs.configure("INFO", "console")


class Mute:
    """A worker, a venue that cannot be read and a signer that refuses, in one."""

    address = "0x1"
    reply_timeout_s, failed = 1.0, None

    def __init__(self, story: Story) -> None:
        self.venue, self.story, self.desks = self, story, {}

    def now_ms(self) -> int:
        return self.story.now

    def turn(self) -> Turn:
        return Turn(self.story.now)

    def sign(self, *_: object) -> dict[str, Any]:
        raise SignerRefused("symbols", "not of our coins", "SIGNER_SYMBOL")

    def record_of(self, request: Any) -> Any:
        return next(e for e in self.story.of(ev.SendStarted) if e.request_id == request.request_id)

    async def order_status(self, *_: object) -> Any:
        raise VenueUnavailable("down")

    async def fills_since(self, *_: object) -> Any:
        raise VenueUnavailable("down")


def bench() -> tuple[Story, Any, Desk]:
    story = Story()
    office: Any = Mute(story)
    return story, office, Desk(story.desk, story.state, office, Nonces(0))


def named(story: Story) -> dict[str, str]:
    """What a line has to say of the only order that is out."""
    (leg,) = [leg for leg in story.state.live.values() if leg.kind == "entry"]
    (received,) = [event for event in story.of(ev.ActionReceived) if event.key == leg.key]
    naming.remember(received)
    return {"action_id": received.action_id, "account": story.state.account, "cloid": leg.cloid}


async def test_what_is_not_sent_again_or_cannot_be_looked_up_is_named(lines: Lines) -> None:
    story, office, desk = bench()
    story.set("entry", "unknown")
    story.long(1)
    wanted = named(story)
    await Resolver(office, desk).once("entry")
    told = lines()
    assert {line["action"] for line in told} == {"resend_refused", "lookup_failed"}
    assert all(wanted.items() <= line.items() for line in told), told


async def test_an_evidence_that_cannot_be_read_is_told_of_each_order(lines: Lines) -> None:
    story, _, desk = bench()
    story.set("entry", "unknown")
    story.long(1)
    wanted = named(story)
    (leg,) = story.state.live.values()

    class Half(Mute):
        async def order_status(self, *_: object) -> Any:
            story.now = (leg.deadline_ms or 0) + 1
            return OrderFact(None, "", story.now)

    story.now = (leg.deadline_ms or 0) + 1
    half: Any = Half(story)
    await Resolver(half, desk).once("entry")
    (line,) = lines()
    assert wanted.items() <= line.items()


async def test_an_order_missing_from_the_list_that_cannot_be_looked_up_is_named(lines: Lines) -> None:
    story, office, desk = bench()
    story.set("entry", "unknown")
    story.long(1)
    wanted = named(story)
    await Reader(office, desk)._look_up(wanted["cloid"])
    (line,) = lines()
    assert wanted.items() <= line.items()


async def test_an_action_whose_orders_cannot_be_proved_is_named_by_its_id_and_account(lines: Lines) -> None:
    story, office, desk = bench()
    story.long(1)
    received = story.of(ev.ActionReceived)[-1]
    assert await Prover(office, desk)._look_up(received) is None
    (line,) = lines()
    assert (line["action_id"], line["account"]) == (received.action_id, story.state.account)
    assert story.of(ev.LegPlanned)[-1].cloid in line["cloids"]


async def test_what_is_out_when_a_worker_ends_is_named_order_by_order(lines: Lines) -> None:
    story, _, desk = bench()
    story.set("entry", "unknown")
    story.long(1)
    wanted = named(story)
    await finish_orders([desk], 0.01)
    told = [line for line in lines() if line["action"] == "shutdown_unfinished"]
    assert [wanted.items() <= line.items() for line in told] == [True]


async def test_an_account_where_something_only_waits_to_leave_is_told_too(lines: Lines) -> None:
    story = Story()
    desk: Any = SimpleNamespace(settings=story.desk, state=story.state, at_rest=lambda: False)
    await finish_orders([desk], 0.01)
    (line,) = lines()
    assert (line["account"], line["action"]) == (story.state.account, "shutdown_unfinished")
    assert desk.entries_open is False


def test_only_so_many_ids_are_kept_and_an_unknown_key_names_itself() -> None:
    story = Story()
    story.long(1)
    received = story.of(ev.ActionReceived)[-1]
    naming.remember(received)
    assert naming.action_id(received.key) == received.action_id
    assert (naming.action_id("other"), naming.action_id(None)) == ("other", None)
