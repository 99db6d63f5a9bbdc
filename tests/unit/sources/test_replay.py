"""Recorded frames come back with the times, channels and bytes they were recorded with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from executor.core.source_events import ActionBase, Malformed, SourceEvent, Status
from executor.errors import ConfigError
from executor.sources.replay import Decoding, Recorded, ReplayOptions, ReplaySource, read_frames

FRAME = json.dumps(
    {
        "action_id": "x1",
        "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
        "config": {"position": {"asset": "ETH", "size": 1, "side": "LONG"}},
    }
)
LINES: list[dict[str, Any]] = [
    {"received_at": "2026-05-04T09:30:00.250Z", "source": "mine", "channel": "agent:a1", "frame": FRAME},
    {"received_at": 1777887001000, "source": "fractrade", "channel": "user:u1", "frame_base64": "/w=="},
    {"received_at": 1777887001000, "source": "x", "system": "fractrade", "channel": "agent:a1", "frame": {"a": 1.5}},
]


def written(folder: Path, *lines: Any) -> Path:
    path = folder / "frames.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


async def replayed(path: Path) -> tuple[ReplaySource, list[tuple[str | bytes, SourceEvent | Malformed]]]:
    emitted: list[tuple[str | bytes, SourceEvent | Malformed]] = []
    source = ReplaySource("again", ReplayOptions(path=path, speed=0))
    await source.run(lambda raw, event: emitted.append((raw, event)))
    return source, emitted


async def test_frames_are_decoded_with_their_recorded_times_and_channels(tmp_path: Path) -> None:
    _, emitted = await replayed(written(tmp_path, LINES[0], "", LINES[1]))
    (raw, action), (binary, malformed) = [item for item in emitted if item[0]]
    assert raw == FRAME
    assert isinstance(action, ActionBase)
    origin = action.origin
    assert (origin.received_at_ms, origin.channel, origin.source) == (1_777_887_000_250, "agent:a1", "again")
    assert action.agent.agent_id == "a1"
    assert binary == b"\xff"
    assert isinstance(malformed, Malformed)
    assert malformed.reason == "NOT_UTF8"


async def test_each_channel_opens_once_and_closes_at_the_end(tmp_path: Path) -> None:
    source, emitted = await replayed(written(tmp_path, *LINES))
    told = [(e.origin.channel, e.state, e.agent_ids) for _, e in emitted if isinstance(e, Status)]
    assert told == [
        ("agent:a1", "open", ("a1",)),
        ("user:u1", "open", ()),
        ("agent:a1", "closed", ("a1",)),
        ("user:u1", "closed", ()),
    ]
    assert [(c.name, c.state, c.last_frame_at_ms) for c in source.channels()] == [
        ("agent:a1", "closed", 1_777_887_001_000),
        ("user:u1", "closed", 1_777_887_001_000),
    ]


async def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert (await replayed(written(tmp_path)))[1] == []


def test_a_frame_written_as_an_object_is_its_text(tmp_path: Path) -> None:
    (record,) = read_frames(written(tmp_path, LINES[2]))
    assert record.raw == '{"a": "1.5"}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "line 1"),
        ({**LINES[0], "received_at": "2026-05-04T09:30:00"}, "received_at: no time zone"),
        ({**LINES[0], "received_at": None}, "received_at"),
        ({**LINES[0], "source": None}, "source"),
        ({**LINES[0], "channel": 3}, "channel"),
        ({**LINES[0], "frame": None}, "frame"),
        ({**LINES[1], "frame_base64": "!"}, "frame_base64"),
        ({**LINES[0], "system": "unheard"}, "unheard"),
    ],
)
async def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await replayed(written(tmp_path, line))


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl"):
        await replayed(tmp_path / "gone.jsonl")


@pytest.mark.parametrize("speed", [-1, "nan", "inf"])
def test_a_speed_must_be_one(speed: Any) -> None:
    with pytest.raises(ValidationError):
        ReplayOptions(path=Path("x"), speed=speed)


def test_nexgents_frames_are_read_in_their_order_whatever_their_source_is_called() -> None:
    def frame(kind: str, **data: object) -> Recorded:
        return Recorded(1, "nex", "agent:a1", json.dumps({"type": kind, "data": data}), "nexgent")

    position = {"id": "p1", "tokenAddress": "Mint", "tokenSymbol": "BONK", "purchaseAmount": 5}
    price = {"tokenAddress": "mint", "price": 1, "priceUsd": 150}
    decoding = Decoding()
    assert decoding.events(frame("connected"), "mine") == ()
    (opened,) = decoding.events(frame("initial_data", positions=[position]), "mine")
    marked, ticker = decoding.events(frame("price_update", **price), "mine")
    (closed,) = decoding.events(frame("initial_data", positions=[]), "mine")
    (odd,) = decoding.events(frame("initial_data"), "mine")
    assert [getattr(one, "size", None) for one in (opened, marked, closed)] == [5, 5, 0]
    assert (ticker.px, opened.origin.source, type(odd)) == (150, "mine", Malformed)
