"""The table, state by state and word by word: what is in it moves a leg as written, all else moves nothing."""

from __future__ import annotations

import re
from itertools import product

import pytest

from executor.core.lifecycle import IN_FLIGHT_STATES, OPEN_STATES, TABLE, VERBS, LegState, mermaid, step

# Written by hand, a row per state and a column per word: a dash is illegal.
COLUMNS = ("absent", "canceled", "dropped", "filled", "rejected", "rested", "sent", "triggered", "unknown")
ROWS = {
    "planned": "-        canceled dropped done rejected resting   sent triggered -",
    "sent": "-           canceled -       done rejected resting   -    triggered unknown",
    "unknown": "absent   canceled -       done rejected resting   -    triggered unknown",
    "resting": "-        canceled -       done rejected resting   -    triggered -",
    "triggered": "-      canceled -       done rejected triggered -    triggered -",
    "done": "-           done     -       done done     done      -    done      -",
    "canceled": "-       canceled -       done -        -         -    -         -",
    "rejected": "-       rejected -       -    rejected -         -    -         -",
    "absent": "-         canceled -       done rejected resting   -    -         -",
    "dropped": "-        -        -       -    -        -         -    -         -",
}


def expected(state: LegState, verb: str) -> LegState | None:
    word = ROWS[state.value].split()[COLUMNS.index(verb)]
    return None if word == "-" else LegState(word)


def test_the_tests_table_speaks_of_every_state_and_every_word() -> None:
    assert list(ROWS) == [state.value for state in LegState]
    assert COLUMNS == VERBS
    assert all(len(row.split()) == len(COLUMNS) for row in ROWS.values())


@pytest.mark.parametrize(("state", "verb"), list(product(LegState, VERBS)))
def test_each_word_moves_each_state_as_written(state: LegState, verb: str) -> None:
    assert step(state, verb) is expected(state, verb)


@pytest.mark.parametrize("state", LegState)
def test_a_word_nobody_knows_is_illegal_everywhere(state: LegState) -> None:
    assert step(state, "exploded") is None


def test_every_open_state_has_a_way_to_an_end_and_no_end_leads_back_to_the_start() -> None:
    ends = set(LegState) - OPEN_STATES
    for state in OPEN_STATES:
        assert {after for (before, _), after in TABLE.items() if before is state} & ends
    assert LegState.PLANNED not in TABLE.values()
    assert IN_FLIGHT_STATES < OPEN_STATES


def test_only_an_absent_leg_may_open_again() -> None:
    reopened = {before for (before, _), after in TABLE.items() if before not in OPEN_STATES and after in OPEN_STATES}
    assert reopened == {LegState.ABSENT}


def test_saying_it_twice_changes_nothing() -> None:
    for (state, verb), after in TABLE.items():
        if verb not in ("sent", "dropped", "absent"):
            assert step(after, verb) is after, (state, verb)


def test_the_diagram_has_each_arrow_once_with_all_its_words() -> None:
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> planned"]
    drawn = {}
    for line in lines[2:]:
        before, after, verbs = re.fullmatch(r"    (\w+) --> (\w+): (.+)", line).groups()  # type: ignore[union-attr]  # fails loudly
        assert (before, after) not in drawn
        drawn[before, after] = set(verbs.split(", "))
    written: dict[tuple[str, str], set[str]] = {}
    for (state, verb), target in TABLE.items():
        if state is not target:
            written.setdefault((state.value, target.value), set()).add(verb)
    assert drawn == written
