"""Each end of a Nexgent connection means what its reason says (N8, N9), and the pace is seed 002's."""

from __future__ import annotations

import pytest

from executor.sources.nexgent_connection import Pace, judge_end
from executor.sources.reconnect import Retry, Stop, judge_close, judge_status


def judged(code: int, reason: str = "", **more: bool) -> Retry | Stop:
    return judge_end(judge_close(code, reason), **{"let_go": False, "renewable": False, **more})


@pytest.mark.parametrize("reason", ["Connection timeout", "Server shutdown", ""])
def test_n8_1000_of_the_server_is_tried_again(reason: str) -> None:
    assert isinstance(judged(1000, reason), Retry)


def test_n8_1000_because_of_another_connection_says_so_with_a_remedy() -> None:
    verdict = judged(1000, "New connection established")
    assert isinstance(verdict, Retry)
    assert verdict.reason == "TAKEN_OVER"
    assert "one connection an agent" in verdict.remedy


def test_n8_1008_agent_not_found_is_for_good_and_1011_is_not() -> None:
    verdict = judged(1008, "Agent not found", renewable=True)
    assert isinstance(verdict, Stop)
    assert (verdict.reason, verdict.code) == ("AGENT_NOT_FOUND", 1008)
    assert isinstance(judged(1011, "Internal server error"), Retry)


@pytest.mark.parametrize("reason", ["Authentication failed", "Missing authentication"])
def test_the_documented_1008_for_a_bad_token_is_the_401_it_really_is(reason: str) -> None:
    assert isinstance(judged(1008, reason, renewable=True), Retry)
    assert isinstance(judged(1008, reason), Stop)


def test_n9_a_401_is_tried_again_where_another_token_can_be_had() -> None:
    again = judge_end(judge_status(401), let_go=False, renewable=True)
    assert (type(again), again.reason, again.code) == (Retry, "UNAUTHORIZED", 401)
    assert isinstance(judge_end(judge_status(401), let_go=False, renewable=False), Stop)


def test_n10_a_socket_we_let_go_is_called_mute_whatever_its_close_said() -> None:
    verdict = judged(1000, "", let_go=True)
    assert isinstance(verdict, Retry)
    assert verdict.reason == "MUTE"


def test_the_pace_is_five_seconds_times_one_and_a_half_then_a_rest() -> None:
    pace = Pace()
    assert [pace.delay_s(n) for n in range(1, 8)] == [5, 7.5, 11.25, 16.875, 25.3125, 60, 60]
    assert Pace(attempts=0).delay_s(1) == 60
