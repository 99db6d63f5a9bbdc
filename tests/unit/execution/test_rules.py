"""rules: a plugin's rule that hangs costs one deadline and refuses entries; the loop goes on."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from executor.core.protocols import Verdict
from executor.execution.rules import BesideLoop, beside
from executor.risk.leverage import MaxLeverage

ANY: Any = None


class Waits:
    """Passes once it is let go."""

    name, watches = "waits", ("/stop",)

    def __init__(self) -> None:
        self.free, self.calls = threading.Event(), 0

    def check(self, proposal: Any, exposure: Any) -> Verdict:
        self.calls += 1
        self.free.wait(20)
        return Verdict(self.name, "pass")


class Raises:
    name, watches = "raises", ()

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def check(self, proposal: Any, exposure: Any) -> Verdict:
        raise self.error


def test_a_rule_that_answers_gives_its_verdict_under_its_own_name():
    rule = Waits()
    rule.free.set()
    called = beside(rule)
    assert (called.name, called.watches) == ("waits", ("/stop",))
    assert called.check(ANY, ANY) == Verdict("waits", "pass")


def test_one_that_hangs_is_waited_for_once_and_asked_again_when_it_has_come_back():
    rule = Waits()
    called = BesideLoop(rule, deadline_s=0.01)
    with pytest.raises(TimeoutError, match=r"waits did not answer within 0\.01 s"):
        called.check(ANY, ANY)
    with pytest.raises(TimeoutError, match="an earlier call never came back"):
        called.check(ANY, ANY)
    assert rule.calls == 1
    rule.free.set()
    called._call.result(20)
    assert called.check(ANY, ANY).outcome == "pass"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), TimeoutError("its own")])
def test_what_it_raises_is_told_as_it_is(error):
    with pytest.raises(type(error)) as told:
        beside(Raises(error)).check(ANY, ANY)
    assert told.value is error


def test_rules_of_plain_arithmetic_are_called_as_they_are():
    rule = MaxLeverage.from_options(MaxLeverage.Options(max=3))
    assert beside(rule) is rule


def test_one_whose_thread_could_not_start_is_asked_again():
    rule = Waits()
    rule.free.set()
    called = beside(rule)
    threading.stack_size(2**62)  # more than any machine has
    try:
        with pytest.raises(RuntimeError, match="thread"):
            called.check(ANY, ANY)
    finally:
        threading.stack_size(0)
    assert called.check(ANY, ANY) == Verdict("waits", "pass")
