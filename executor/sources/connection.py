"""The one reconnecting WebSocket client that every source shares: opens, listens, judges each end, comes back.

Never ``async for connect()`` of the library: it returns about 1,100 times a second to a server that accepts and closes
(reliability.md A4). What an end means is decided in ``reconnect``; this module only obeys.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast
from urllib.parse import quote, quote_plus, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from executor import logs
from executor.backoff import Backoff, Line, Server
from executor.clock import Clock
from executor.errors import ConfigError
from executor.sources.direct import Direct
from executor.sources.reconnect import Retry, Stop, Verdict, judge

MAX_MESSAGE_BYTES = 8 << 20
"""Beyond this the library ends the connection (1009); below it a decoder records what is too large for it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect.

    ``url`` and ``headers`` hold credentials and show up nowhere; ``secrets`` are the raw values, blotted out of
    whatever a server says.
    """

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """The address without its credentials."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Timing:
    """The connection's patience, in seconds.

    A peer that answers no ping within ``ping_timeout_s`` is dead, whatever we send it. ``silence_s`` limits the time
    since the last *frame*; ``None`` where silence is normal, as on Fractrade, whose agents may rest for hours.
    A connection is stable after ``stable_s`` and a frame or pong.
    """

    open_s: float = 10.0
    ping_s: float = 20.0
    ping_timeout_s: float = 20.0
    silence_s: float | None = None
    stable_s: float = 30.0
    close_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake succeeded."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Received:
    """One message: text, or the bytes that were not text."""

    raw: str | bytes
    at_ms: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended or could not be opened; the next attempt follows in ``retry_in_s``."""

    verdict: Retry
    retry_in_s: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Given up for good; the last item."""

    verdict: Stop
    at_ms: int


Item = Opened | Received | Closed | Stopped


