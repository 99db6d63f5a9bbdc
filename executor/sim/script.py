"""A scenario for the Fractrade simulator: what is sent or broken when, as a file people can read and write.

A script is YAML (JSON is YAML too): ``agent``, ``to`` (the channels, unless a step names others) and ``steps``. Each
step has ``at`` (seconds from the start, ``1.5`` or ``1.5s``), an optional ``note``, and exactly one of ``send`` (an
action in short), ``repeat`` (the id of one sent before: the same again, wrapped when ``shape`` is ``envelope``),
``frame`` (an object as it is), ``raw`` (any text), ``cut`` (a close code; 1006 drops the connection), ``silence``
(seconds) and ``refuse`` (an HTTP status for new handshakes, 0 to welcome them again).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from executor.errors import ConfigError

DOINGS = ("send", "repeat", "frame", "raw", "cut", "silence", "refuse")
_ACTIONS = {
    "trade": "EXECUTE_HYPERLIQUID_PERP_TRADE",
    "stop": "SET_HYPERLIQUID_PERP_STOP_LOSS",
    "target": "SET_HYPERLIQUID_PERP_TAKE_PROFIT",
}


def _seconds(value: object) -> object:
    return value.removesuffix("s") if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=86_400)]
ChannelKind = Literal["agent", "user", "executor"]
Number = int | float | str
"""Goes onto the wire as it is written: a number, or text where the script quotes it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Short(_Strict):
    """An action in short. ``id`` is the sender's id; ``event_id`` alone makes it a frame without one."""

    action: Literal["trade", "stop", "target"] = "trade"
    id: str | None = None
    event_id: str | None = None
    symbol: str
    side: str
    size: Number
    leverage: Number | None = None
    trigger_price: Number | None = None
    reduce_only: bool | None = None
    server_execution: bool | None = None
    status: str | None = "PENDING"
    stamp: str = "now"


class Step(_Strict):
    """One thing the platform does."""

    at: Seconds
    note: str = ""
    to: tuple[ChannelKind, ...] | None = None
    shape: Literal["flat", "envelope"] = "flat"
    times: int = Field(default=1, ge=1, le=1000)
    send: Short | None = None
    repeat: str | None = None
    frame: dict[str, Any] | None = None
    raw: str | None = None
    cut: int | None = None
    silence: Seconds | None = None
    refuse: int | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        given = [name for name in DOINGS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a step does exactly one of {', '.join(DOINGS)}; this one has {len(given)}")
        return self


class Script(_Strict):
    """Steps in the order of their times; ``agent`` is the id in the frames, ``to`` where steps send that do not say."""

    agent: str = "demo-agent"
    to: tuple[ChannelKind, ...] = ("agent", "user", "executor")
    steps: tuple[Step, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = [step.at for step in self.steps]
        if times != sorted(times):
            raise ValueError("steps must be in the order of their times")
        return self


def parse_script(text: str, name: str) -> Script:
    """A script from its text; raises ``ConfigError`` that says what is wrong where."""
    try:
        return Script.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as fault:
        raise ConfigError(f"{name}: {fault}", "see executor/sim/demo.yaml for an example") from fault


def load_script(path: Path | None = None) -> Script:
    """The script in a file, or the bundled demo; raises ``ConfigError``."""
    if path is None:
        bundled = resources.files("executor.sim").joinpath("demo.yaml")
        return parse_script(bundled.read_text(encoding="utf-8"), "demo.yaml")
    try:
        return parse_script(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path}: {fault}", "name a readable file") from fault


def name_of(short: Short) -> str:
    """What ``repeat`` calls it by: its id, or its event's."""
    return short.id or short.event_id or ""


def wrapped(frame: dict[str, Any]) -> dict[str, Any]:
    """A flat frame in the envelope, all its fields kept: the same action, said in another shape."""
    return frame if "data" in frame else {"type": "ACTION", "data": frame}


def frame_of(short: Short, shape: str, agent: str, run_id: str) -> dict[str, Any]:
    """The frame of an action in short, times still to be stamped.

    ``run_id`` goes behind each id, so that playing a script again is not taken for duplicates of the last time.
    """
    return _envelope(short, agent, run_id) if shape == "envelope" else _flat(short, agent, run_id)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _unique(name: str | None, run_id: str) -> str | None:
    return f"{name}-{run_id}" if name and run_id else name


def _position(short: Short, symbol_key: str) -> dict[str, Any]:
    names = ("side", "size", "trigger_price", "reduce_only")
    return _given({symbol_key: short.symbol, **{name: getattr(short, name) for name in names}})


def _flat(short: Short, agent: str, run_id: str) -> dict[str, Any]:
    metadata = _given({"event_id": _unique(short.event_id, run_id), "server_execution": short.server_execution})
    position = {**_position(short, "asset"), **_given({"leverage": short.leverage}), "exchange": "hyperliquid"}
    config: dict[str, Any] = {"position": position}
    if metadata:
        config["metadata"] = metadata
    head = {"action_id": _unique(short.id, run_id), "action_type": _ACTIONS[short.action], "agent_id": agent}
    return _given({**head, "config": config, "created_at": short.stamp, "status": short.status})


def _envelope(short: Short, agent: str, run_id: str) -> dict[str, Any]:
    name = _ACTIONS[short.action]
    metadata = {
        "event_id": _unique(short.event_id, run_id),
        "agent_id": agent,
        "timestamp": short.stamp,
        "leverage": short.leverage,
        "server_execution": short.server_execution,
    }
    named = {"action_id": _unique(short.id, run_id), "action_type": name} if short.id else {"action_id": name.lower()}
    config = {"position": _position(short, "symbol"), "metadata": _given(metadata)}
    return {"type": "ACTION", "data": {**named, "config": config}}
