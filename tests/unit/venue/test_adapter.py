"""The adapter before it is started: whom it follows, what it refuses. Everything else is contract and integration."""

from __future__ import annotations

import pytest

from executor.errors import VenueAnswerOdd, VenueError
from executor.ports import AccountNews, Lane, SignedRequest, Venue
from executor.testing import START_MS, ManualClock
from executor.venue.adapter import MAX_ACCOUNTS, HyperliquidVenue


@pytest.fixture
def venue() -> HyperliquidVenue:
    return HyperliquidVenue("custom", "http://127.0.0.1:9", ManualClock())


def address(number: int) -> str:
    return f"0x{number:040x}"


def test_before_the_start_there_are_no_rules_but_a_time(venue: HyperliquidVenue) -> None:
    port: Venue = venue
    assert port.now_ms() == START_MS
    assert port.quotes == {}
    with pytest.raises(VenueAnswerOdd):
        _ = port.rules


async def test_before_the_start_nothing_is_sent(venue: HyperliquidVenue) -> None:
    reply = await venue.submit(SignedRequest({"type": "noop"}, 1, {}, None, None), Lane.CLOSE, 1.0)
    assert reply.sent is False
    await venue.close()


def test_one_account_more_than_the_venue_takes_sockets_is_refused(venue: HyperliquidVenue) -> None:
    news: list[AccountNews] = []
    for number in range(MAX_ACCOUNTS):
        venue.follow(address(number), news.append)
        venue.follow(address(number), news.append)
    with pytest.raises(VenueError):
        venue.follow(address(MAX_ACCOUNTS), news.append)
    assert not venue.feed_up(address(0))
    assert not venue.feed_up(address(MAX_ACCOUNTS))


def test_counters_and_budgets_have_a_value_from_the_first_moment(venue: HyperliquidVenue) -> None:
    assert set(venue.counters().values()) == {0}
    assert venue.budgets()["sockets"] == (0, 10)