class _Handshake(connect):
    """One attempt that follows no redirect: another address must not see the credentials of this one."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _silenced() -> logging.Logger:
    """A logger of no hierarchy that says nothing: at DEBUG the library writes the request line and headers."""
    logger = logging.Logger("executor.silenced")  # noqa: LOG001  # in the hierarchy, a log setting could wake it
    logger.disabled = True
    return logger


class Connection:
    """One endpoint, kept open. ``run`` calls back with items, in order; the callback must not block.

    Nothing is buffered here: a frame is delivered before the next one is read. Connections to the same ``server``
    share it, so that together they do not storm it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        jitter: Callable[[], float],
        timing: Timing = Timing(),
        proxy: str | None = None,
        server: Server | None = None,
        policy: Backoff | None = None,
    ) -> None:
        _check_address(endpoint)
        self._endpoint = endpoint
        self._clock = clock
        self._timing = timing
        self._proxy = proxy
        self._line = Line(server or Server(), jitter, policy or Backoff())
        self._ending = asyncio.Event()
        self._socket: Direct | None = None
        self._heard = self._stable = False
        self._heard_s = 0.0

    def __repr__(self) -> str:
        return f"<Connection {self._endpoint.name} {self._endpoint.shown}>"

    @property
    def attempts(self) -> int:
        """Failed attempts since the last stable connection."""
        return self._line.failures

    async def run(self, deliver: Callable[[Item], None]) -> Stop | None:
        """Connect, listen and reconnect until stopped for good (the reason is returned), closed or cancelled."""
        while await self._may_try():
            verdict = self._redacted(await self._session(deliver))
            if self._ending.is_set():
                break
            if isinstance(verdict, Stop):
                self._line.ended(self._mono_ms(), stable=False)
                deliver(Stopped(verdict, self._clock.now_ms()))
                return verdict
            pause_s = self._line.ended(self._mono_ms(), stable=self._stable, at_least_s=verdict.at_least_s)
            deliver(Closed(verdict, pause_s, self._clock.now_ms()))
        return None

    async def _may_try(self) -> bool:
        """Wait for the next attempt's turn; false when closed."""
        while not self._ending.is_set() and (wait_ms := self._line.wait_ms(self._mono_ms())):
            await self._pause(wait_ms / 1000)
        return not self._ending.is_set()

    def _mono_ms(self) -> int:
        return int(self._clock.monotonic_s() * 1000)

    async def close(self) -> None:
        """End the connection and let ``run`` return; idempotent."""
        self._ending.set()
        if self._socket is not None:
            await self._socket.close()

    async def send(self, text: str) -> bool:
        """Send one text frame on the open socket; false when there is none, or it is just ending."""
        if self._socket is None:
            return False
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            return False
        return True

    async def _session(self, deliver: Callable[[Item], None]) -> Verdict:
        self._stable = False
        try:
            socket = await self._open()
        except (OSError, WebSocketException, UnicodeError) as fault:  # UnicodeError: a host name IDNA cannot encode
            return judge(fault)
        self._socket = socket
        opened_s = self._clock.monotonic_s()
        self._line.opened(self._mono_ms())
        try:
            if self._ending.is_set():  # closed while the handshake was under way
                return Retry("CLOSED_NORMALLY")
            deliver(Opened(self._clock.now_ms()))
            return await self._listen(socket, deliver)
        finally:
            self._socket = None
            await socket.close()
            self._stable = self._lasted(socket, opened_s)

    async def _open(self) -> Direct:
        timing = self._timing
        socket = await _Handshake(
            self._endpoint.url,
            additional_headers=self._endpoint.headers,
            compression=None,
            proxy=self._proxy,
            open_timeout=timing.open_s,
            ping_interval=timing.ping_s,
            ping_timeout=timing.ping_timeout_s,
            close_timeout=timing.close_s,
            max_size=MAX_MESSAGE_BYTES,
            logger=_silenced(),
            create_connection=Direct,
        )
        return cast("Direct", socket)  # what create_connection made

    async def _listen(self, socket: Direct, deliver: Callable[[Item], None]) -> Verdict:
        """Until the connection ends; every message is delivered as it is read."""
        self._heard = False
        self._heard_s = self._clock.monotonic_s()

        def take(raw: bytes) -> None:
            self._heard = True
            self._heard_s = self._clock.monotonic_s()
            deliver(Received(_text(raw), self._clock.now_ms()))

        socket.hand_to(take)
        if await self._fell_silent(socket):
            return Retry("SILENT", f"no frame for {self._timing.silence_s} s")
        if socket.mistake is not None:
            raise socket.mistake
        return judge(socket.close_exc)

    async def _fell_silent(self, socket: Direct) -> bool:
        """Wait for the connection's end; true when there was no frame for too long before it."""
        while True:
            left_s = self._silent_in_s()
            if left_s is not None and left_s <= 0:
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await socket.wait_closed()
                    return False

    def _silent_in_s(self) -> float | None:
        """How long until the silence is too long; ``None`` where it never is."""
        limit_s = self._timing.silence_s
        return None if limit_s is None else self._heard_s + limit_s - self._clock.monotonic_s()

    def _lasted(self, socket: ClientConnection, opened_s: float) -> bool:
        """Only a connection that lasted and spoke ends the trouble; accept-then-close goes on counting."""
        lasted = self._clock.monotonic_s() - opened_s >= self._timing.stable_s
        return lasted and (self._heard or socket.latency > 0)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def _redacted(self, verdict: Verdict) -> Verdict:
        return replace(verdict, detail=redacted(verdict.detail, self._endpoint.secrets))


def _text(raw: bytes) -> str | bytes:
    """Text that is not UTF-8 stays bytes, for the decoder to refuse, and ends no connection."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """A server's words for logs and tables: no secret in any spelling, printable ASCII, at most 160 characters.

    Beside the given ones those that are registered for the log; a server may repeat one that was replaced.
    """
    for secret in secrets:
        for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(spelling, "***")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in logs.redact(text))[:160]


def _check_address(endpoint: Endpoint) -> None:
    """Refuse what the library would refuse with the whole URL in its message."""
    if not _is_address(endpoint.url):
        raise ConfigError(
            f"channel {endpoint.name}: the url is no WebSocket address", "use ws://host[:port] or wss://host[:port]"
        )
    if not all(value.isascii() and value.isprintable() for value in endpoint.headers.values()):
        raise ConfigError(f"channel {endpoint.name}: a credential holds characters no header can carry", "check it")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:  # brackets that do not close, a port beyond 65535
        return False
