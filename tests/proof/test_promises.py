"""Every promise's tests exist and the figures in the docs are of today's number of cases."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from tools import ROOT, tool

TOOL = tool("measure_reliability")
PROMISES = TOOL.promises()


def test_the_tests_of_every_promise_exist():
    assert [test for promise in PROMISES for test in promise.tests if not (ROOT / test.split("::")[0]).exists()] == []


def test_figures_are_added_up_but_for_the_largest_and_skipped_cases_do_not_count():
    case = '<testcase time="1"><properties><property name="{}" value="{}"/></properties></testcase>'
    told = [("kills", 3), ("kills", 4), ("most weight", 5), ("most weight", 2)]
    cases = "".join(case.format(*one) for one in told)
    bad = '<testcase time="1"><failure/></testcase><testcase time="0"><skipped/></testcase>'
    found = TOOL.figures(ET.fromstring(f"<x>{cases}{bad}</x>"))
    assert (found.cases, found.failed, found.seconds) == (5, 1, 5.0)
    assert found.told == {"kills": 7, "most weight": 5}


def test_of_a_whole_runs_report_a_promise_takes_its_own_tests():
    report = ET.fromstring(
        '<x><testcase classname="tests.fuzz.test_a" name="test_one[3]"/>'
        '<testcase classname="tests.fuzz.test_b" name="x"/>'
        '<testcase classname="tests.fuzzy.test_a" name="test_one"/></x>'
    )
    taken = {
        "tests/fuzz": 2,
        "tests/fuzz/test_a.py": 1,
        "tests/fuzz/test_a.py::test_one": 1,
        "tests/fuzz/test_a.py::test_o": 0,
    }
    for test, cases in taken.items():
        assert TOOL.of_report(report, TOOL.Promise("", "", (test,))).cases == cases


@pytest.mark.parametrize("line", [None, "| {promise} | {asked} | 1 cases, 0 failed | x |"])
def test_a_page_that_is_old_is_told(line):
    promise = PROMISES[2]
    page = line and line.format(promise=promise.promise, asked=promise.asked)
    assert TOOL.stale_row(promise, page, []) != ""


@pytest.mark.parametrize(("failed", "told"), [(0, False), (1, True), (10, True)])
def test_a_promise_that_was_not_kept_is_told(failed, told):
    promise = PROMISES[2]
    cases = [f"{promise.tests[0]}::test_one"]
    page = f"| {promise.promise} | {promise.asked} | 1 cases, {failed} failed | x |"
    assert TOOL.stale_row(promise, page, cases).startswith("not kept") is told


@pytest.mark.full
@pytest.mark.timeout(400)
def test_the_page_is_of_todays_tests():
    assert TOOL.stale() == []
