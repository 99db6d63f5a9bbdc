"""Every published shape, fixture and checklist row of Fractrade's frames, and the identities derived from them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.core.source_events import ActionBase, Malformed, Origin
from executor.sources.fractrade_wire import UNKNOWN_AGENT, decode
from executor.sources.strict_json import MAX_FRAME

ROWS = [
    json.loads(line) for line in (Path(__file__).parents[2] / "data/fractrade/frames.jsonl").read_text().splitlines()
]
DECIMALS = {"size", "leverage", "reference_px", "trigger_px"}


def origin(channel: str = "agent:of-the-channel", at_ms: int = 1) -> Origin:
    return Origin("fractrade", "my-fractrade", channel, at_ms)


def told(event: ActionBase, name: str) -> Any:
    if name == "type":
        return event.type  # type: ignore[attr-defined]  # every concrete action has it
    return event.agent.agent_id if name == "agent_id" else getattr(event, name)


def frame(**changes: Any) -> dict[str, Any]:
    base = json.loads(ROWS[0]["frame"])
    base["config"]["position"].update(changes.pop("position", {}))
    base["config"]["metadata"] = changes.pop("metadata", {})
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def action(*, channel: str = "agent:of-the-channel", at_ms: int = 1, **changes: Any) -> ActionBase:
    event = decode(json.dumps(frame(**changes)), origin(channel, at_ms))
    assert isinstance(event, ActionBase), event
    return event


@pytest.mark.parametrize("row", [r for r in ROWS if "action" in r], ids=lambda row: row["name"])
def test_a_valid_frame_becomes_the_action_it_says(row: dict[str, Any]) -> None:
    event = decode(row["frame"], origin())
    assert isinstance(event, ActionBase), event
    wanted = {k: Decimal(v) if k in DECIMALS and v is not None else v for k, v in row["action"].items()}
    assert {name: told(event, name) for name in wanted} == wanted


@pytest.mark.parametrize("row", [r for r in ROWS if "malformed" in r], ids=lambda row: row["name"])
def test_any_other_frame_is_malformed_with_a_reason_and_a_field(row: dict[str, Any]) -> None:
    event = decode(row["frame"], origin())
    assert isinstance(event, Malformed), event
    assert {"reason": event.reason, "field": event.field} == row["malformed"]
    assert event.detail.isascii()
    assert len(event.detail) < 200


def test_bytes_and_text_are_the_same_frame() -> None:
    text = json.dumps(frame())
    assert decode(text.encode(), origin()) == decode(text, origin())


def test_bytes_that_are_no_text_are_malformed() -> None:
    event = decode(b"\xff\xfe{}", origin())
    assert isinstance(event, Malformed)
    assert event.reason == "NOT_UTF8"


@pytest.mark.parametrize("raw", [" " * (MAX_FRAME + 1), b" " * (2 * MAX_FRAME)])
def test_an_oversized_frame_is_not_looked_into(raw: str | bytes) -> None:
    event = decode(raw, origin())
    assert isinstance(event, Malformed)
    assert event.reason == "FRAME_TOO_LARGE"


def test_a_frame_of_the_largest_size_is_read() -> None:
    text = json.dumps(frame())
    assert isinstance(decode(text + " " * (MAX_FRAME - len(text)), origin()), ActionBase)


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"a":' * 100_000])
def test_deep_nesting_is_malformed(raw: str) -> None:
    event = decode(raw, origin())
    assert isinstance(event, Malformed)
    assert event.reason in {"TOO_DEEP", "INVALID_JSON"}


@pytest.mark.parametrize("depth", range(700, 1000, 20))
def test_values_as_deep_as_can_be_parsed_overflow_nothing(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    event = decode(f'{{"type":"ACTION","status":{deep},"data":{{"status":{deep}}}}}', origin())
    assert isinstance(event, Malformed)
    assert event.reason in {"FIELD_CONFLICT", "TOO_DEEP"}


def test_a_malformed_frame_keeps_the_ids_people_search_for() -> None:
    event = decode(json.dumps(frame(position={"side": "UP"})), origin())
    assert isinstance(event, Malformed)
    assert (event.action_id, event.agent_id) == (frame()["action_id"], frame()["agent_id"])


def test_a_malformed_frame_does_not_pass_on_unusable_ids() -> None:
    event = decode('{"action_id": "a\\u0000", "agent_id": ["x"]}', origin())
    assert isinstance(event, Malformed)
    assert (event.action_id, event.agent_id) == (None, None)


def test_a_frame_without_agent_belongs_to_the_channels_agent() -> None:
    assert action(agent_id=None, channel="agent:a7").agent.agent_id == "a7"
    assert action(agent_id=None, channel="user:u1").agent.agent_id == UNKNOWN_AGENT
    assert action(agent_id=None, channel="executor").agent.agent_id == UNKNOWN_AGENT


def test_one_action_has_one_identity_on_every_channel_and_at_every_time() -> None:
    first = action(agent_id=None, channel="agent:a7", at_ms=1)
    again = action(agent_id=None, channel="user:u1", at_ms=2)
    assert (first.key, first.fingerprint) == (again.key, again.fingerprint)


def test_an_event_without_agent_has_one_key_on_every_channel() -> None:
    changes: dict[str, Any] = {"action_id": None, "agent_id": None, "metadata": {"event_id": "e1"}}
    assert action(channel="agent:a7", **changes).key == action(channel="user:u1", **changes).key


def test_the_same_id_in_another_shape_is_the_same_key() -> None:
    inner = frame()
    enveloped = decode(json.dumps({"type": "ACTION", "data": inner}), origin())
    assert isinstance(enveloped, ActionBase)
    flat = action()
    assert enveloped.shape != flat.shape
    assert (enveloped.key, enveloped.fingerprint) == (flat.key, flat.fingerprint)


def test_two_actions_of_one_event_have_two_keys() -> None:  # fixture F19
    event = {"event_id": "e1", "agent_id": frame()["agent_id"]}
    trade = action(action_id=None, metadata=event)
    stop = action(
        action_id="set_hyperliquid_perp_stop_loss",
        action_type=None,
        metadata=event,
        position={"trigger_price": 1, "side": "SHORT"},
    )
    assert trade.event_id == stop.event_id
    assert trade.key != stop.key


def test_a_frame_without_any_id_can_be_recognised_when_it_comes_again() -> None:
    first = action(action_id=None, at_ms=1)
    assert first.sender_id is None
    assert first.event_id is None
    assert first.key == action(action_id=None, at_ms=2, channel="user:u1").key
    assert first.key != action(action_id=None, position={"size": "0.26"}).key
    assert first.action_id == first.key
    assert len(first.key) == 32


CHANGES: list[dict[str, Any]] = [
    {"action_type": "SET_HYPERLIQUID_PERP_STOP_LOSS", "position": {"trigger_price": 1}},
    {"action_id": "another"},
    {"agent_id": "another"},
    {"created_at": "2026-05-04T09:30:01Z"},
    {"position": {"asset": "SOL"}},
    {"position": {"side": "SHORT"}},
    {"position": {"size": "0.26"}},
    {"position": {"leverage": 4}},
    {"position": {"reduce_only": True}},
    {"metadata": {"event_id": "e"}},
    {"metadata": {"strategy_id": "s"}},
    {"metadata": {"price": 1}},
    {"metadata": {"server_execution": False}},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_any_other_content_has_another_fingerprint(changes: dict[str, Any]) -> None:
    assert action(**changes).fingerprint != action().fingerprint


def test_another_trigger_price_has_another_fingerprint() -> None:
    stop: dict[str, Any] = {"action_type": "SET_HYPERLIQUID_PERP_STOP_LOSS"}
    near, far = (action(**stop, position={"trigger_price": px}) for px in (1, 2))
    assert near.fingerprint != far.fingerprint


@pytest.mark.parametrize("changes", [{"status": "EXECUTED"}, {"position": {"size": "0.250"}}], ids=str)
def test_status_and_spelling_are_no_content(changes: dict[str, Any]) -> None:
    assert action(**changes).fingerprint == action().fingerprint


def test_created_at_wins_over_the_events_timestamp() -> None:
    assert action(metadata={"timestamp": 1_700_000_000}).stamped_at_ms == action().stamped_at_ms
