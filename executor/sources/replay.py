"""Plays recorded frames again: JSON lines with ``received_at``, ``source``, ``channel`` and ``frame``.

The format is what ``executor export-frames`` writes (contract.md). ``received_at`` is ISO-8601 with zone, or epoch
milliseconds. ``frame`` is text; a binary frame is base64 in ``frame_base64``. ``system`` (the signal system's type)
may be left out where ``source`` is its name, and means fractrade then too.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from executor.core.source_events import Malformed, Origin, SourceEvent, Status
from executor.errors import ConfigError
from executor.ports import ChannelState, Emit, SourceContext
from executor.sources import fractrade_wire, halyrd_wire, nexgent_wire, tradeready_wire
from executor.sources.fields import Refusal, epoch_stamp, iso_stamp, need, text
from executor.sources.nexgent_mirror import Mirror, apply, told
from executor.sources.strict_json import JsonObject, parse_object

Decoder = Callable[[str | bytes, Origin], SourceEvent | Malformed | None]
"""``None`` for a frame that says nothing to us."""

DECODERS: Mapping[str, Decoder] = {
    fractrade_wire.SYSTEM: fractrade_wire.decode,
    halyrd_wire.SYSTEM: halyrd_wire.decode,
    tradeready_wire.SYSTEM: tradeready_wire.decode_fact,
}
"""By signal system; of those whose frames mean something each by itself."""

SYSTEMS = (*DECODERS, nexgent_wire.SYSTEM)
"""Whose recorded frames can be played."""

MAX_LINE = 16 << 20
"""In characters: a frame of the largest size, in JSON's own escapes."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded frame. ``system`` names its decoder."""

    received_at_ms: int
    source: str
    channel: str
    raw: str | bytes
    system: str

    def origin(self, source: str) -> Origin:
        """Where and when it came in, under this source's name."""
        return Origin(self.system, source, self.channel, self.received_at_ms)


class Decoding:
    """Decodes one recording, in its order: what some systems' frames mean depends on those before them."""

    def __init__(self) -> None:
        self._mirrors: dict[tuple[str, str], Mirror] = {}

    def events(self, record: Recorded, source: str) -> tuple[SourceEvent | Malformed, ...]:
        """What the frame says, if anything, as if it came by a source of this name now."""
        if record.system == nexgent_wire.SYSTEM:
            return self._mirrored(record, record.origin(source))
        event = DECODERS[record.system](record.raw, record.origin(source))
        return () if event is None else (event,)

    def _mirrored(self, record: Recorded, origin: Origin) -> tuple[SourceEvent | Malformed, ...]:
        message = nexgent_wire.decode(record.raw, origin)
        if isinstance(message, Malformed):
            return (message,)
        place = (record.source, record.channel)
        step = apply(self._mirrors.get(place, Mirror()), message)
        self._mirrors[place] = step.mirror
        return tuple(told(message, step, origin))


def read_frames(path: Path) -> Iterator[Recorded]:
    """The recorded frames of a file, in its order; raises ``ConfigError`` that names the line."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _recorded(line, f"{path} line {number}")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path}: {fault}", "name a file of recorded frames") from fault


def _recorded(line: str, place: str) -> Recorded:
    try:
        return _record(parse_object(line, MAX_LINE))
    except Refusal as refusal:
        where = f"{refusal.field}: " if refusal.field else ""
        raise ConfigError(f"{place}: {where}{refusal.detail}", "see contract.md, replay, for the format") from refusal


def _record(record: JsonObject) -> Recorded:
    source = need(text(record.get("source"), "source"), "source")
    return Recorded(
        received_at_ms=_received_at(record.get("received_at")),
        source=source,
        channel=need(text(record.get("channel"), "channel"), "channel"),
        raw=_raw(record),
        system=_system(text(record.get("system"), "system"), source),
    )


def _received_at(value: object) -> int:
    stamp = iso_stamp(value, "received_at") if isinstance(value, str) else epoch_stamp(value, "received_at")
    return need(stamp, "received_at")


def _raw(record: JsonObject) -> str | bytes:
    frame, encoded = record.get("frame"), record.get("frame_base64")
    if isinstance(frame, str):
        return frame
    if isinstance(frame, dict):  # written by hand: the object itself
        return json.dumps(frame, default=str)
    if not isinstance(encoded, str):
        raise Refusal("MISSING_FIELD", "frame", "frame (text) or frame_base64 is required")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("WRONG_TYPE", "frame_base64", "not base64") from None


def _system(written: str | None, source: str) -> str:
    if written is None:
        return source if source in SYSTEMS else fractrade_wire.SYSTEM
    if written not in SYSTEMS:
        raise Refusal("UNSUPPORTED_MESSAGE", "system", f"no decoder for {written}; there are {', '.join(SYSTEMS)}")
    return written


class ReplayOptions(BaseModel):
    """The keys of a ``type: replay`` source. ``speed`` 2 is twice as fast as recorded, 0 without any pause."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    caution: ClassVar[str] = (
        "entries recorded longer than execution.entry_ttl_s ago are refused (STALE), exits are not; "
        "`executor replay FILE` plays a recording at its own time"
    )
    """Stamps stay as they were recorded: identities, look-ups and the journal's frames hang on them."""

    path: Path
    speed: float = Field(default=1.0, ge=0, allow_inf_nan=False)


class ReplaySource:
    """Emits a file's frames with the times they were recorded with, in their order, then returns.

    ``name`` is the configured name, which routes go by; the recorded name serves to find the decoder.
    """

    Options: ClassVar = ReplayOptions

    def __init__(self, name: str, options: ReplayOptions) -> None:
        self.name = name
        self.options = options
        self._channels: dict[str, ChannelState] = {}

    @classmethod
    def build(cls, name: str, options: ReplayOptions, context: SourceContext) -> ReplaySource:  # noqa: ARG003  # the door's form
        """The source as the configuration asks for it."""
        return cls(name, options)

    def channels(self) -> tuple[ChannelState, ...]:
        """The recorded channels met so far."""
        return tuple(self._channels.values())

    async def run(self, emit: Emit) -> None:
        """Emit all frames; raises ``ConfigError`` at a line that is no record."""
        last: Recorded | None = None
        decoding = Decoding()
        for record in read_frames(self.options.path):
            await self._wait(last, record)
            self._meet(record, emit)
            for event in decoding.events(record, self.name):
                emit(record.raw, event)
            last = record
        if last is not None:
            self._end(last, emit)

    async def _wait(self, last: Recorded | None, record: Recorded) -> None:
        gap_ms = 0 if last is None else max(0, record.received_at_ms - last.received_at_ms)
        speed = self.options.speed
        await asyncio.sleep(gap_ms / 1000 / speed if speed else 0)

    def _meet(self, record: Recorded, emit: Emit) -> None:
        if record.channel not in self._channels:
            emit(b"", _status(record.origin(self.name), "open"))
        self._channels[record.channel] = ChannelState(record.channel, "open", record.received_at_ms)

    def _end(self, last: Recorded, emit: Emit) -> None:
        for channel, state in self._channels.items():
            self._channels[channel] = ChannelState(channel, "closed", state.last_frame_at_ms, detail="end of the file")
            emit(b"", _status(Origin(last.system, self.name, channel, last.received_at_ms), "closed"))


def _status(origin: Origin, state: str) -> Status:
    kind, _, agent_id = origin.channel.partition(":")
    return Status(origin=origin, state=state, agent_ids=(agent_id,) if kind == "agent" else ())
