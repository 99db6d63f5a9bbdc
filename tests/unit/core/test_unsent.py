"""unsent: what could not be sent is given up with its reason; what reduces goes on, and people hear of what is odd."""

from __future__ import annotations

import pytest
from story import Story

from executor.core import events as ev
from executor.core.batch import Batch, entry_batches, ready_entries, urgent
from executor.core.unsent import refused_by_signer, unsendable


def entry(s: Story) -> Batch:
    """An entry that is ready to leave, and has not."""
    s.send = lambda batch: None
    s.settle = s.steps
    s.long(1)
    s.note([ev.LeverageConfirmed(at_ms=s.now, account="main", coin="BTC", leverage=3, is_cross=False)])
    [batch] = entry_batches(s.state, ready_entries(s.desk, s.state, s.market))
    return batch


@pytest.mark.parametrize("rule", ["allowlist", "per_trade_cap", "daily_cap"])
def test_a_limit_at_work_refuses_the_entry_and_wakes_nobody(rule: str):
    s = Story()
    batch, code = entry(s), f"SIGNER_{rule.upper()}"
    s.note(refused_by_signer(s.state, batch, rule, code, "why", s.now))
    [told] = s.of(ev.SignerRefused)
    assert (told.rule, told.reason, told.purpose, told.coin) == (rule, code, "entry", "BTC")
    assert told.cloids == (batch.legs[0].cloid,)
    assert told.key == batch.legs[0].key
    assert s.refusals() == [code]
    assert [e.reason for e in s.of(ev.LegDropped)] == [code]
    assert s.alarms() == []
    assert not s.state.live


def test_what_should_never_be_asked_for_is_told_at_once():
    s = Story()
    s.note(refused_by_signer(s.state, entry(s), "shape", "SIGNER_SHAPE", "odd", s.now))
    assert s.alarms() == ["UNSENDABLE"]


def test_a_leverage_setting_that_is_not_signed_refuses_the_entry_by_the_same_code():
    s = Story()
    s.settle = s.steps
    s.long(1)
    [batch] = urgent(s.state)
    assert batch.purpose == "leverage"
    s.note(refused_by_signer(s.state, batch, "allowlist", "SIGNER_ALLOWLIST", "not BTC", s.now))
    assert s.refusals() == ["SIGNER_ALLOWLIST"]
    [told] = s.of(ev.SignerRefused)
    assert (told.coin, told.cloids, told.key) == ("BTC", (), s.of(ev.ActionReceived)[0].key)
    assert "BTC" not in s.state.leverage


def test_a_setting_that_cannot_be_written_leaves_it_unconfirmed():
    s = Story()
    s.settle = s.steps
    s.long(1)
    s.note(unsendable(s.state, urgent(s.state)[0], "UNSENDABLE", "odd", s.now))
    assert s.refusals() == ["LEVERAGE_UNCONFIRMED"]


def test_an_exit_that_could_not_be_sent_counts_as_an_attempt_and_goes_again():
    s = Story()
    s.long(1)
    s.settle = s.steps
    s.short(1)
    s.note(refused_by_signer(s.state, urgent(s.state)[0], "shape", "SIGNER_SHAPE", "odd", s.now))
    s.steps()
    assert [leg.attempt for leg in s.planned("exit")] == [1, 2]
    assert s.alarms() == ["UNSENDABLE"]


def test_a_cancel_that_could_not_be_sent_is_tried_again_and_told_once():
    s = Story()
    s.long(1)
    s.stop(90)
    s.settle = s.steps
    [leg] = s.state.legs_of("BTC", "stop")
    s.note([ev.CancelWanted(at_ms=s.now, account="main", coin="BTC", oid=leg.oid, cloid=leg.cloid, why="test")])
    for attempt in range(1, 4):
        [batch] = urgent(s.state, s.now)
        s.note(refused_by_signer(s.state, batch, "vault", "SIGNER_VAULT", "another", s.now))
        assert s.state.cancels[leg.cloid].attempts == attempt
        assert urgent(s.state, s.now) == []
        s.now += 1_000 * attempt
    assert [(told.key, told.coin) for told in s.of(ev.SignerRefused)] == [(None, None)] * 3
    assert s.alarms() == ["UNSENDABLE"]
