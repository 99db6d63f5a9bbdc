"""Faults are drawn in order, once each, by whom they fit."""

from __future__ import annotations

from executor.paper.faults import Fault, Faults


def test_each_request_takes_the_first_fault_that_fits_it():
    faults = Faults()
    faults.arm(Fault("drop_answer", match="order"), Fault("http_429", on="info"), Fault("delay", delay_ms=5))
    assert faults.draw("exchange", "cancel").kind == "delay"
    assert faults.draw("exchange", "cancel") is None
    assert faults.draw("info", "meta").kind == "http_429"
    assert faults.draw("exchange", "order").kind == "drop_answer"
    assert faults.hits == [("delay", "cancel"), ("http_429", "meta"), ("drop_answer", "order")]


def test_a_fault_can_strike_several_times_or_for_ever():
    faults = Faults()
    faults.arm(Fault("http_502", times=2))
    assert [faults.draw("exchange", "order") is not None for _ in range(3)] == [True, True, False]
    faults.arm(Fault("http_502", times=0))
    assert all(faults.draw("exchange", "order") for _ in range(9))
    faults.clear()
    assert faults.draw("exchange", "order") is None
