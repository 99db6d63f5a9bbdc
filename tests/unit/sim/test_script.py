"""Scripts are read strictly, and their short actions become frames of both shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.errors import ConfigError
from executor.sim.script import Short, frame_of, load_script, parse_script, wrapped

STOP = Short(action="stop", id="x", symbol="SOL", side="SELL", size="3", trigger_price="140")


def test_times_may_carry_their_unit() -> None:
    script = parse_script("steps: [{at: 1.5s, raw: x}, {at: 2, raw: y}]", "script")
    assert [step.at for step in script.steps] == [1.5, 2.0]


def test_numbers_go_out_as_they_are_written() -> None:
    script = parse_script(
        'steps: [{at: 0, send: {id: a, symbol: BTC, side: LONG, size: 0.1, leverage: "3"}}]', "script"
    )
    assert script.steps[0].send is not None
    position = frame_of(script.steps[0].send, "flat", "a1", "")["config"]["position"]
    assert (position["size"], position["leverage"]) == (0.1, "3")


def test_a_flat_frame_has_its_own_id_and_type() -> None:
    frame = frame_of(STOP, "flat", "a1", "run")
    assert frame["action_id"] == "x-run"
    assert frame["action_type"] == "SET_HYPERLIQUID_PERP_STOP_LOSS"
    assert frame["config"]["position"] == {
        "asset": "SOL",
        "side": "SELL",
        "size": "3",
        "trigger_price": "140",
        "exchange": "hyperliquid",
    }


def test_an_envelope_without_an_id_carries_the_name_instead() -> None:
    short = STOP.model_copy(update={"id": None, "event_id": "e1"})
    frame = frame_of(short, "envelope", "a1", "")
    assert frame["data"]["action_id"] == "set_hyperliquid_perp_stop_loss"
    assert frame["data"]["config"]["metadata"] == {"event_id": "e1", "agent_id": "a1", "timestamp": "now"}


def test_a_frame_can_be_said_again_in_an_envelope() -> None:
    flat = frame_of(STOP, "flat", "a1", "")
    assert wrapped(flat) == {"type": "ACTION", "data": flat}
    assert wrapped(wrapped(flat)) == wrapped(flat)


def test_the_bundled_demo_shows_what_the_issue_asks_for() -> None:
    script = load_script()
    told = " ".join(step.note for step in script.steps)
    for word in ("LONG", "SHORT", "stop", "target", "add", "reduce", "opposite", "duplicate", "malformed", "refused"):
        assert word in told


def test_a_script_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone"):
        load_script(tmp_path / "gone.yaml")


def test_a_script_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("steps: []")
    assert load_script(path).steps == ()
