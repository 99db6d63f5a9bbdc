"""What the server is given by the rest of the worker: answers from the record, readiness, budgets, the inbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from executor.ports import ChannelState

Document = dict[str, Any]


class ReadModel(Protocol):
    """The record as JSON-ready documents (``LedgerReader``). Opened, used and closed in one thread of its own."""

    def status(self) -> Document:
        """The ledger, the worker, its channels, and ``accounts``."""

    def actions(self, limit: int = ..., account: str | None = ...) -> Document:
        """``{"actions": [...]}``, newest first."""

    def orders(self, limit: int = ..., account: str | None = ...) -> Document:
        """``{"orders": [...]}``, newest first."""

    def agents(self, account: str | None = ...) -> Document:
        """``{"agents": [...]}``: what each holds and brought."""

    def positions(self, account: str | None = ...) -> Document:
        """``{"positions": [...]}``."""

    def mirror(self, source: str | None = ...) -> Document | None:
        """``{"positions": [...]}`` as another system reports them; ``None`` for a source that mirrors none."""

    def events(self, after: int = ..., limit: int = ...) -> Document:
        """``{"events": [...], "last_seq": n}``, oldest first, from ``after`` (exclusive)."""

    def history(self, kinds: Sequence[str], account: str, before: int | None = ..., limit: int = ...) -> Document:
        """``{"events": [...], "last_seq": n}`` of these kinds for one account, newest first, below a seq."""

    def equity(self, after: int, until: int) -> list[tuple[str, int, str]]:
        """(account, time in ms, equity in USD) of every read of an account after one seq and up to another."""

    def explain(self, action_id: str) -> Document | None:
        """Every step of one action; ``None`` for one nobody knows."""

    def close(self) -> None:
        """Release the file."""


OpenReader = Callable[[], ReadModel]
"""Opens the record. Called in the thread that will use it: an SQLite connection stays in its thread."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether every configured channel is open and every account reconciled (``accounts``: name to reconciled).

    ``missing`` names by account what of it could not be read: positions, open orders, fills. ``ledger_failed`` is why
    the ledger cannot be written, if it cannot.
    """

    ready: bool
    channels: tuple[ChannelState, ...]
    accounts: Mapping[str, bool]
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ledger_failed: str | None = None


CommandHandler = Callable[[str, str | None, str | None, str], Document | Awaitable[Document]]
"""``command(name, account, rule, by)`` puts a command into the worker's inbox and says what became of it.

Raises ``ExecutorError`` for one that cannot be (an unknown account); it is answered with 400 and the remedy.
"""

Objectives = Callable[[str], list[Document]]
"""How an account stands to its risk rules now: ``{"rule", "current", "limit", "headroom_pct"}`` each."""

Budgets = Callable[[], Mapping[str, tuple[float, float]]]
"""What is used and what is allowed, by budget name (``Venue.budgets``)."""
