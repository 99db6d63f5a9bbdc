"""What one IP may do in a minute (hyperliquid.md sections 4.2 and 5.1)."""

from __future__ import annotations

import pytest

from executor.hyperliquid import limits
from executor.paper.ip_limits import IpLimits


class HandClock:
    def __init__(self) -> None:
        self.s = 0.0

    def now_ms(self) -> int:
        return int(self.s * 1000)

    def monotonic_s(self) -> float:
        return self.s


@pytest.fixture
def clock():
    return HandClock()


def test_twelve_hundred_a_rolling_minute_for_each_ip(clock):
    allowed = IpLimits(clock, True)
    assert allowed.may_ask("a", 1190)
    clock.s = 30
    assert allowed.may_ask("a", 10)
    assert not allowed.may_ask("a", 1)
    assert allowed.may_ask("b", 1200)
    clock.s = 60
    assert allowed.may_ask("a", 1190)
    assert not allowed.may_ask("a", 1)


def test_what_an_answer_weighed_is_owed_although_it_does_not_fit(clock):
    allowed = IpLimits(clock, True)
    assert allowed.may_ask("a", 1190)
    allowed.charge("a", 100)
    clock.s = 59
    assert not allowed.may_ask("a", 1)


def test_ten_connections_at_once_and_thirty_new_ones_a_minute_for_each_ip(clock):
    allowed = IpLimits(clock, True)
    assert not allowed.may_open("a", limits.WS_CONNECTIONS)
    assert all(allowed.may_open("a", limits.WS_CONNECTIONS - 1) for _ in range(limits.WS_NEW_CONNECTIONS_PER_MINUTE))
    assert not allowed.may_open("a", 0)
    assert allowed.may_open("b", 0)
    clock.s = 60
    assert allowed.may_open("a", 0)


def test_two_thousand_messages_a_minute_for_each_ip(clock):
    allowed = IpLimits(clock, True)
    assert all(allowed.may_say("a") for _ in range(limits.WS_MESSAGES_PER_MINUTE))
    assert not allowed.may_say("a")
    assert allowed.may_say("b")
    clock.s = 60
    assert allowed.may_say("a")


def test_a_thousand_subscriptions(clock):
    allowed = IpLimits(clock, True)
    assert allowed.may_subscribe(limits.WS_SUBSCRIPTIONS - 1)
    assert not allowed.may_subscribe(limits.WS_SUBSCRIPTIONS)


def test_switched_off_nothing_is_refused(clock):
    allowed = IpLimits(clock, False)
    assert all(
        allowed.may_ask("a", 1200) and allowed.may_open("a", 99) and allowed.may_subscribe(9999) for _ in range(40)
    )
    assert all(allowed.may_say("a") for _ in range(limits.WS_MESSAGES_PER_MINUTE + 1))
