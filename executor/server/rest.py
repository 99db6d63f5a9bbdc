"""The routes: one table, and for each what it answers (contract.md, HTTP and WebSocket of the worker)."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import NamedTuple

from aiohttp import web

from executor.errors import ExecutorError
from executor.handshake import is_handshake
from executor.server.answers import HEADERS, answer
from executor.server.commands import BadCommand, parse_command
from executor.server.exposition import CONTENT_TYPE, Labels, gauge_lines, labels
from executor.server.halyrd_rest import HalyrdRest
from executor.server.metrics import Metrics
from executor.server.model import Budgets, CommandHandler, Document, Readiness
from executor.server.reading import Reading
from executor.server.settings import Limits
from executor.server.stream import Streams, Tail, event_message

_SEQ = re.compile(r"[0-9]{1,18}")
_ROWS = 50


class Route(NamedTuple):
    """One path and the method of ``Rest``, or of its ``HalyrdRest``, that answers it.

    A path without an agent's id speaks of ``current``.
    """

    method: str
    path: str
    name: str


ROUTES = (
    Route("GET", "/healthz", "healthz"),
    Route("GET", "/readyz", "readyz"),
    Route("GET", "/metrics", "metrics"),
    Route("GET", "/api/events", "events"),
    Route("GET", "/api/actions", "actions"),
    Route("GET", "/api/actions/{id}", "action"),
    Route("GET", "/api/orders", "orders"),
    Route("GET", "/api/positions", "positions"),
    Route("GET", "/api/agents", "agents"),
    Route("GET", "/api/sources/{name}/positions", "mirror"),
    Route("GET", "/api/accounts", "accounts"),
    Route("POST", "/api/commands", "commands"),
    Route("GET", "/agents", "halyrd.agents"),
    Route("GET", "/agents/{id}", "halyrd.agent"),
    Route("GET", "/agents/{id}/equity", "halyrd.equity"),
    Route("GET", "/agents/{id}/trades", "halyrd.trades"),
    Route("GET", "/agents/{id}/journal", "halyrd.journal"),
    Route("GET", "/agents/{id}/journal/{ref}", "halyrd.entry"),
    Route("GET", "/agents/{id}/orders/{ref}", "halyrd.order"),
    Route("GET", "/agents/{id}/risk/objectives", "halyrd.standing"),
    Route("GET", "/agents/{id}/risk/blocks", "halyrd.blocks"),
    Route("GET", "/equity", "halyrd.equity"),
    Route("GET", "/trades", "halyrd.trades"),
    Route("GET", "/journal", "halyrd.journal"),
    Route("GET", "/risk/objectives", "halyrd.standing"),
    Route("GET", "/risk/blocks", "halyrd.blocks"),
    Route("GET", "/ws/agents/{id}", "halyrd.stream"),
)


@dataclass(frozen=True, slots=True)
class Rest:
    """Answers requests that were let in. It reads, and puts commands into the inbox; nothing more."""

    reading: Reading
    streams: Streams
    tail: Tail
    observed: Metrics
    trusts: Callable[[web.Request], bool]
    readiness: Callable[[], Readiness]
    command: CommandHandler
    budgets: Budgets
    limits: Limits
    halyrd: HalyrdRest

    def routes(self) -> list[web.RouteDef]:
        """The table, bound to this object."""
        return [web.route(route.method, route.path, attrgetter(route.name)(self)) for route in ROUTES]

    # -- probes ---------------------------------------------------------------------------------------------

    async def healthz(self, _: web.Request) -> web.Response:
        """The loop runs: that is all."""
        return answer({"ok": True})

    async def readyz(self, request: web.Request) -> web.Response:
        """200 only when every channel is open and every account reconciled; which are not, for whom we trust."""
        now = self.readiness()
        details = {
            "channels": [asdict(channel) for channel in now.channels],
            "accounts": dict(now.accounts),
            "missing": {name: list(parts) for name, parts in now.missing.items()},
            "ledger_failed": now.ledger_failed,
        }
        return answer({"ready": now.ready, **(details if self.trusts(request) else {})}, 200 if now.ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """The Prometheus text."""
        positions, agents = await self.reading.ask(lambda read: (read.positions(), read.agents()))
        lines = [*self.observed.lines(), *self._gauges(positions["positions"]), *_agent_gauges(agents["agents"])]
        return web.Response(body="\n".join([*lines, ""]).encode(), headers={**HEADERS, "Content-Type": CONTENT_TYPE})

    def _gauges(self, positions: list[Document]) -> list[str]:
        unprotected = [
            (labels(account=row["account"], symbol=row["symbol"]), row["unprotected_s"] or "0") for row in positions
        ]
        agents = self.halyrd.halyrd
        budgets = [(labels(budget=name), pair) for name, pair in self.budgets().items()]
        return [
            *gauge_lines("executor_unprotected_seconds", "How long a position has been without its stop.", unprotected),
            *gauge_lines(
                "executor_budget_used", "What is used of a rate budget.", [(k, used) for k, (used, _) in budgets]
            ),
            *gauge_lines(
                "executor_budget_limit", "What a rate budget allows.", [(k, most) for k, (_, most) in budgets]
            ),
            *gauge_lines("executor_last_seq", "The newest event's number.", [((), self.tail.last_seq)]),
            *gauge_lines("executor_ready", "Whether /readyz says yes.", [((), int(self.readiness().ready))]),
            *gauge_lines("executor_streams", "Open event streams.", _by_kind(len(self.streams), len(agents))),
            *gauge_lines(
                "executor_streams_dropped_total",
                "Streams that did not keep up.",
                _by_kind(self.streams.dropped, agents.dropped),
                "counter",
            ),
        ]

    # -- the record -----------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        """A page of events after a seq, or the stream of all of them."""
        after = _number(request, "after", 0)
        if is_handshake(request):
            return await self.streams.serve(request, after)
        limit = self._limit(request, self.limits.rows)
        page = await self.reading.ask(lambda read: read.events(after, limit))
        return answer({**page, "events": [event_message(event) for event in page["events"]]})

    async def actions(self, request: web.Request) -> web.Response:
        """As ``executor actions --json``."""
        limit, account = self._limit(request, _ROWS), request.query.get("account")
        return answer(await self.reading.ask(lambda read: read.actions(limit, account)))

    async def action(self, request: web.Request) -> web.Response:
        """As ``executor explain --json``."""
        document = await self.reading.ask(lambda read: read.explain(request.match_info["id"]))
        return answer({"error": "no such action"}, 404) if document is None else answer(document)

    async def orders(self, request: web.Request) -> web.Response:
        """As ``executor orders --json``."""
        limit, account = self._limit(request, _ROWS), request.query.get("account")
        return answer(await self.reading.ask(lambda read: read.orders(limit, account)))

    async def positions(self, request: web.Request) -> web.Response:
        """As ``executor positions --json``."""
        account = request.query.get("account")
        return answer(await self.reading.ask(lambda read: read.positions(account)))

    async def agents(self, request: web.Request) -> web.Response:
        """As ``executor agents --json``."""
        account = request.query.get("account")
        return answer(await self.reading.ask(lambda read: read.agents(account)))

    async def mirror(self, request: web.Request) -> web.Response:
        """As ``executor mirror --source NAME --json``."""
        document = await self.reading.ask(lambda read: read.mirror(request.match_info["name"]))
        return answer({"error": "no such mirror"}, 404) if document is None else answer(document)

    async def accounts(self, _: web.Request) -> web.Response:
        """The accounts of ``executor status --json``."""
        return answer({"accounts": (await self.reading.ask(lambda read: read.status()))["accounts"]})

    def _limit(self, request: web.Request, usual: int) -> int:
        return min(_number(request, "limit", usual), self.limits.rows)

    # -- the inbox ------------------------------------------------------------------------------------------

    async def commands(self, request: web.Request) -> web.Response:
        """One command into the worker's inbox; the body is read as JSON whatever it is called (curl -d says a form).

        The gate let in nobody without the token in the Authorization header, and under our own Host and Origin only: a
        form of a foreign page cannot set that header, its script not without a preflight, which is never granted. So
        the Content-Type guards nothing here; the gate alone does, and must go on doing so for every method but reads.
        """
        try:
            name, account, rule = parse_command(await self._body(request))
            done = self.command(name, account, rule, f"http {request.remote}")
            return answer(await _settled(done))
        except BadCommand as error:
            return answer({"error": str(error)}, 400)
        except ExecutorError as error:
            return answer({"error": error.message, "remedy": error.remedy}, 400)

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self.limits.body_s):
                return await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the body took too long") from None
        except web.RequestPayloadError:  # not encoded as its headers say: nobody's error but the client's
            raise web.HTTPBadRequest(text="the body cannot be read") from None


def _agent_gauges(rows: list[Document]) -> list[str]:
    """What each agent holds, and what it brought net of fees and with funding."""
    named = [(labels(**{name: row[name] for name in ("account", "agent", "strategy", "symbol")}), row) for row in rows]
    holds = "An agent's virtual position, signed."
    brought = "What an agent brought since the ledger began, less fees, with funding."
    return [
        *gauge_lines("executor_agent_position", holds, [(key, row["size"]) for key, row in named if row["agent"]]),
        *gauge_lines("executor_agent_net_usd", brought, [(key, row["net"]) for key, row in named]),
    ]


def _by_kind(events: int, agents: int) -> list[tuple[Labels, int]]:
    """Of the stream of events, and of the streams of accounts."""
    return [(labels(stream="events"), events), (labels(stream="agents"), agents)]


async def _settled(done: Document | Awaitable[Document]) -> Document:
    return await done if inspect.isawaitable(done) else done


def _number(request: web.Request, name: str, usual: int) -> int:
    text = request.query.get(name)
    if text is None:
        return usual
    if not _SEQ.fullmatch(text):
        raise web.HTTPBadRequest(text=f"{name} must be a whole number from 0")
    return int(text)
