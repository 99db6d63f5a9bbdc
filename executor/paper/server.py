"""The paper exchange as a server: POST /info, POST /exchange and GET /ws on one origin (hyperliquid.md section 8).

In a test::

    async with PaperExchange(ManualMarket(), fund={address: 10_000}) as paper:
        paper.market.set_quote("BTC", 100_000, 100_010)
        ...  # any Hyperliquid client on paper.url
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from executor.clock import Clock, SystemClock
from executor.errors import CannotListen
from executor.hosts import is_foreign, is_loopback
from executor.hyperliquid import limits
from executor.paper import info
from executor.paper.channels import Cadence
from executor.paper.commit import Committer, Sleep
from executor.paper.exchange import err, weight
from executor.paper.faults import Fault, Faults
from executor.paper.feeds import Feed, ManualMarket
from executor.paper.gate import Refused, Request, Unprocessable, read_request
from executor.paper.ip_limits import IpLimits
from executor.paper.keeping import keep
from executor.paper.model import Json, Pushes, Rules
from executor.paper.service import Service
from executor.paper.sockets import Hub
from executor.paper.tape import TapeFeed

_SERDE = "Failed to deserialize the JSON body into the target type: "
_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class Options:
    """How the server behaves beyond the venue's rules.

    ``push_delay_ms`` makes websocket news come after the answer that caused it (no order is documented,
    hyperliquid.md section 9, U9); without it they leave first.
    """

    latency_ms: int = 200
    push_delay_ms: int = 0
    ip_limit: bool = True
    accept_mainnet_source: bool = False
    cadence: Cadence = field(default_factory=Cadence)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; ``None`` status means the connection ends without one."""

    status: int | None
    body: bytes = b""
    content_type: str = "application/json"

    @property
    def text(self) -> str:
        """What a websocket post gets instead of an error status."""
        return f"{self.status} {self.body.decode(errors='replace')}"


_NOTHING = Reply(None)
_TOO_MANY = Reply(429, b"null")
_BAD_GATEWAY = Reply(502, _GATEWAY.encode(), "text/html")


def _json(value: Any) -> Reply:
    return Reply(200, orjson.dumps(value))


def _unprocessable(problem: Unprocessable) -> Reply:
    return Reply(422, f"{_SERDE}{problem}".encode(), "text/plain")


