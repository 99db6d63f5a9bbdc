"""status: a strategy that fails on facts is shown, with its newest failure, until the next start."""

from __future__ import annotations

from typing import Any

from executor.core import events as ev
from executor.ledger.codec import decode
from executor.ledger.index import rows_of
from executor.ledger.status import ledger_status
from executor.ports import Stored


def failed(via: str, text: str, seq: int) -> Stored:
    return Stored(seq, ev.StrategyFailed(at_ms=1_800_000_000_000 + seq, via=via, fact="Ticker", text=text, count=1))


def status(*stored: Stored, part: str = "strategies") -> Any:
    """As the index keeps it: the newest of each kind and part."""
    latest = {}
    for item in stored:
        for table, row in rows_of(item.seq, item.event):
            if table == "latest":
                latest[(str(row[0]), str(row[1]), str(row[2]))] = item
    return ledger_status("x.db", {}, 9, 0, latest)[part]


def test_each_failing_strategy_is_shown_with_its_newest_failure() -> None:
    started = Stored(2, ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live"))
    before, first, second, other = (
        failed("a", "old", 1),
        failed("b", "one", 3),
        failed("b", "two", 4),
        failed("c", "x", 5),
    )
    assert status(before, started, first, second, other) == [
        {"strategy": "b", "failed_at": "2027-01-15T08:00:00.004Z", "fact": "Ticker", "detail": "two"},
        {"strategy": "c", "failed_at": "2027-01-15T08:00:00.005Z", "fact": "Ticker", "detail": "x"},
    ]
    assert status(before) == [
        {"strategy": "a", "failed_at": "2027-01-15T08:00:00.001Z", "fact": "Ticker", "detail": "old"}
    ]


def test_no_channel_is_open_any_more_once_the_worker_stopped() -> None:
    def channels(*events: ev.Event) -> list[str]:
        told = status(*(Stored(seq, event) for seq, event in enumerate(events, start=1)), part="channels")
        return [row["state"] for row in told]

    started = ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live")
    stopped = ev.ProcessStopped(at_ms=3, reason="stopped", unknown=0)
    opened = ev.SourceChanged(
        at_ms=2, system="x", source="s", channel="c", state="open", agent_ids=("a",), code=None, detail=""
    )
    assert channels(started, opened) == ["open"]
    assert channels(started, opened, stopped) == ["closed"]
    assert channels(started, stopped, started, opened) == ["open"]


def test_a_channel_is_shown_with_its_remedy_and_one_of_an_older_record_without() -> None:
    body = (
        '{"at_ms":2,"system":"x","source":"s","channel":"c","state":"refused","agent_ids":[],"code":403,"detail":"no"'
    )
    old, new = decode("SourceChanged", body + "}"), decode("SourceChanged", body + ',"remedy":"check the key"}')
    started = Stored(1, ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live"))
    told = [status(started, Stored(2, event), part="channels")[0]["remedy"] for event in (old, new)]
    assert told == ["", "check the key"]
