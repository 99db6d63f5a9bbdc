"""Events are counted with their labels, and the steps of a signal's way are measured."""

from decimal import Decimal

import pytest

from executor.core import events as ev
from executor.core.facts import Fill
from executor.core.types import Agent, Side
from executor.server.metrics import KEPT, Metrics

ONE = Decimal(1)
CLOID = "0x" + "a" * 32


def received(at_ms=1000, key="k1", coin="BTC"):
    return ev.ActionReceived(
        at_ms=at_ms, key=key, frame_id=1, system="fractrade", source="fractrade", channel="agent:a", agent_id="a",
        action_id="id", action_type="EXECUTE_HYPERLIQUID_PERP_TRADE", shape="flat", fingerprint="f", symbol="BTC-PERP",
        coin=coin, symbol_problem="", side=Side.BUY, size=ONE, reduce_only=False, leverage=None, trigger_px=None,
        reference_px=None, event_id=None, stamped_at_ms=None, received_at_ms=at_ms, status=None, server_execution=None,
        book_before=ONE, book_after=ONE, gapped=False, superseded=False, accounts=("main",), routes=("r",),
    )  # fmt: skip


def taken(at_ms=1001):
    return ev.ActionTaken(
        at_ms=at_ms, account="main", key="k1", agent=Agent("fractrade", "a"), coin="BTC", side=Side.BUY, action_id="id",
        action_type="T", signal_at_ms=1000, route="r", strategy="follow", exit_fraction=ONE, entry_size=ONE,
        looked_up=False,
    )  # fmt: skip


def planned(at_ms=1003, cloid=CLOID):
    return ev.LegPlanned(
        at_ms=at_ms, account="main", key="k1", cloid=cloid, leg="entry", attempt=0, coin="BTC", side=Side.BUY, size=ONE,
        limit_px=ONE, reduce_only=False,
    )  # fmt: skip


def sent(at_ms=1007, cloids=(CLOID,)):
    return ev.SendStarted(
        at_ms=at_ms, account="main", key=None, request_id="r1", purpose="entry", signer="0x1", nonce=1,
        expires_after_ms=None, vault=None, action={}, cloids=cloids,
    )  # fmt: skip


def filled(at_ms=1207):
    return ev.LegFilled(at_ms=at_ms, account="main", key="k1", cloid=CLOID, oid=1, size=ONE, avg_px=ONE)


def fill_seen(at_ms=1257, cloid=CLOID):
    fill = Fill(
        tid=1, oid=1, cloid=cloid, coin="BTC", side=Side.BUY, px=ONE, size=ONE, fee_usd=ONE, closed_pnl_usd=ONE,
        start_position=ONE, at_ms=at_ms,
    )  # fmt: skip
    return ev.FillSeen(at_ms=at_ms, account="main", fill=fill, cloid=cloid)


def text(*events):
    metrics = Metrics()
    for event in events:
        metrics.observe(event)
    return list(metrics.lines())


MAIN_BTC = '{account="main",symbol="BTC"}'


def test_each_step_from_signal_to_fill_is_measured():
    lines = text(received(), taken(), planned(), sent(), filled(), fill_seen())
    steps = {
        "signal_to_decision": "0.003",
        "decision_to_send": "0.004",
        "send_to_ack": "0.2",
        "ack_to_fill": "0.05",
        "signal_to_send": "0.007",
        "signal_to_fill": "0.257",
    }
    for step, seconds in steps.items():
        assert f"executor_{step}_seconds_sum{MAIN_BTC} {seconds}" in lines
        assert f"executor_{step}_seconds_count{MAIN_BTC} 1" in lines


def test_a_step_is_measured_once_however_often_it_is_told():
    lines = text(received(), planned(), sent(), sent(2000), filled(), filled(3000), fill_seen(), fill_seen(4000))
    assert [line for line in lines if "_count{" in line] == [
        f"executor_{step}_seconds_count{MAIN_BTC} 1"
        for step in (
            "signal_to_decision", "decision_to_send", "send_to_ack", "ack_to_fill", "signal_to_send", "signal_to_fill",
        )
    ]  # fmt: skip


def test_a_refusal_is_a_decision():
    refused = ev.ActionRefused(at_ms=1010, account="main", key="k1", reason="COOLDOWN", detail="")
    lines = text(received(), refused)
    assert f"executor_signal_to_decision_seconds_sum{MAIN_BTC} 0.01" in lines
    assert 'executor_actions_refused_total{account="main",symbol="BTC",reason="COOLDOWN"} 1' in lines


