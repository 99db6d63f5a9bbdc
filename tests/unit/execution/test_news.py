"""news: which events people are told of, how urgently, and in which words."""

from __future__ import annotations

from executor.core import events as ev
from executor.execution.news import news_of


def test_alarms_breakers_refusals_and_starts_are_told_and_other_events_are_not():
    told = [
        ev.AlarmRaised(at_ms=1, account="main", code="STOP_MISSING", text="BTC"),
        ev.BreakerLatched(at_ms=1, account="main", rule="drawdown", value="5 USD", limit="4 USD"),
        ev.SignerRefused(
            at_ms=1, account="main", purpose="entry", rule="daily_cap", reason="SIGNER_DAILY_CAP", text="too much",
            cloids=("0x1",), coin="BTC",
        ),
        ev.BreakerReset(at_ms=1, account="main", rule="drawdown", by="cli"),
        ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live"),
        ev.ProcessStopped(at_ms=1, reason="stopped", unknown=2),
    ]  # fmt: skip
    assert [news_of(event) for event in told] == [
        ("alarm", "STOP_MISSING", "BTC"),
        ("warning", "BREAKER drawdown", "main: 5 USD, limit 4 USD: entries stop"),
        ("warning", "SIGNER_DAILY_CAP", "main: entry of BTC: too much"),
        ("info", "BREAKER drawdown", "main: reset by cli"),
        ("info", "worker started", "version 1, live"),
        ("info", "worker stopped", "stopped; orders unknown: 2"),
    ]
    assert news_of(ev.Paused(at_ms=1, account="main", by="cli")) is None


def _channel(state: str, remedy: str = "") -> ev.SourceChanged:
    return ev.SourceChanged(
        at_ms=1, system="x", source="mine", channel="agent:a", state=state, agent_ids=("a",), code=403,
        detail="FORBIDDEN: HTTP 403", remedy=remedy,
    )  # fmt: skip


def test_a_channel_that_is_refused_for_good_is_an_alarm_with_the_remedy_and_one_that_closes_is_none():
    told = ("alarm", "CHANNEL_REFUSED", "mine agent:a: FORBIDDEN: HTTP 403: check the key")
    assert news_of(_channel("refused", "check the key")) == told
    assert news_of(_channel("refused")) == ("alarm", "CHANNEL_REFUSED", "mine agent:a: FORBIDDEN: HTTP 403")
    assert (news_of(_channel("closed")), news_of(_channel("open"))) == (None, None)
