"""Halyrd's read API of the accounts: lists told from the record by the same words as the stream (contract.md).

Facts: signal-protocols.md section 3.3. What the stream tells, each of these resolves: ``journal_ref`` under
``/journal/{ref}``, ``order_ref`` under ``/orders/{ref}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from executor.clock import iso
from executor.server.answers import answer
from executor.server.halyrd import CURRENT, Halyrd
from executor.server.halyrd_frames import (
    DAY_MS,
    HOUR_MS,
    JOURNALED,
    Agent,
    Document,
    Frame,
    equity_row,
    seq_of,
)
from executor.server.model import Objectives
from executor.server.reading import Reading
from executor.server.settings import Limits

INTERVALS = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}
PHASES = ("paper", "live", "all")
LISTED = 500
_CONTEXT = ("ActionReceived", "ActionTaken", "EntryJudged")
_JOURNAL = tuple(dict.fromkeys((*JOURNALED, *_CONTEXT)))
_BLOCKS = ("QuoteRejected", "ActionRefused", "SignerRefused", *_CONTEXT)
_LAYERS = {"risk_veto": "policy", "quote_rejected": "quote", "twak_block": "physics"}

Ask = web.Request


@dataclass(frozen=True, slots=True)
class HalyrdRest:
    """The handlers. ``objectives`` is asked for the standing to the risk rules, where a worker runs."""

    halyrd: Halyrd
    reading: Reading
    objectives: Objectives
    limits: Limits

    async def agents(self, _: Ask) -> web.Response:
        """Every account."""
        return answer([_agent(one) for one in await self.halyrd.agents()])

    async def agent(self, request: Ask) -> web.Response:
        """One account."""
        return answer(_agent(await self._agent(request)))

    async def stream(self, request: Ask) -> web.StreamResponse:
        """The events of one account as they are recorded."""
        return await self.halyrd.serve(request)

    async def equity(self, request: Ask) -> web.Response:
        """The account's worth: the last read of each interval between two times."""
        agent = await self._agent(request)
        interval_ms = _choice(request, "interval", "1h", INTERVALS)
        start_ms, end_ms = _time(request, "from"), _time(request, "to")
        rows = [
            equity_row(agent, sample)
            for sample in agent.curve.every(interval_ms)
            if (start_ms is None or start_ms <= sample.at_ms) and (end_ms is None or sample.at_ms <= end_ms)
        ]
        return answer(rows)

    async def trades(self, request: Ask) -> web.Response:
        """Closed trades, oldest first; those that opened are in the journal."""
        agent = await self._agent(request)
        phase = _choice(request, "phase", "all", {name: name for name in PHASES})
        if phase not in ("all", agent.phase):
            return answer([])
        told = await self._told(agent, ("FillSeen",), lambda frame: frame.get("pnl") is not None, LISTED, "trade")
        return answer(told)

    async def journal(self, request: Ask) -> web.Response:
        """Entries, oldest first: of one kind, with one tag."""
        agent, kind, tag = await self._agent(request), request.query.get("kind"), request.query.get("tag")
        limit = min(_limit(request), self.limits.rows)

        def wanted(entry: Frame) -> bool:
            return kind in (None, entry["kind"]) and (tag is None or tag in entry["tags"])

        return answer(await self._told(agent, _JOURNAL, wanted, limit, "journal_entry"))

    async def entry(self, request: Ask) -> web.Response:
        """The one entry a ``journal_ref`` names."""
        agent, seq = await self._agent(request), seq_of(request.match_info["ref"])
        if seq is None:
            raise web.HTTPNotFound(text="no such entry")
        page = await self.reading.ask(lambda read: read.events(seq - 1, 1)["events"])
        if page and (key := page[0]["key"]) is not None:  # what was said of the same action before it
            before = await self.reading.ask(lambda read: read.history(_CONTEXT, agent.account, seq, LISTED)["events"])
            page = [*(one for one in reversed(before) if one["key"] == key), *page]
        found = [frame for frame in _frames(agent, page) if frame.get("id") == request.match_info["ref"]]
        return answer(_row(found[0])) if found else answer({"error": "no such entry"}, 404)

    async def order(self, request: Ask) -> web.Response:
        """What an ``order_ref`` names: every step of its action, or the order itself where it is an order's name."""
        agent, reference = await self._agent(request), request.match_info["ref"]
        document = await self.reading.ask(lambda read: read.explain(reference))
        if document is None:
            rows = await self.reading.ask(lambda read: read.orders(self.limits.rows, agent.account)["orders"])
            document = next((row for row in rows if row["cloid"] == reference), None)
        return answer({"error": "no such order"}, 404) if document is None else answer(document)

    async def standing(self, request: Ask) -> web.Response:
        """How near each rule with a measure is to its limit."""
        return answer(self.objectives((await self._agent(request)).account))

    async def blocks(self, request: Ask) -> web.Response:
        """What rules, quotes and the signer did not let pass, oldest first."""
        agent = await self._agent(request)
        told = await self._told(agent, _BLOCKS, lambda _: True, LISTED, *_LAYERS)
        return answer(told)

    async def _agent(self, request: Ask) -> Agent:
        return await self.halyrd.agent(request.match_info.get("id", CURRENT))

    async def _told(
        self, agent: Agent, kinds: Iterable[str], wanted: Callable[[Frame], bool], limit: int, *events: str
    ) -> list[Frame]:
        """The newest ``limit`` frames of these events that are wanted, oldest first, as rows of a list.

        Read in pages from the newest back. What belongs to one action is recorded together, so a page's oldest
        action alone may lack what was said before.
        """
        rows: list[Frame] = []
        before: int | None = None
        for _ in range(_PAGES):
            page = await self.reading.ask(
                lambda read, before=before: read.history(tuple(kinds), agent.account, before, self.limits.rows)[
                    "events"
                ]  # type: ignore[misc]  # bound now
            )
            told = [_row(frame) for frame in _frames(agent, page[::-1]) if frame["event"] in events and wanted(frame)]
            rows = [*told, *rows]
            if len(rows) >= limit or len(page) < self.limits.rows:
                break
            before = page[-1]["seq"]
        return rows[-limit:] if limit else []