def test_a_fill_before_the_answer_came_with_it_and_is_measured_once():
    lines = text(received(), planned(), sent(), fill_seen(1100), filled(1207), fill_seen(1300), filled(1400))
    assert f"executor_signal_to_fill_seconds_sum{MAIN_BTC} 0.1" in lines
    assert f"executor_ack_to_fill_seconds_sum{MAIN_BTC} 0" in lines
    assert f"executor_ack_to_fill_seconds_count{MAIN_BTC} 1" in lines


def test_an_order_that_was_never_answered_has_no_step_from_its_answer():
    lines = text(received(), planned(), sent(), fill_seen(1100))
    assert not [line for line in lines if line.startswith("executor_ack_to_fill_seconds_count")]


def test_what_was_never_ours_is_counted_and_not_measured():
    lines = text(sent(), filled(), fill_seen(cloid=None))
    assert "executor_fills_total" + MAIN_BTC + " 1" in lines
    assert not [line for line in lines if "_seconds_count" in line]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (received(), 'executor_actions_received_total{symbol="BTC"} 1'),
        (received(coin=None), "executor_actions_received_total 1"),
        (taken(), 'executor_actions_taken_total{account="main",symbol="BTC"} 1'),
        (sent(), 'executor_requests_total{account="main",reason="entry"} 1'),
        (
            ev.FrameRefused(at_ms=1, frame_id=1, reason="NOT_JSON", field="", detail="", action_id=None, agent_id=None),
            'executor_frames_refused_total{reason="NOT_JSON"} 1',
        ),
        (
            ev.DuplicateSeen(at_ms=1, key="k1", frame_id=1, channel="c"),
            'executor_duplicates_total{reason="DUPLICATE"} 1',
        ),
        (
            ev.DuplicateSeen(at_ms=1, key="k1", frame_id=1, channel="c", suspected=True),
            'executor_duplicates_total{reason="SUSPECTED_DUPLICATE"} 1',
        ),
        (
            ev.LegUnknown(at_ms=1, account="main", cloid=CLOID, reason="TIMEOUT", text="", deadline_ms=None),
            'executor_orders_unknown_total{account="main",reason="TIMEOUT"} 1',
        ),
        (
            ev.LegRejected(at_ms=1, account="main", cloid=CLOID, reason="MIN_TRADE", text=""),
            'executor_orders_rejected_total{account="main",reason="MIN_TRADE"} 1',
        ),
        (
            ev.AlarmRaised(at_ms=1, account="main", code="NAKED", text=""),
            'executor_alarms_total{account="main",reason="NAKED"} 1',
        ),
        (
            ev.ProtectionChanged(at_ms=1, account="main", coin="BTC", state="unprotected", since_ms=1),
            'executor_protection_changes_total{account="main",symbol="BTC",reason="unprotected"} 1',
        ),
    ],
)
def test_events_are_counted_with_their_labels(event, line):
    assert line in text(event)


def test_an_alarm_no_event_tells_of_is_counted_and_one_of_an_event_once():
    metrics = Metrics()
    metrics.observe(ev.AlarmRaised(at_ms=1, account="main", code="NAKED", text="BTC"))
    for level, title in (("alarm", "NAKED"), ("alarm", "LEDGER_FAILED"), ("alarm", "LEDGER_FAILED"), ("info", "hello")):
        metrics.notify(level, title, "")
    metrics.observe(taken())
    metrics.notify("alarm", "NAKED", "")
    assert [line for line in metrics.lines() if line.startswith("executor_alarms_total")] == [
        'executor_alarms_total{account="main",reason="NAKED"} 1',
        'executor_alarms_total{reason="LEDGER_FAILED"} 2',
        'executor_alarms_total{reason="NAKED"} 1',
    ]


def test_drift_is_what_the_newest_complete_reading_found():
    difference = ev.DifferenceFound(at_ms=1, account="main", coin="BTC", cause="foreign trade", ours="0", venue="1")
    read = ev.Reconciled(at_ms=2, account="main", why="timer")
    assert 'executor_drift{account="main"} 2' in text(difference, difference, read)
    assert 'executor_drift{account="main"} 0' in text(difference, read, read)


def test_what_is_remembered_is_bounded():
    metrics = Metrics()
    for number in range(KEPT + 10):
        metrics.observe(received(key=f"k{number}"))
        metrics.observe(planned(cloid=f"c{number}"))
    assert len(metrics._signals) == len(metrics._ways) == KEPT


def test_every_name_is_shown_before_its_first_value():
    lines = text()
    assert "# TYPE executor_actions_refused_total counter" in lines
    assert "# TYPE executor_signal_to_send_seconds histogram" in lines
