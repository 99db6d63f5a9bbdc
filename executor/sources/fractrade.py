"""The Fractrade source: which sockets to open, with which credentials, and what their frames mean to the program.

Facts: signal-protocols.md section 1.1 (channels), 1.4 (limits). The wire format itself is ``fractrade_wire``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from executor.backoff import Server
from executor.clock import Clock
from executor.core.source_events import Origin, Status
from executor.errors import ConfigError, CredentialRefused
from executor.ports import ChannelState, Emit, SourceContext
from executor.sources.connection import Closed, Connection, Endpoint, Item, Opened, Received, Stopped
from executor.sources.fractrade_encode import encode
from executor.sources.fractrade_wire import SYSTEM, decode
from executor.sources.reconnect import Verdict

__all__ = ["FractradeOptions", "FractradeSource", "decode", "encode"]

MAX_CONNECTIONS = 10
"""Per user, over all channels (seed 000, "Rate Limits")."""

MESSAGES_A_MINUTE = 100
"""Per connection; it concerns what a client sends, yet a server that sends more is worth a word."""

Note = Callable[[str, str], None]
"""Takes a channel's name and a sentence for people."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class FractradeOptions(BaseModel):
    """The keys of a ``type: fractrade`` source (contract.md). ``*_env`` only say where secrets lie; see ``Secrets``.

    ``after_gap`` and ``server_execution`` are read by the core.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "wss://api.fractrade.xyz"
    api_key_env: str | None = "FRACTRADE_API_KEY"
    api_secret_env: str | None = "FRACTRADE_API_SECRET"  # noqa: S105  # the name of a variable
    user_token_env: str | None = "FRACTRADE_USER_TOKEN"  # noqa: S105  # the name of a variable
    agents: tuple[str, ...] = ()
    user_id: str | None = None
    executor_channel: bool = False
    user_auth: Literal["auto", "token", "query"] = "auto"
    after_gap: Literal["reduce_only", "continue"] = "reduce_only"
    server_execution: Literal["skip", "execute"] | None = None

    max_connections: ClassVar[int] = MAX_CONNECTIONS
    """Of one user over all of its sources: the configuration adds them up."""

    def connections(self) -> int:
        """One for each channel."""
        return len(self.agents) + (self.user_id is not None) + self.executor_channel


Secrets = Mapping[str, SecretStr]
"""Resolved secrets by name: ``api_key``, ``api_secret``, ``user_token``; those that could not be read are left out."""


def endpoints(options: FractradeOptions, secrets: Secrets) -> tuple[Endpoint, ...]:
    """One endpoint per configured channel; ``ConfigError`` when they cannot be opened as configured."""
    found = tuple(_endpoints(options, secrets))
    if not found:
        raise ConfigError(
            "the fractrade source has no channel",
            "set agents, user_id or executor_channel; to see it all work first, run: executor demo",
        )
    twice = [name for name, count in Counter(point.name for point in found).items() if count > 1]
    if twice:
        raise ConfigError(f"the fractrade source lists {twice[0]} twice", "list each agent once")
    if len(found) > MAX_CONNECTIONS:
        raise ConfigError(
            f"the fractrade source has {len(found)} channels; Fractrade allows {MAX_CONNECTIONS} connections per user",
            "set user_id, whose one channel carries all of the user's agents, and list fewer agents",
        )
    return found


def _endpoints(options: FractradeOptions, secrets: Secrets) -> Iterator[Endpoint]:
    for agent_id in options.agents:
        path = f"/ws/actions/{_segment(agent_id, 'agents')}"
        yield _with_query(options.url, secrets, f"agent:{agent_id}", path)
    if options.user_id is not None:
        name, path = f"user:{options.user_id}", f"/ws/user/{_segment(options.user_id, 'user_id')}"
        authenticated = _with_token if _user_by_token(options, secrets) else _with_query
        yield authenticated(options.url, secrets, name, path)
    if options.executor_channel:
        yield _with_token(options.url, secrets, "executor", "/ws/executor/")


def _user_by_token(options: FractradeOptions, secrets: Secrets) -> bool:
    """How the user channel is authenticated is documented nowhere.

    The token is the only user-level credential there is (signal-protocols.md section 1.1), so it goes first where it is
    known; ``user_auth`` overrides.
    """
    if options.user_auth == "auto":
        return "user_token" in secrets
    return options.user_auth == "token"


def _segment(channel_id: str, key: str) -> str:
    if not channel_id or not channel_id.isprintable() or channel_id != channel_id.strip():
        raise ConfigError(f"the fractrade source's {key} holds an unusable id", "copy the id from Fractrade")
    return quote(channel_id, safe="")


def _with_query(base: str, secrets: Secrets, name: str, path: str) -> Endpoint:
    key, secret = _secret(secrets, name, "api_key"), _secret(secrets, name, "api_secret")
    query = urlencode({"api_key": key, "api_secret": secret})
    return Endpoint(name, _address(base, path, query), secrets=(key, secret))


def _with_token(base: str, secrets: Secrets, name: str, path: str) -> Endpoint:
    token = _secret(secrets, name, "user_token")
    return Endpoint(name, _address(base, path, ""), {"Authorization": f"Token {token}"}, (token,))


def _secret(secrets: Secrets, channel: str, key: str) -> str:
    if key not in secrets or not secrets[key].get_secret_value():
        raise ConfigError(
            f"fractrade channel {channel} needs {key}", f"set the variable that {key}_env names, or {key}_file"
        )
    return secrets[key].get_secret_value()


def _address(base: str, path: str, query: str) -> str:
    """The channel's URL under the configured base: http(s) becomes ws(s), trailing slashes of the base go."""
    try:
        parts = urlsplit(base)
    except ValueError:
        raise _no_address() from None
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None or not parts.hostname or parts.query or parts.fragment:
        raise _no_address()
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + path, query, ""))


