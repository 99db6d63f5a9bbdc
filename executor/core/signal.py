"""What a desk is given to decide on: one received action, what its strategy wants, and what was proved about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from executor.core.events import ActionReceived
from executor.core.facts import Fill, OrderFact
from executor.core.intents import Intent
from executor.core.types import Agent


@dataclass(frozen=True, slots=True)
class Found:
    """An order of ours that the venue remembers from a life of ours the ledger does not."""

    fact: OrderFact
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One action for one account.

    ``failure`` says why the strategy gave nothing. ``unstated`` is what to do when the frame does not say who
    executes. ``prior`` are this action's orders found on the venue by their cloids; ``unproven`` is set when that
    look-up was needed and failed: then nothing may open. ``entries_open`` is false while reconciliation is not
    complete.
    """

    received: ActionReceived
    route: str
    strategy: str
    intents: tuple[Intent, ...] = ()
    failure: str = ""
    unstated: Literal["skip", "execute"] = "execute"
    after_gap: Literal["reduce_only", "continue"] = "reduce_only"
    prior: Mapping[str, Found] = field(default_factory=dict)
    looked_up: bool = False
    unproven: bool = False
    entries_open: bool = True
    files_present: tuple[str, ...] = ()

    @property
    def agent(self) -> Agent:
        """Who sent it."""
        return self.received.agent

    @property
    def key(self) -> str:
        """The action's key."""
        return self.received.key or ""

    @property
    def signal_at_ms(self) -> int:
        """When it counts as said: what its orders and wishes are held against others by."""
        return self.received.signal_at_ms

    @property
    def claimed_at_ms(self) -> int:
        """The sender's stamp however far ahead; without one, the time of receipt."""
        stamp = self.received.stamped_at_ms
        return self.received.received_at_ms if stamp is None else stamp
