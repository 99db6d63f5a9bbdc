"""Whatever bytes arrive, decoding ends in an action or in a named refusal; what is written can be read back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.core.source_events import ActionBase, Malformed, Origin, SetStop, SetTarget
from executor.core.types import ZERO, ActionType
from executor.sources.fractrade_encode import encode
from executor.sources.fractrade_wire import decode

ORIGIN = Origin("fractrade", "fractrade", "user:u1", 1_777_887_000_000)
REASONS = {
    "FRAME_TOO_LARGE", "NOT_UTF8", "INVALID_JSON", "TOO_DEEP", "DUPLICATE_KEY", "NOT_AN_OBJECT",
    "UNSUPPORTED_MESSAGE", "UNSUPPORTED_ACTION", "UNSUPPORTED_EXCHANGE", "MISSING_FIELD", "WRONG_TYPE", "BAD_TEXT",
    "BAD_NUMBER", "NOT_POSITIVE", "OUT_OF_RANGE", "BAD_SIDE", "BAD_TIMESTAMP", "FIELD_CONFLICT",
}  # fmt: skip

NAMES = [name.value for name in ActionType]
ids = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=["C", "Z"]), min_size=1, max_size=40
)
numbers = st.decimals(min_value="0.000001", max_value="1000000", places=6).map(str)
leverages = st.integers(1, 1000)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def valid_frames(draw: st.DrawFn) -> dict[str, Any]:
    """A well-formed frame of any shape, for any action."""
    name = draw(st.sampled_from(NAMES))
    leverage = draw(optional(leverages))
    position = {
        draw(st.sampled_from(["asset", "symbol"])): draw(ids),
        "size": draw(numbers),
        "side": draw(st.sampled_from(["LONG", "SHORT", "BUY", "SELL"])),
        "leverage": leverage,
        "reduce_only": draw(optional(st.booleans())),
        "trigger_price": None if name == NAMES[0] else draw(numbers),
    }
    metadata = {
        "event_id": draw(optional(ids)),
        "strategy_id": draw(optional(ids)),
        "price": draw(optional(numbers)),
        "server_execution": draw(optional(st.booleans())),
    }
    body = {
        "agent_id": draw(ids),
        "config": {"position": position, "metadata": metadata},
        "created_at": draw(optional(st.sampled_from(["2026-05-04T09:30:00Z", "2026-05-04T09:30:00.123+02:00"]))),
        "status": draw(optional(st.sampled_from(["PENDING", "EXECUTED"]))),
    }
    named = draw(st.booleans())
    body |= {"action_id": name.lower()} if named else {"action_id": draw(optional(ids)), "action_type": name}
    return {"type": "ACTION", "data": body} if draw(st.booleans()) else body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def paths(node: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(node, dict):
        return [at]
    return [at, *(path for key, inner in node.items() for path in paths(inner, (*at, key)))]


def replaced(node: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**node, path[0]: replaced(node[path[0]], path[1:], value)}


def check_safe(raw: str | bytes) -> None:
    event = decode(raw, ORIGIN)
    assert isinstance(event, (ActionBase, Malformed))
    if isinstance(event, Malformed):
        assert event.reason in REASONS
        assert event.detail.isascii()
        assert event.detail.isprintable()
        return
    check_action(event)


def check_action(event: ActionBase) -> None:
    """What the rest of the program relies on in every action."""
    assert event.size > ZERO
    assert event.size.is_finite()
    assert event.symbol.isprintable()
    assert event.symbol
    assert len(event.key) == 32
    assert len(event.fingerprint) == 16
    if isinstance(event, (SetStop, SetTarget)):
        assert event.reduce_only
        assert event.trigger_px is not None
        assert event.trigger_px > ZERO


@given(st.binary(max_size=400))
def test_any_bytes_are_safe(raw: bytes) -> None:
    check_safe(raw)


@given(st.text(max_size=400))
def test_any_text_is_safe(raw: str) -> None:
    check_safe(raw)


@given(json_values)
def test_any_json_is_safe(value: Any) -> None:
    check_safe(json.dumps(value))


@given(valid_frames(), st.data())
def test_a_frame_with_any_one_value_replaced_is_safe(frame: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(frame)))
    check_safe(json.dumps(replaced(frame, path, data.draw(json_values))))


@given(valid_frames(), st.integers(0), st.binary(min_size=1, max_size=4))
def test_a_frame_with_any_bytes_overwritten_is_safe(frame: dict[str, Any], at: int, other: bytes) -> None:
    raw = json.dumps(frame).encode()
    at %= len(raw)
    check_safe(raw[:at] + other + raw[at + len(other) :])


@given(valid_frames(), st.integers(0))
def test_a_frame_cut_anywhere_is_malformed(frame: dict[str, Any], at: int) -> None:
    raw = json.dumps(frame)
    assert isinstance(decode(raw[: at % len(raw)], ORIGIN), Malformed)


@given(valid_frames())
def test_every_valid_frame_is_an_action_that_survives_being_written_again(frame: dict[str, Any]) -> None:
    event = decode(json.dumps(frame), ORIGIN)
    assert isinstance(event, ActionBase), event
    check_action(event)
    assert decode(encode(event), ORIGIN) == event  # type: ignore[arg-type]  # every ActionBase decoded is an Action


@given(valid_frames())
def test_the_agent_and_the_user_channel_say_the_same(frame: dict[str, Any]) -> None:
    by_agent = decode(json.dumps(frame), Origin("fractrade", "f", "agent:a1", 1))
    by_user = decode(json.dumps(frame), Origin("fractrade", "f", "user:u1", 2))
    assert isinstance(by_agent, ActionBase)
    assert isinstance(by_user, ActionBase)
    assert (by_agent.key, by_agent.fingerprint, by_agent.agent) == (by_user.key, by_user.fingerprint, by_user.agent)


@settings(max_examples=300)
@given(valid_frames(), st.data())
def test_a_frame_with_json_syntax_sprinkled_over_it_is_safe(frame: dict[str, Any], data: st.DataObject) -> None:
    """Damage that tends to parse again: other brackets, quotes, digits, escapes."""
    raw = bytearray(json.dumps(frame).encode())
    spots = data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=6))
    for spot in spots:
        raw[spot] = data.draw(st.sampled_from(list(b'{}[]",:0e.-\\u\x00\xff9tN')))
    check_safe(bytes(raw))
