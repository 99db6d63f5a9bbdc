"""A scenario for a simulator as a file people can read and write: at which second the system does what.

YAML (JSON is YAML too): ``steps``, each with ``at`` (seconds from the start, ``1.5`` or ``1.5s``), an optional
``note``, and exactly one word of the simulator's own vocabulary, its value being what the word takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from executor.clock import Clock
from executor.errors import ConfigError


def _seconds(value: object) -> object:
    return value.removesuffix("s") if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=86_400)]
Say = Callable[[str], None]
"""Takes one line for people."""


class Strict(BaseModel):
    """The base of what a word takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Word(NamedTuple):
    """One word: the type of what it takes, and what it does with it; the outcome is a phrase for people."""

    takes: Any
    does: Callable[[Any], Awaitable[str]]


Vocabulary = Mapping[str, Word]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done at one time."""

    at: float
    note: str
    word: str
    value: Any


class _Steps(Strict):
    steps: tuple[dict[str, Any], ...]


_SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)


def parse_scenario(text: str, name: str, words: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of a script; ``words`` has the type each word takes. Raises ``ConfigError`` that says what is wrong."""
    try:
        steps = tuple(_step(step, words) for step in _Steps.model_validate(yaml.safe_load(text)).steps)
    except (yaml.YAMLError, ValidationError, ValueError) as fault:
        raise ConfigError(f"{name}: {fault}", f"a step has at, note, and one of {', '.join(words)}") from fault
    if [step.at for step in steps] != sorted(step.at for step in steps):
        raise ConfigError(f"{name}: steps must be in the order of their times", "sort them")
    return steps


def load_scenario(path: Path | None, bundled: str, words: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of a file, or of the bundled script of this name; raises ``ConfigError``."""
    if path is None:
        text = resources.files("executor.sim").joinpath(bundled).read_text(encoding="utf-8")
        return parse_scenario(text, bundled, words)
    try:
        return parse_scenario(path.read_text(encoding="utf-8"), str(path), words)
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path}: {fault}", "name a readable file") from fault


def _step(written: Mapping[str, Any], words: Mapping[str, Any]) -> Step:
    rest = {key: value for key, value in written.items() if key not in ("at", "note")}
    if len(rest) != 1 or next(iter(rest)) not in words:
        raise ValueError(f"a step does exactly one of {', '.join(words)}; this one has {', '.join(rest) or 'none'}")
    ((word, value),) = rest.items()
    taken = TypeAdapter(words[word]).validate_python(value)
    return Step(_SECONDS.validate_python(written.get("at")), str(written.get("note", "")), word, taken)


async def play(steps: Iterable[Step], vocabulary: Vocabulary, clock: Clock, say: Say) -> None:
    """Do every step at its time from now on."""
    start_s = clock.monotonic_s()
    for step in steps:
        await asyncio.sleep(max(0.0, start_s + step.at - clock.monotonic_s()))
        outcome = await vocabulary[step.word].does(step.value)
        say(f"{step.at:6.1f} s  " + (f"{step.note} ({outcome})" if step.note else outcome))