_PAGES = 20
"""How many pages back a list is searched for what is wanted."""


def _agent(agent: Agent) -> Document:
    newest = agent.curve.newest_ms
    return {
        "id": agent.account,
        "name": agent.account,
        "status": agent.status,
        "phase": agent.phase,
        "market_mode": "perp",
        "last_heartbeat": iso(newest) if newest else None,
    }


def _row(frame: Frame) -> Frame:
    """A frame as a row: without ``event``, a block with its layer."""
    row = {name: value for name, value in frame.items() if name != "event"}
    layer = _LAYERS.get(frame["event"])
    return row if layer is None else {**row, "layer": layer}


def _frames(agent: Agent, documents: Iterable[Document]) -> list[Frame]:
    """The frames of past events in order; the entry of an execution also tells its trade."""
    past, frames = Agent(agent.account, agent.live), []
    for document in documents:
        told = past.tell(document)
        trades = [_row(frame) for frame in told if frame["event"] == "trade"]
        for frame in told:
            joined = trades and frame["event"] == "journal_entry"
            frames.append({**frame, "trade": trades[0]} if joined else frame)
    return frames


def _choice(request: Ask, name: str, usual: str, known: dict[str, Any]) -> Any:
    word = request.query.get(name, usual)
    if word not in known:
        raise web.HTTPBadRequest(text=f"{name} must be one of {', '.join(known)}")
    return known[word]


def _limit(request: Ask) -> int:
    text = request.query.get("limit", str(LISTED))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise web.HTTPBadRequest(text="limit must be a whole number from 0")
    return int(text)


def _time(request: Ask, name: str) -> int | None:
    """A time as ISO-8601 (UTC where it names no zone) or as epoch seconds or milliseconds."""
    text = request.query.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text) * (1000 if len(text) < 12 else 1)
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} must be a time like 2026-05-04T09:30:00Z") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
