"""Calls a plugin's risk rule beside the event loop, with a deadline: one that hangs refuses entries, and no more."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait

from executor.core.protocols import Exposure, Proposal, Rule, Verdict

DEADLINE_S = 0.25
"""So long everything waits for a rule once; while a call has not come back, the next ones are refused at once."""


class BesideLoop:
    """A rule whose calls run in threads of their own. One that overruns cannot be killed, only abandoned."""

    def __init__(self, rule: Rule, deadline_s: float = DEADLINE_S) -> None:
        self._rule = rule
        self._deadline_s = deadline_s
        self._call: Future[Verdict] | None = None

    @property
    def name(self) -> str:
        """The rule's own."""
        return self._rule.name

    @property
    def watches(self) -> tuple[str, ...]:
        """The rule's own."""
        return self._rule.watches

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """The rule's verdict; raises what it raised, and ``TimeoutError`` where it does not answer."""
        if self._call is not None and not self._call.done():
            raise TimeoutError(f"{self.name} hangs: an earlier call never came back")
        call: Future[Verdict] = Future()
        answering = threading.Thread(
            target=_answer, args=(call, self._rule, proposal, exposure), name=f"rule-{self.name}", daemon=True
        )
        answering.start()  # a machine without threads left raises: no call hangs then
        self._call = call
        if not wait([call], self._deadline_s).done:
            raise TimeoutError(f"{self.name} did not answer within {self._deadline_s:g} s")
        return call.result()


def beside(rule: Rule) -> Rule:
    """The rule as it may be called in the loop: itself where it is marked as plain arithmetic (``inline``)."""
    return rule if getattr(rule, "inline", False) is True else BesideLoop(rule)


def _answer(call: Future[Verdict], rule: Rule, proposal: Proposal, exposure: Exposure) -> None:
    try:
        call.set_result(rule.check(proposal, exposure))
    except BaseException as error:  # noqa: BLE001 whatever it is, it is the caller's to judge
        call.set_exception(error)