class PaperExchange:
    """One paper venue on a loopback port: ``async with`` starts and stops it, ``url`` is its origin.

    ``feed`` brings prices (a ``ManualMarket`` is also at ``market``; the bundled tape by default). ``fund`` credits
    addresses that have no account yet. ``faults`` scripts what goes wrong. ``service`` is the venue behind the sockets.
    """

    def __init__(
        self,
        feed: Feed | None = None,
        *,
        fund: Mapping[str, Decimal | int] | None = None,
        state_path: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        rules: Rules | None = None,
        options: Options | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.feed: Feed = feed if feed is not None else TapeFeed()
        self.options = options or Options()
        self._fund = dict(fund or {})
        self._state_path = state_path
        self._host, self._port = host, port
        self._rules = rules
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._tasks: list[asyncio.Task[None]] = []
        self._limits = IpLimits(self._clock, self.options.ip_limit)

    service: Service
    hub: Hub
    _committer: Committer
    _runner: web.AppRunner

    @property
    def url(self) -> str:
        """The origin clients use as base URL."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    @property
    def faults(self) -> Faults:
        """The script of faults to inject."""
        return self.service.faults

    @property
    def market(self) -> ManualMarket:
        """The hand-moved market; ``TypeError`` when another feed is in use."""
        if not isinstance(self.feed, ManualMarket):
            raise TypeError("this paper exchange is not fed by a ManualMarket")
        return self.feed

    def fund(self, address: str, usd: Decimal | int) -> None:
        """Deposits dollars to an address."""
        self.service.fund(address, usd)

    def approve_agent(self, master: str, agent: str, name: str = "", valid_until_ms: int | None = None) -> None:
        """Registers an API wallet, as the master's ``approveAgent`` would."""
        self.service.approve_agent(master, agent, name, valid_until_ms)

    def cut_sockets(self) -> None:
        """Cuts every websocket abruptly."""
        self.hub.cut()

    async def __aenter__(self) -> PaperExchange:
        meta = await self.feed.meta()
        self.service = Service(meta, self._clock, self._rules, self._state_path)
        self._committer = Committer(self.service, self.options.latency_ms, self._sleep)
        self.hub = Hub(self.service, self._post, self.feed.want, self.options.cadence, self._limits)
        self.service.listeners.append(self._tell)
        self.service.on_stuck.append(self.cut_sockets)
        for address, usd in self._fund.items():
            self.service.fund_new(address, usd)
        if isinstance(self.feed, ManualMarket):
            self.feed.attach(self.service.on_market)
        try:
            await self._listen()
        except CannotListen:
            self.service.file.close()
            raise
        for coin in self.service.coins_in_use():
            await self.feed.want(coin)
        self._tasks = [asyncio.create_task(work) for work in self._background()]
        return self

    def _background(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What goes on while nobody asks. Without its feed a book is not known; a beat that failed leaves nothing."""
        run = partial(self.feed.run, self.service.on_market)
        yield keep("market data", run, self.service.lose_books, self._sleep)
        yield keep("the beat", self._beat, lambda: None, self._sleep)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hub.close()
        await self._runner.cleanup()
        self.service.file.close()

    def _tell(self, pushes: Pushes) -> None:
        if self.options.push_delay_ms:
            asyncio.get_running_loop().call_later(self.options.push_delay_ms / 1000, self.hub.tell, pushes)
        else:
            self.hub.tell(pushes)

    async def _listen(self) -> None:
        guards = [_from_here] if is_loopback(self._host) else []
        app = web.Application(client_max_size=2**22, middlewares=[*guards, self._only_saved])
        app.router.add_post("/info", self._http_info)
        app.router.add_post("/exchange", self._http_exchange)
        app.router.add_get("/ws", self.hub.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(self._host, self._port, error) from error
        self._port = self._runner.addresses[0][1]

    @web.middleware
    async def _only_saved(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """While the state file cannot be written the exchange is as good as down: nothing it said could be relied on.

        An action that was carried out and not saved has the same answer: nobody knows, ask again.
        """
        if not self.service.is_stuck:
            response = await handler(request)
            if response.prepared or not self.service.is_stuck:
                return response
        return self._respond(request, _BAD_GATEWAY)

    async def _beat(self) -> None:
        """Keeps time passing: periodic frames, funding, scheduled cancels."""
        while True:
            await self._sleep(0.1)
            self.service.tick()
            await self.hub.beat()

    async def _http_info(self, request: web.Request) -> web.StreamResponse:
        return self._respond(request, await self._info(await _body(request), request.remote or ""))

    async def _http_exchange(self, request: web.Request) -> web.StreamResponse:
        return self._respond(request, await self._exchange(await _body(request), request.remote or ""))

    def _respond(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.status is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)

    async def _post(self, kind: str, payload: object, ip: str) -> Json | None:
        """A websocket ``post``: the same answers in the venue's envelope (hyperliquid.md section 4.6)."""
        if kind not in ("info", "action"):
            return {"type": "error", "payload": f"422 unknown request type {kind}"}
        reply = await (self._info(payload, ip) if kind == "info" else self._exchange(payload, ip))
        if reply.status is None:
            return None
        if reply.status != 200:
            return {"type": "error", "payload": reply.text}
        body = orjson.loads(reply.body)
        if kind == "info":
            body = {"type": payload["type"] if isinstance(payload, dict) else "", "data": body}
        return {"type": kind, "payload": body}

    async def _info(self, body: object, ip: str) -> Reply:
        kind = str(body.get("type")) if isinstance(body, dict) else ""
        if not self._limits.may_ask(ip, limits.info_weight(kind)):
            return _TOO_MANY
        fault = self.faults.draw("info", kind)
        reply = await self._before(fault)
        if reply is not None:
            return reply
        try:
            await self._want_coin(body)
            answer = info.answer(self.service, body)
        except Unprocessable as problem:
            return _unprocessable(problem)
        extra = limits.info_weight(kind, len(answer)) - limits.info_weight(kind) if isinstance(answer, list) else 0
        self._limits.charge(ip, extra)
        return await self._after(fault, _json(answer))

    async def _want_coin(self, body: object) -> None:
        coin = body.get("coin") if isinstance(body, dict) else None
        if isinstance(coin, str) and coin in self.service.state.markets:
            await self.feed.want(coin)

    async def _exchange(self, body: object, ip: str) -> Reply:
        try:
            request = read_request(body, mainnet_too=self.options.accept_mainnet_source)
        except Unprocessable as problem:
            return _unprocessable(problem)
        except Refused as refused:
            return _json(err(str(refused)))
        if not self._limits.may_ask(ip, limits.action_weight(weight(request.action))):
            return _TOO_MANY
        fault = self.faults.draw("exchange", request.action["type"])
        reply = await self._before(fault)
        if reply is not None:
            return reply
        await self._want_assets(request)
        return await self._after(fault, _json(await self._committer.submit(request)))

    async def _want_assets(self, request: Request) -> None:
        """The books an action trades on are there before it is executed."""
        rows = [*request.action.get("orders", ()), *(m["order"] for m in request.action.get("modifies", ()))]
        for asset_id in {row["a"] for row in rows}:
            market = self.service.state.market(asset_id)
            if market is not None:
                await self.feed.want(market.asset.coin)

    async def _before(self, fault: Fault | None) -> Reply | None:
        """What a fault does before the request is looked at; a reply ends it there."""
        if fault is None:
            return None
        if fault.kind == "delay":
            await self._sleep(fault.delay_ms / 1000)
        return {"drop_request": _NOTHING, "http_429": _TOO_MANY, "http_502": _BAD_GATEWAY}.get(fault.kind)

    async def _after(self, fault: Fault | None, reply: Reply) -> Reply:
        """What a fault does to the answer of a request that was executed."""
        if fault is None:
            return reply
        if fault.kind == "delay_answer":
            await self._sleep(fault.delay_ms / 1000)
        if fault.kind == "cut":
            self.cut_sockets()
        replaced = {
            "cut": _NOTHING,
            "drop_answer": _NOTHING,
            "http_429_after": _TOO_MANY,
            "http_502_after": _BAD_GATEWAY,
            "garbage": Reply(200, b"<not json>", "text/plain"),
        }
        return replaced.get(fault.kind, reply)


@web.middleware
async def _from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Programs of this machine, and pages it serves itself; no other page, under whatever name it comes."""
    if is_foreign(request.headers.getall(hdrs.HOST, ()), request.headers.getall(hdrs.ORIGIN, ())):
        return web.Response(status=403, text="this paper exchange is for programs on its own machine")
    return await handler(request)


async def _body(request: web.Request) -> object:
    """The parsed body; what is no JSON is refused further on, as the wrong shape."""
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return None


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    tape: Path | None = None,
    fund: Mapping[str, Decimal | int] | None = None,
    state_path: Path | None = None,
    latency_ms: int = 200,
    speed: float = 1,
    feed: Feed | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Runs a paper exchange until cancelled; ``on_ready`` gets the URL. ``feed`` overrules the tape."""
    source = feed if feed is not None else TapeFeed(tape, speed=speed)
    options = Options(latency_ms=latency_ms)
    paper = PaperExchange(source, fund=fund, state_path=state_path, host=host, port=port, options=options)
    async with paper:
        on_ready(paper.url)
        await asyncio.Event().wait()
