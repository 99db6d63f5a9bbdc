"""``WS /ws/agents/{id}``: Halyrd's stream of one account, told from the record by one follower for all its readers.

Each reader has a queue of bounded length. One that does not keep up is let go with ``TOO_SLOW`` and finds what it
missed in the lists; nothing it does holds up the follower, and the follower holds up nobody (performance.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from executor.handshake import is_handshake
from executor.server.answers import encoded
from executor.server.halyrd_frames import KINDS, Agent
from executor.server.model import Document
from executor.server.reading import Busy, Reading
from executor.server.settings import Limits
from executor.server.stream import Tail, cut, listen

CURRENT = "current"
_SPAN = 100_000
"""How many events one question about the past looks through, so that others have their turn."""

_AGAIN_S = 1.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Reader:
    """One connected client and the frames it is owed."""

    account: str
    limit: int
    owed: deque[bytes] = field(default_factory=deque)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    overrun: bool = False

    def put(self, message: bytes) -> None:
        """Owe one more; a reader that is owed too many is owed nothing any more."""
        self.overrun = self.overrun or len(self.owed) >= self.limit
        if self.overrun:
            self.owed.clear()
        else:
            self.owed.append(message)
        self.more.set()


class Overrun(Exception):
    """The reader did not keep up."""


class Halyrd:
    """Follows the record from the first question on, and keeps for each account what its frames depend on."""

    def __init__(self, reading: Reading, tail: Tail, limits: Limits, names: Callable[[], Sequence[str]]) -> None:
        self.dropped = 0
        self._reading = reading
        self._tail = tail
        self._limits = limits
        self._names = names
        self._agents: dict[str, Agent] = {}
        self._readers: dict[Reader, web.WebSocketResponse] = {}
        self._starting = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._readers)

    # -- who ------------------------------------------------------------------------------------------------------

    async def agents(self) -> list[Agent]:
        """Every account in the order of the configuration; catches up with the record first."""
        async with self._starting:
            if self._follower is None or self._follower.done():
                await self._start()
        return list(self._agents.values())

    async def agent(self, name: str) -> Agent:
        """One account by its name; ``current`` is the first. Raises ``HTTPNotFound``."""
        agents = await self.agents()
        found = agents[0] if name == CURRENT and agents else self._agents.get(name)
        if found is None:
            raise web.HTTPNotFound(text="no such agent")
        return found

    # -- following ------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        status = await self._reading.ask(lambda read: read.status())
        ledger, known = status["ledger"], {row["account"]: row for row in status["accounts"]}
        self._agents = {
            name: Agent(name, ledger["mode"] == "live", bool(known.get(name, {}).get("latched")))
            for name in [*self._names(), *(name for name in known if name not in self._names())]
        }
        await self._catch_up(ledger["last_seq"])
        self._follower = asyncio.create_task(self._follow(ledger["last_seq"]), name="halyrd follower")

    async def _catch_up(self, until: int) -> None:
        """The worth of each account so far."""
        for start in range(0, until, _SPAN):
            end = min(start + _SPAN, until)
            rows = await self._reading.ask(lambda read, start=start, end=end: read.equity(start, end))  # type: ignore[misc]  # bound now
            for account, at_ms, equity in rows:
                if account in self._agents:
                    self._agents[account].curve.add(at_ms, Decimal(equity))

    async def _follow(self, after: int) -> None:
        try:
            while True:
                more = self._tail.more  # taken before the read: what is committed during it rings this bell
                after, count = await self._told(after)
                if not count:
                    await more.wait()
        except Exception as error:  # noqa: BLE001 - a record that cannot be read, or a bug: readers must not wait for ever
            _log.exception("the streams of accounts end: the record cannot be told", error=type(error).__name__)
            await self._end(WSCloseCode.INTERNAL_ERROR, b"the record cannot be told")

    async def _told(self, after: int) -> tuple[int, int]:
        """Tell one page of events; where it ends, and how many there were."""
        try:
            page = await self._reading.ask(lambda read: read.events(after, self._limits.batch)["events"])
        except Busy:
            await asyncio.sleep(_AGAIN_S)
            return after, 1
        for document in page:
            if document["kind"] in KINDS:
                self._tell(document)
        return (page[-1]["seq"] if page else after), len(page)

    def _tell(self, document: Document) -> None:
        for agent in self._agents.values():
            frames = agent.tell(document)
            readers = [reader for reader in self._readers if reader.account == agent.account] if frames else []
            if readers:
                for message in map(encoded, frames):
                    for reader in readers:
                        reader.put(message)

    # -- the readers ----------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One stream, from the handshake to its end; what happened before it stands in the lists."""
        if len(self._readers) >= self._limits.streams:
            raise web.HTTPServiceUnavailable(text="too many streams are open")
        agent = await self.agent(request.match_info["id"])
        if not is_handshake(request):
            raise web.HTTPUpgradeRequired(text="this path is a WebSocket")
        socket = web.WebSocketResponse(heartbeat=self._limits.ping_s, compress=False, max_msg_size=1024, timeout=1)
        reader = Reader(agent.account, self._limits.queue)
        self._readers[reader] = socket
        try:
            await socket.prepare(request)
            await self._run(request, socket, reader)
        finally:
            del self._readers[reader]
        return socket

    async def _run(self, request: web.Request, socket: web.WebSocketResponse, reader: Reader) -> None:
        pump = asyncio.create_task(self._pump(request, socket, reader))
        try:
            await listen(socket)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, request: web.Request, socket: web.WebSocketResponse, reader: Reader) -> None:
        try:
            await self._send_all(socket, reader)
        except ConnectionError:
            pass  # the client went; whoever listens learns it too
        except (TimeoutError, Overrun):
            self.dropped += 1
            await cut(request, socket, b"too slow: read the lists for what you missed", self._limits.send_s)

    async def _send_all(self, socket: web.WebSocketResponse, reader: Reader) -> None:
        while True:
            await reader.more.wait()
            reader.more.clear()
            while reader.owed and not reader.overrun:
                async with asyncio.timeout(self._limits.send_s):
                    await socket.send_frame(reader.owed.popleft(), WSMsgType.TEXT)
                await asyncio.sleep(0)  # sending need not wait for anything: the worker has its turn in between
            if reader.overrun:
                raise Overrun

    async def close(self) -> None:
        """End every stream, and follow no more."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await self._end(WSCloseCode.GOING_AWAY, b"the worker ends")

    async def _end(self, code: int, reason: bytes) -> None:
        farewells = [socket.close(code=code, message=reason) for socket in list(self._readers.values())]
        await asyncio.gather(*farewells, return_exceptions=True)
