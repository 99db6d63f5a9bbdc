"""turn: one input with everything it leads to, kept apart from every other."""

from __future__ import annotations

from executor.execution.turn import Turn


def test_turns_share_nothing():
    one, two = Turn(1), Turn(1)
    one.events.append(object())
    one.frames.append(object())
    one.outgoing.append(object())
    assert two == Turn(1)
