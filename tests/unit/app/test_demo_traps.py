"""The judges of the demo's traps: nothing counts as survived that was not played."""

from __future__ import annotations

import pytest

from executor.app.demo_systems import document, systems
from executor.app.demo_traps import TRAPS, Proof, judged
from executor.core import events as ev
from executor.testing import ManualClock

SYSTEMS = {one.name: one for one in systems(ManualClock())}


def changed(state: str, code: int | None = None, detail: str = "") -> ev.SourceChanged:
    return ev.SourceChanged(
        at_ms=0, system="x", source="x", channel="stream:a", state=state, agent_ids=("a",), code=code, detail=detail
    )


@pytest.mark.parametrize("name", TRAPS)
def test_a_system_of_which_nothing_was_recorded_has_survived_nothing(name: str) -> None:
    rows = judged(name, Proof((), SYSTEMS[name].simulator))
    assert [row["trap"] for row in rows if row["survived"]] == []


def test_a_channel_came_back_only_when_it_opened_after_that_end() -> None:
    end, opened = changed("closed", 1000, "CLOSED_NORMALLY: Server shutdown"), changed("open")
    assert Proof((opened, end, opened), None).came_back("Server shutdown")
    assert not Proof((opened, end), None).came_back("Server shutdown")
    assert not Proof((opened, end, opened), None).came_back("1012")


def test_a_channel_that_was_refused_for_good_is_told_from_one_that_closed() -> None:
    assert Proof((changed("refused", 403),), None).gave_up(403)
    assert not Proof((changed("closed", 403),), None).gave_up(403)


def test_every_system_has_traps_and_an_account_of_its_own() -> None:
    accounts = [account["name"] for account in document(tuple(SYSTEMS.values()))["accounts"]]
    assert accounts == list(SYSTEMS) == list(TRAPS)