def _no_address() -> ConfigError:
    return ConfigError("the fractrade source's url is no address", "use wss://host or https://host")


@dataclass(slots=True)
class MinuteMeter:
    """Counts per minute of the clock; true once a minute, when the count first exceeds the limit."""

    limit: int = MESSAGES_A_MINUTE
    minute: int = -1
    count: int = 0

    def exceeded(self, at_ms: int) -> bool:
        """Count one message."""
        minute = at_ms // 60_000
        if minute != self.minute:
            self.minute, self.count = minute, 0
        self.count += 1
        return self.count == self.limit + 1


@dataclass(slots=True)
class _Channel:
    endpoint: Endpoint
    connection: Connection
    agent_ids: tuple[str, ...]
    state: str = "connecting"
    last_frame_at_ms: int | None = None
    detail: str = ""
    remedy: str = ""
    meter: MinuteMeter = field(default_factory=MinuteMeter)

    def shown(self) -> ChannelState:
        return ChannelState(
            name=self.endpoint.name,
            state=self.state,
            last_frame_at_ms=self.last_frame_at_ms,
            attempts=self.connection.attempts,
            detail=self.detail,
            remedy=self.remedy,
        )


class FractradeSource:
    """Listens on every configured channel at once; what arrives twice is told apart downstream, by its key.

    ``name`` is the configured name, ``jitter`` gives numbers in [0, 1) for the reconnects, ``note`` takes sentences
    for people that concern one channel. Raises ``ConfigError`` when the channels cannot be opened as configured.
    """

    Options: ClassVar = FractradeOptions
    system: ClassVar[str] = SYSTEM

    def __init__(
        self,
        name: str,
        options: FractradeOptions,
        secrets: Secrets,
        clock: Clock,
        jitter: Callable[[], float],
        note: Note | None = None,
    ) -> None:
        self.name = name
        self.options = options
        self._note = note
        server = Server()
        self._channels = [
            _Channel(point, Connection(point, clock, jitter, server=server), _agents_of(point.name))
            for point in endpoints(options, secrets)
        ]

    @classmethod
    def build(cls, name: str, options: FractradeOptions, context: SourceContext) -> FractradeSource:
        """The source as the configuration asks for it."""
        return cls(name, options, context.secrets, context.clock, context.jitter, context.note)

    def channels(self) -> tuple[ChannelState, ...]:
        """The channels as they are now, for readiness and status."""
        return tuple(channel.shown() for channel in self._channels)

    async def run(self, emit: Emit) -> None:
        """Listen until cancelled. Raises ``CredentialRefused`` once every channel was refused for good.

        A refused channel leaves the others running; its state and remedy stay in ``channels()``.
        """
        async with asyncio.TaskGroup() as group:
            for channel in self._channels:
                group.create_task(self._listen(channel, emit), name=f"{self.name} {channel.endpoint.name}")
        told = "; ".join(f"{c.endpoint.name}: {c.detail}" for c in self._channels)
        raise CredentialRefused(f"{self.name}: every channel was refused for good ({told})", self._channels[0].remedy)

    async def _listen(self, channel: _Channel, emit: Emit) -> None:
        await channel.connection.run(lambda item: self._take(channel, item, emit))

    def _take(self, channel: _Channel, item: Item, emit: Emit) -> None:
        match item:
            case Received():
                self._take_frame(channel, item, emit)
            case Opened():
                self._turn(channel, "open", item.at_ms, emit)
            case Closed(verdict):
                self._turn(channel, "closed", item.at_ms, emit, verdict.code, _told(verdict), verdict.remedy)
            case Stopped(refusal):
                self._turn(channel, "refused", item.at_ms, emit, refusal.code, _told(refusal), refusal.remedy)

    def _take_frame(self, channel: _Channel, item: Received, emit: Emit) -> None:
        channel.last_frame_at_ms = item.at_ms
        emit(item.raw, decode(item.raw, self._origin(channel, item.at_ms)))
        if channel.meter.exceeded(item.at_ms) and self._note is not None:
            self._note(channel.endpoint.name, f"more than {channel.meter.limit} messages within a minute")

    def _turn(
        self,
        channel: _Channel,
        state: str,
        at_ms: int,
        emit: Emit,
        code: int | None = None,
        detail: str = "",
        remedy: str = "",
    ) -> None:
        """Take on a state; only a change is an event, so that a long outage is one ``closed``."""
        channel.detail, channel.remedy = detail, remedy
        if state == channel.state:
            return
        channel.state = state
        origin = self._origin(channel, at_ms)
        ids = channel.agent_ids
        emit(b"", Status(origin=origin, state=state, agent_ids=ids, code=code, detail=detail, remedy=remedy))

    def _origin(self, channel: _Channel, at_ms: int) -> Origin:
        return Origin(SYSTEM, self.name, channel.endpoint.name, at_ms)


def _agents_of(channel_name: str) -> tuple[str, ...]:
    kind, _, agent_id = channel_name.partition(":")
    return (agent_id,) if kind == "agent" else ()


def _told(verdict: Verdict) -> str:
    return f"{verdict.reason}: {verdict.detail}" if verdict.detail else verdict.reason
