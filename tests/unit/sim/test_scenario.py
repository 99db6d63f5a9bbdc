"""Scripts of the simulators: what they may say, and that the bundled ones can be played to their end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executor.errors import ConfigError
from executor.sim import halyrd_script, tradeready_script
from executor.sim.halyrd import HalyrdSimulator
from executor.sim.scenario import parse_scenario, play
from executor.sim.tradeready import TradeReadySimulator
from executor.testing import ManualClock

WORDS: dict[str, Any] = {"say": str, "count": int}
SCRIPTS = [(halyrd_script, HalyrdSimulator), (tradeready_script, TradeReadySimulator)]


def test_a_step_has_a_time_a_note_and_one_word() -> None:
    steps = parse_scenario("steps: [{at: 1s, note: hello, say: a}, {at: 1.5, count: 3}]", "x", WORDS)
    assert [(step.at, step.note, step.word, step.value) for step in steps] == [
        (1.0, "hello", "say", "a"),
        (1.5, "", "count", 3),
    ]


@pytest.mark.parametrize(
    "steps",
    [
        "[{at: 1}]",
        "[{at: 1, say: a, count: 1}]",
        "[{at: 1, shout: a}]",
        "[{at: 1, count: many}]",
        "[{say: a}]",
        "[{at: -1, say: a}]",
        "[{at: 2, say: a}, {at: 1, say: b}]",
        "7",
        "[",
    ],
)
def test_anything_else_is_refused_with_the_words_there_are(steps: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_scenario(f"steps: {steps}", "x", WORDS)
    assert "x" in refusal.value.message


@pytest.mark.parametrize(("script", "simulator"), SCRIPTS)
async def test_every_step_of_the_bundled_script_can_be_done(script: Any, simulator: Callable[..., Any]) -> None:
    said: list[str] = []
    steps = script.load()
    server = simulator(clock=ManualClock())
    await play(
        (step.__class__(0.0, step.note, step.word, step.value) for step in steps),
        script.vocabulary(server),
        server.clock,
        said.append,
    )
    assert len(said) == len(steps)


@pytest.mark.parametrize(("script", "simulator"), SCRIPTS)
async def test_every_word_there_is_does_something(script: Any, simulator: Callable[..., Any]) -> None:
    values: dict[str, Any] = {
        "trade": {"pair": "A/USDT", "side": "buy", "size": 1, "price": 1},
        "veto": {"rule": "r"},
        "block": {"rule": "r"},
        "demote": {"rule": "max_drawdown", "breach": "max"},
        "promote": "0x1",
        "snapshot": {"equity": 1},
        "journal": {"kind": "KILL"},
        "mute": True,
        "tick": {"symbol": "A", "price": "1"},
        "order": {"id": "o", "symbol": "A", "side": "buy", "quantity": "1"},
        "push_order": "o",
        "candle": {"symbol": "A", "close": "1"},
        "equity": "5",
        "limit": {"times": 1},
        "pushes": True,
        "frame": {"event": "x"},
        "raw": "{",
        "cut": 1000,
        "silence": 0,
        "refuse": 403,
        "refuse_rest": 0,
    }
    server = simulator(clock=ManualClock())
    words = script.vocabulary(server)
    text = json.dumps({"steps": [{"at": 0, word: values[word]} for word in script.WORDS]})
    said: list[str] = []
    await play(parse_scenario(text, "x", script.WORDS), words, server.clock, said.append)
    assert set(words) == set(script.WORDS)
    assert len(said) == len(words)


def test_a_script_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("steps: [{at: 0, promote: '0x1'}]")
    (step,) = halyrd_script.load(path)
    assert (step.word, step.value) == ("promote", "0x1")
    with pytest.raises(ConfigError):
        tradeready_script.load(path)
    with pytest.raises(ConfigError):
        halyrd_script.load(tmp_path / "none.yaml")
