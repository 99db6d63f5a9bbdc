"""The universe is replaced only by one that was read whole and keeps every asset id."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from executor.errors import VenueAnswerOdd, VenueUnavailable
from executor.testing import META
from executor.venue.metadata import Metadata


class Answers:
    """Gives one answer after the other; an exception is raised, the last answer repeats."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self) -> object:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def grown() -> dict[str, Any]:
    meta = copy.deepcopy(META)
    meta["universe"].append({"name": "NEW", "szDecimals": 0, "maxLeverage": 3})
    return meta


def shuffled() -> dict[str, Any]:
    meta = copy.deepcopy(META)
    meta["universe"].reverse()
    return meta


def shortened() -> dict[str, Any]:
    meta = copy.deepcopy(META)
    meta["universe"].pop()
    return meta


def test_there_are_no_rules_before_the_first_load() -> None:
    with pytest.raises(VenueAnswerOdd):
        _ = Metadata(Answers(META)).rules


async def test_a_new_listing_is_taken_over() -> None:
    metadata = Metadata(Answers(META, grown()))
    await metadata.load()
    assert metadata.rules.asset("NEW") is None
    await metadata.load()
    assert metadata.rules.asset("NEW") is not None


@pytest.mark.parametrize(
    "answer",
    [shuffled(), shortened(), None, {"universe": "no"}, VenueUnavailable("down")],
    ids=["ids moved", "coin gone", "null", "odd", "down"],
)
async def test_a_refresh_that_does_not_fit_leaves_the_old_universe(answer: Any) -> None:
    read = Answers(META, answer)
    metadata = Metadata(read, refresh_s=0.0)
    await metadata.load()
    rules = metadata.rules
    refreshing = asyncio.create_task(metadata.run())
    while metadata.failures < 2:
        await asyncio.sleep(0)
    refreshing.cancel()
    assert metadata.rules is rules
