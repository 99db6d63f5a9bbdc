"""Every guard's mutation can still be made, is in the table of the docs, and (long tier) is noticed by the tests."""

from __future__ import annotations

import pytest
from tools import ROOT, tool

TOOL = tool("mutate")
GUARDS = TOOL.guards()


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guards_text_stands_once_and_its_tests_exist(guard):
    assert TOOL.problem_of(guard) == ""
    assert all((ROOT / test.split("::")[0]).exists() for test in guard.tests)


def test_the_table_in_the_docs_lists_every_guard():
    page = TOOL.PAGE.read_text()
    assert [guard.name for guard in GUARDS if guard.breaks not in page] == []
    assert "NOBODY NOTICED" not in page


def test_a_text_that_is_gone_and_one_that_stands_twice_are_told():
    guard = GUARDS[0]
    assert "0 times" in TOOL.problem_of(TOOL.Guard("x", "", guard.file, "no such text", "", ()))
    assert "times" in TOOL.problem_of(TOOL.Guard("x", "", guard.file, "self", "", ()))
    assert "does not exist" in TOOL.problem_of(TOOL.Guard("x", "", "executor/none.py", "x", "", ()))


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_broken_guard_is_noticed(guard):
    found = TOOL.attempt(guard)
    assert found.failing, found.output[-2000:]
