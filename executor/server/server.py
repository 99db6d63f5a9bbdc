"""The server itself: listens, lets requests through the gate, and bounds what each may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import hdrs, web

from executor.core.events import Event
from executor.errors import ConfigError
from executor.ports import Notifier
from executor.server.answers import answer
from executor.server.crowd import Crowd, Visitor
from executor.server.gate import Ask, Gate, Refusal
from executor.server.halyrd import Halyrd
from executor.server.halyrd_rest import HalyrdRest
from executor.server.metrics import Metrics
from executor.server.model import Budgets, CommandHandler, Objectives, OpenReader, Readiness
from executor.server.reading import Busy, Reading
from executor.server.rest import Rest
from executor.server.settings import Limits, ServerSettings
from executor.server.stream import Streams, Tail

_log = structlog.get_logger(__name__)

_CLOSING_S = 1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WorkerServer:
    """The worker's HTTP and WebSocket interface (contract.md). Nothing it does makes the worker wait.

    ``notify`` and ``observe`` are for the worker's loop: constant time, never blocking, never raising.
    """

    def __init__(
        self,
        settings: ServerSettings,
        open_reader: OpenReader,
        *,
        readiness: Callable[[], Readiness],
        command: CommandHandler,
        budgets: Budgets,
        objectives: Objectives = lambda _: [],
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._limits = limits or Limits()
        self._metrics = Metrics()
        self._reading = Reading(open_reader, self._limits.answer_s)
        self._tail = Tail(self._limits.wake_s)
        self._streams = Streams(self._reading, self._tail, self._limits)
        self._halyrd = Halyrd(self._reading, self._tail, self._limits, lambda: tuple(readiness().accounts))
        self._rest = Rest(
            reading=self._reading,
            streams=self._streams,
            tail=self._tail,
            observed=self._metrics,
            trusts=lambda request: self._gate.trusts(_ask(request)),
            readiness=readiness,
            command=command,
            budgets=budgets,
            limits=self._limits,
            halyrd=HalyrdRest(self._halyrd, self._reading, objectives, self._limits),
        )
        self._crowd = Crowd(self._limits.connections)
        self._gate = Gate(settings, ())
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen, and return the URL.

        Raises ``ConfigError`` when the address cannot be had, and whatever opening the record raises.
        """
        await self._reading.start()
        try:
            self._tail.notify(await self._reading.ask(lambda read: int(read.events(0, 0)["last_seq"])))
            self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_CLOSING_S)
            await self._runner.setup()
            self._listener = await self._listen(self._runner)
        except BaseException:
            await self.close()
            raise
        ports = [socket.getsockname()[1] for socket in self._listener.sockets]
        self._gate = Gate(self._settings, ports)
        host = self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{ports[0]}"

    def notify(self, last_seq: int) -> None:
        """The record now ends at this seq: the streams will read on."""
        self._tail.notify(last_seq)

    def observe(self, event: Event) -> None:
        """Count an event for ``/metrics``."""
        self._metrics.observe(event)

    @property
    def alarms(self) -> Notifier:
        """Counts for ``/metrics`` what people are told."""
        return self._metrics

    async def close(self) -> None:
        """End every connection and release the record."""
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(self._streams.close(), self._halyrd.close())
        self._tail.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._reading.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._receive], client_max_size=self._limits.body_bytes)
        app.add_routes(self._rest.routes())
        return app

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        manager, host, port = runner.server, self._settings.host, self._settings.port
        if manager is None:
            raise RuntimeError("the runner was not set up")
        limits = {"keepalive_timeout": self._limits.head_s, "lingering_time": 1, "access_log": None}
        try:
            return await asyncio.get_running_loop().create_server(
                lambda: Visitor(self._crowd, manager, **limits), host, port
            )
        except OSError as error:
            remedy = "set server.port to a free one (0 takes any), server.host to an address of this machine"
            raise ConfigError(
                f"server: cannot listen on {host} port {port}: {error.strerror or error}", remedy
            ) from error

    @web.middleware
    async def _receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request comes through here, also those without a route."""
        visitor = request.protocol
        if isinstance(visitor, Visitor):
            self._crowd.busy(visitor)
        try:
            response = await self._respond(request, handler)
            return await self._send(request, response)
        finally:
            if isinstance(visitor, Visitor):
                self._crowd.idle(visitor)

    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if refusal := self._gate.judge(_ask(request)):
            return _refused(refusal)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _failed(error.status, error.text or error.reason, error.headers)
        except Busy:
            return _failed(503, "the record is busy, ask again later")
        except ConnectionError:  # the client went while it was asked for: nobody's mistake, and no line of the log
            return _failed(400, "the connection was lost")
        except Exception as error:  # noqa: BLE001 - a bug, or a record that cannot be read: the log is told, not the client
            _log.exception("a request failed", path=request.path, error=type(error).__name__)
            return _failed(500, "this failed; the worker's log says why")

    async def _send(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Sends the answer here, where it can be given up: a client may ask for much and read none of it."""
        if response.prepared or not isinstance(response, web.Response):
            return response
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client went before its answer: nobody's mistake, and no line of the log
        return response


def _ask(request: web.Request) -> Ask:
    def values(name: str) -> tuple[str, ...]:
        return tuple(request.headers.getall(name, ()))

    return Ask(request.method, request.path, values(hdrs.HOST), values(hdrs.ORIGIN), values(hdrs.AUTHORIZATION))


def _refused(refusal: Refusal) -> web.Response:
    response = answer({"error": refusal.error, "remedy": refusal.remedy}, refusal.status)
    if refusal.status == web.HTTPUnauthorized.status_code:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


def _failed(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    response = answer({"error": text}, status)
    if headers is not None and hdrs.ALLOW in headers:
        response.headers[hdrs.ALLOW] = headers[hdrs.ALLOW]
    return response
