"""One account's pushes, frame by frame: up only when both subscriptions are confirmed."""

from __future__ import annotations

import pytest

from executor.errors import VenueAnswerOdd
from executor.ports import AccountNews, FeedNews, FillsNews, OrdersNews
from executor.testing import ManualClock
from executor.venue.account_feed import AccountFeed
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.socket import SocketSettings, VenueSocket

ME, OTHER = "0x" + "aa" * 20, "0x" + "bb" * 20
UP, DOWN = FeedNews(connected=True), FeedNews(connected=False)


class Stage:
    def __init__(self) -> None:
        self.socket = VenueSocket("ws://nowhere", VenueClock(ManualClock()), Budgets(), SocketSettings())
        self.feed = AccountFeed(ME, self.socket)
        self.news: list[AccountNews] = []
        self.feed.add(self.news.append)

    def frame(self, channel: str, data: object) -> None:
        self.socket.routes[channel](data)

    def confirm(self, channel: str, method: str = "subscribe") -> None:
        subscription = {"type": channel, "user": ME, "aggregateByTime": False}
        self.frame("subscriptionResponse", {"method": method, "subscription": subscription})

    def confirm_both(self) -> None:
        self.confirm("userFills")
        self.confirm("orderUpdates")

    def state(self, up: bool) -> None:
        for listener in self.socket.listeners:
            listener(up)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_it_is_up_once_both_subscriptions_are_confirmed(stage: Stage) -> None:
    stage.state(up=True)
    stage.confirm("userFills")
    stage.confirm("userFills")
    stage.confirm("bbo")
    stage.confirm("orderUpdates", "unsubscribe")
    assert stage.news == []
    stage.confirm("orderUpdates")
    stage.confirm("orderUpdates")
    assert stage.news == [UP]
    assert stage.feed.connected


def test_each_time_down_and_up_is_told_once(stage: Stage) -> None:
    stage.state(up=False)
    stage.confirm_both()
    stage.state(up=False)
    stage.state(up=False)
    stage.state(up=True)
    stage.confirm("userFills")
    assert stage.news == [UP, DOWN]
    stage.confirm("orderUpdates")
    assert stage.news == [UP, DOWN, UP]


def test_a_snapshot_is_flagged_and_news_is_not(stage: Stage) -> None:
    for snapshot in ({"isSnapshot": True}, {"isSnapshot": False}, {}):
        stage.frame("userFills", {"user": ME.upper().replace("X", "x"), "fills": [], **snapshot})
    assert stage.news == [FillsNews((), snapshot=True), FillsNews((), snapshot=False), FillsNews((), snapshot=False)]


def test_fills_of_perps_are_told_alone_and_a_liquidation_as_whose_it_is(stage: Stage) -> None:
    numbers = {"px": "1", "sz": "1", "startPosition": "0", "closedPnl": "0", "fee": "0", "time": 5, "side": "B"}
    fill = {"tid": 1, "oid": 1, "liquidation": {"liquidatedUser": OTHER}, **numbers}
    stage.frame("userFills", {"user": ME, "fills": [{"coin": "@107", **fill}, {"coin": "BTC", **fill}]})
    [news] = stage.news
    assert isinstance(news, FillsNews)
    assert [(one.coin, one.liquidation) for one in news.fills] == [("BTC", False)]


def test_order_updates_are_parsed(stage: Stage) -> None:
    stage.frame("orderUpdates", [])
    assert stage.news == [OrdersNews(())]


@pytest.mark.parametrize(
    ("channel", "data"),
    [("userFills", {"user": OTHER, "fills": []}), ("userFills", {"user": ME}), ("orderUpdates", [{"order": 1}])],
)
def test_a_frame_that_cannot_be_read_asks_for_a_comparison(stage: Stage, channel: str, data: object) -> None:
    stage.confirm_both()
    with pytest.raises(VenueAnswerOdd):
        stage.frame(channel, data)
    assert stage.news == [UP, DOWN, UP]


def test_a_failing_listener_hides_nothing_from_the_next(stage: Stage) -> None:
    def broken(_: AccountNews) -> None:
        raise RuntimeError("a listener's mistake")

    more: list[AccountNews] = []
    stage.feed.add(broken)
    stage.feed.add(more.append)
    stage.confirm_both()
    assert more == [UP]


def test_a_late_listener_of_a_feed_that_is_up_is_told(stage: Stage) -> None:
    stage.confirm_both()
    late: list[AccountNews] = []
    stage.feed.add(late.append)
    assert late == [UP]
