"""``HalyrdWS``: Halyrd's event stream of one agent (seed 003), or that of another worker, which speaks the same.

Facts: signal-protocols.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from executor.sources.connection import Connection, Endpoint
from executor.sources.halyrd_wire import ALIASES, SYSTEM
from executor.sources.rest import addresses
from executor.streams.client import Frame, StreamClient
from executor.streams.handlers import Handler

_FIELDS = {
    "journal_entry": ("kind", "tags", "text", "id"),
    "risk_veto": ("rule", "reason", "order_ref"),
    "twak_block": ("rule", "reason", "order_ref"),
    "quote_rejected": ("category", "detail"),
    "status_change": ("from", "to"),
    "promotion": ("tx_hash",),
    "demotion": ("rule", "breach", "locked_until"),
}
"""The fields whose names the published page lost: each is also there under our name, whatever it is called."""


class HalyrdWS(StreamClient):
    """The events of an agent. ``token`` is for a worker beyond loopback, which wants one."""

    def __init__(
        self, agent_id: str = "current", base_url: str = "http://localhost:8000", *, token: str | None = None
    ) -> None:
        super().__init__()
        sockets, _ = addresses(base_url, SYSTEM)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"{sockets}/ws/agents/{quote(agent_id, safe='')}"
        self._endpoint = Endpoint(f"agent:{agent_id}", url, headers, () if token is None else (token,))

    def on_event(self, name: str = "all") -> Callable[[Handler], Handler]:
        """An event by its name, or every one."""
        return self._handlers.on(("event", name))

    def on_snapshot(self) -> Callable[[Handler], Handler]:
        """``equity``, ``phase``, ``dd_from_peak``, ``daily_dd_used``."""
        return self.on_event("snapshot")

    def on_trade(self) -> Callable[[Handler], Handler]:
        """``pair``, ``side``, ``size`` (in the quote currency), ``price``, ``pnl``, ``fees``, ``journal_ref``."""
        return self.on_event("trade")

    def on_journal_entry(self) -> Callable[[Handler], Handler]:
        """``kind``, ``tags``, ``text``, ``id``."""
        return self.on_event("journal_entry")

    def on_risk_veto(self) -> Callable[[Handler], Handler]:
        """``rule``, ``reason``, ``order_ref``."""
        return self.on_event("risk_veto")

    def on_status_change(self) -> Callable[[Handler], Handler]:
        """``from``, ``to``."""
        return self.on_event("status_change")

    def on_quote_rejected(self) -> Callable[[Handler], Handler]:
        """``pair``, ``category``, ``detail``."""
        return self.on_event("quote_rejected")

    def on_twak_block(self) -> Callable[[Handler], Handler]:
        """``rule``, ``reason``, ``order_ref``."""
        return self.on_event("twak_block")

    def _connect(self) -> Sequence[Connection]:
        return [self._connection(self._endpoint)]

    def _heard(self, _: Connection, frame: Frame, __: str | bytes) -> None:
        name = frame["event"]
        fact = {**_canonical(name, frame), **frame, "channel": name, "data": frame}
        for topic in (("event", name), ("event", "all")):
            self._tell(topic, fact)


def _canonical(name: str, frame: Frame) -> Frame:
    found = {field: [frame[alias] for alias in ALIASES[field] if alias in frame] for field in _FIELDS.get(name, ())}
    return {field: values[0] for field, values in found.items() if values}
