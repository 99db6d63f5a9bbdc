"""A Halyrd that runs on loopback: the event stream of one agent, and the REST lists behind it.

Facts: signal-protocols.md section 3. No credentials, no heartbeat, no replay; flat frames with ``event`` and ``ts``.
The journal is append-only and told by REST whether or not a socket heard it. Used by tests and ``executor sim halyrd``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from executor.clock import Clock, iso
from executor.sim.loopback import LoopbackServer, Peer

ALIAS = "current"
LISTED = 500
Frame = dict[str, Any]

_BLOCKED = {"risk_veto": "policy", "twak_block": "physics"}


class HalyrdSimulator(LoopbackServer):
    """The backend. ``status`` is PAPER, ELIGIBLE, LIVE or DEMOTED.

    ``mute`` records what happens without telling the sockets: what a gap hides. ``closed_only`` makes ``/trades`` list
    closed trades alone, as its page says; ``bare_journal`` leaves the trade out of its journal entry.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        agent_id: str = "seed",
        status: str = "LIVE",
    ) -> None:
        super().__init__(host, port, clock)
        self.agent_id = agent_id
        self.status = self._first_status = status
        self.mute = False
        self.closed_only = True
        self.bare_journal = False
        self.equity: list[Frame] = []
        self.trades: list[Frame] = []
        self.journal: list[Frame] = []
        self.blocks: list[Frame] = []
        self._entries = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """The stream, and the read part of the REST API."""
        lists = {
            "equity": lambda request: self.equity,
            "trades": self._traded,
            "journal": lambda request: self.journal,
            "risk/objectives": lambda request: [],
            "risk/blocks": lambda request: self.blocks,
        }
        return [
            web.get("/ws/agents/{id}", self._stream),
            web.get("/agents", self._agents),
            web.get("/agents/{id}", self._agent),
            *(web.get(f"/agents/{{id}}/{path}", self._listing(rows)) for path, rows in lists.items()),
        ]

    @property
    def phase(self) -> str:
        """Real money or not, by the status."""
        return "live" if self.status == "LIVE" else _SIMULATED

    def forget(self) -> None:
        """Nothing has happened yet, and nobody is told: a script begins."""
        super().forget()
        self.status, self.mute = self._first_status, False
        for rows in (self.equity, self.trades, self.journal, self.blocks):
            rows.clear()

    # -- what happens ---------------------------------------------------------------------------------------------

    async def publish(self, frame: Frame) -> int:
        """Send a frame; ``ts`` is put in where it has none, or says ``now``. How many sockets got it."""
        stamped = {**frame, "ts": self._ts() if frame.get("ts", "now") == "now" else frame["ts"]}
        return 0 if self.mute else await self.broadcast(json.dumps(stamped))

    async def trade(
        self, pair: str, side: str, size: float, price: float, pnl: float | None = None, fees: float = 0.31
    ) -> str:
        """One execution and its journal entry; the reference that joins them."""
        ref, ts = self._reference(), self._ts()
        told = {"pair": pair, "side": side, "size": size, "price": price, "pnl": pnl, "fees": fees}
        told |= {"phase": self.phase, "journal_ref": ref}
        self.trades.append({"ts": ts, **told})
        await self.publish({"event": "trade", "ts": ts, **told})
        details = {} if self.bare_journal else {"trade": told}
        await self.enter("EXECUTED", f"{side} {size} of {pair}", ("trade", pair), ref, ts, details)
        return ref

    async def enter(
        self,
        kind: str,
        text: str,
        tags: Iterable[str] = (),
        ref: str | None = None,
        ts: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the journal and tell it; ``more`` is in the list only."""
        entry = {"ts": ts or self._ts(), "id": ref or self._reference(), "kind": kind, "tags": [*tags], "text": text}
        self.journal.append({**entry, **(more or {})})
        await self.publish({"event": "journal_entry", **entry})

    async def block(self, event: str, rule: str, reason: str, order_ref: str) -> None:
        """A ``risk_veto`` or a ``twak_block``, in the list of blocks and the journal too."""
        told = {"ts": self._ts(), "rule": rule, "reason": reason, "order_ref": order_ref}
        self.blocks.append({**told, "layer": _BLOCKED[event]})
        await self.publish({"event": event, **told})
        await self.enter("RISK_VETO", reason, (rule,))

    async def snapshot(self, equity: float, dd_from_peak: float = 0.0, daily_dd_used: float = 0.0) -> None:
        """One equity snapshot."""
        row = {"ts": self._ts(), "equity": equity, "phase": self.phase, "dd_from_peak": dd_from_peak}
        self.equity.append(row)
        await self.publish({"event": "snapshot", **row, "daily_dd_used": daily_dd_used})

    async def promote(self, tx_hash: str = "0xfeed") -> None:
        """To LIVE, and the echo."""
        await self._transition({"event": "promotion", "tx_hash": tx_hash}, "LIVE")

    async def demote(self, rule: str, breach: str, locked_until: str | None) -> None:
        """To DEMOTED, and the echo."""
        told = {"event": "demotion", "rule": rule, "breach": breach, "locked_until": locked_until}
        await self._transition(told, "DEMOTED")

    async def _transition(self, frame: Frame, status: str) -> None:
        was, self.status, ts = self.status, status, self._ts()
        await self.publish({**frame, "ts": ts})
        await self.publish({"event": "status_change", "ts": ts, "from": was, "to": status})
        await self.enter("STATUS_CHANGE", f"{was} to {status}", ts=ts)

    # -- what is asked --------------------------------------------------------------------------------------------

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        refusal = await self.knock()
        if refusal is not None:
            return refusal
        if not self._known(request):
            return web.Response(status=404)
        peer = await self.accept(request, request.match_info["id"])
        try:
            await self._listen(peer)
        finally:
            await self.leave(peer)
        return peer.socket

    async def _listen(self, peer: Peer) -> None:
        """Whatever a client says is ignored: the stream has one direction."""
        async for message in peer.socket:
            if message.type is WSMsgType.PING and not self.silent:
                await peer.socket.pong(message.data)

    async def _agents(self, _: web.Request) -> web.Response:
        return web.json_response([self._document()])

    async def _agent(self, request: web.Request) -> web.Response:
        return web.json_response(self._document()) if self._known(request) else _unknown()

    def _listing(self, rows: Any) -> Any:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response(rows(request)[-LISTED:]) if self._known(request) else _unknown()

        return answer

    def _traded(self, request: web.Request) -> list[Frame]:
        phase = request.query.get("phase", "all")
        wanted = [row for row in self.trades if phase in ("all", row["phase"])]
        return [row for row in wanted if row["pnl"] is not None] if self.closed_only else wanted

    def _document(self) -> Frame:
        return {
            "id": self.agent_id,
            "name": "simulated",
            "status": self.status,
            "phase": self.phase,
            "market_mode": "spot",
            "last_heartbeat": self._ts(),
        }

    def _known(self, request: web.Request) -> bool:
        return request.match_info["id"] in (ALIAS, self.agent_id)

    def _reference(self) -> str:
        """Unlike any of an earlier run, so that a worker does not take a new trade for an old one."""
        self._entries += 1
        return f"jrn_{self.clock.now_ms():x}_{self._entries}"

    def _ts(self) -> str:
        return iso(self.clock.now_ms())


_SIMULATED = "paper"
"""Halyrd's word for trading without money."""


def _unknown() -> web.Response:
    return web.json_response({"detail": "no such agent"}, status=404)
