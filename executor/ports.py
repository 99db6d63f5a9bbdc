"""The doors of the program: what a source, a venue, a signer, a ledger and a notifier must offer.

Concrete ones are named in ``app/`` alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from pydantic import SecretStr

from executor.core.events import ActionReceived, DuplicateSeen, Event
from executor.core.facts import AccountFact, Fill, Funding, LeverageFact, OpenOrder, OrderFact, RawReply
from executor.core.protocols import VenueRules
from executor.core.source_events import Malformed, SourceEvent
from executor.core.types import Quote

# -- time -------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """A source of time, so that tests and replays can bring their own."""

    def now_ms(self) -> int:
        """Wall-clock milliseconds since the epoch, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that only go forward, for ages inside one process; they may stand still while the machine sleeps."""


# -- sources ----------------------------------------------------------------------------------------------------

Emit = Callable[[str | bytes, "SourceEvent | Malformed"], None]
"""Takes one raw frame (empty for a ``Status``) and what it was decoded to; never blocks, never raises."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel of a source, for ``status`` and readiness. ``state`` is connecting, open, closed or refused."""

    name: str
    state: str
    last_frame_at_ms: int | None = None
    attempts: int = 0
    detail: str = ""
    remedy: str = ""


Recall = Callable[[], Iterator["Frame"]]
"""What a source said before, as the journal has it: how a mirror starts where the last worker ended.

Of a source that is no mirror its newest frames, which tell when a worker last listened and what it heard last. Called
before the source emits anything, in a thread.
"""


def _nothing() -> Iterator[Frame]:
    return iter(())


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source is built with: its resolved secrets by name, the clock, randomness, and a word to people.

    ``jitter`` gives numbers in [0, 1); ``note`` takes a channel's name and a sentence. ``recall`` gives the source's
    own journaled frames, oldest first, from the newest full picture of each channel on (see ``Recall``).
    """

    secrets: Mapping[str, SecretStr]
    clock: Clock
    jitter: Callable[[], float]
    note: Callable[[str, str], None]
    recall: Recall = _nothing


class Source(Protocol):
    """A signal system. ``run`` lasts until cancelled or until every channel was refused for good."""

    @property
    def name(self) -> str:
        """The configured name."""

    async def run(self, emit: Emit) -> None:
        """Listen and emit; raises ``CredentialRefused`` when no channel can ever open again."""

    def channels(self) -> tuple[ChannelState, ...]:
        """The channels as they are now."""


# -- venue ------------------------------------------------------------------------------------------------------


class Lane(IntEnum):
    """Who goes first when a budget is short (issue 2 item 7)."""

    CLOSE = 0
    RESIZE = 1
    ENTRY = 2
    READ = 3


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """All of one ``/exchange`` body. The same values make the same bytes."""

    action: dict[str, Any]
    nonce: int
    signature: dict[str, Any]
    vault: str | None
    expires_after_ms: int | None


class Signer(Protocol):
    """The only holder of a key."""

    @property
    def address(self) -> str:
        """The signing address, lower case."""

    def sign(
        self, action: dict[str, Any], nonce: int, vault: str | None, expires_after_ms: int | None
    ) -> dict[str, Any]:
        """The signature of one L1 action (``r``, ``s``, ``v``); raises ``SignerRefused`` by its own policy.

        The same action again under its own nonce is a resend: it gives the same bytes and counts against no cap.
        """


@dataclass(frozen=True, slots=True)
class FillsNews:
    """Fills the venue pushed; ``snapshot`` are old ones told again after subscribing."""

    fills: tuple[Fill, ...]
    snapshot: bool


@dataclass(frozen=True, slots=True)
class OrdersNews:
    """Order status changes the venue pushed."""

    orders: tuple[OrderFact, ...]


@dataclass(frozen=True, slots=True)
class FeedNews:
    """The account's feed went up (``connected``) or down: after each time up, reconcile."""

    connected: bool


AccountNews = FillsNews | OrdersNews | FeedNews


class Venue(Protocol):
    """The exchange, as the worker uses it. Reads raise ``VenueError``; ``submit`` never raises."""

    @property
    def network(self) -> str:
        """``mainnet``, ``testnet`` or ``custom``; part of every cloid."""

    @property
    def rules(self) -> VenueRules:
        """The venue's arithmetic over its current universe."""

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """A live view of the quotes of the coins in use."""

    def now_ms(self) -> int:
        """The venue's time as well as we can tell."""

    async def start(self) -> None:
        """Read the metadata and open the sockets; raises ``VenueError``."""

    async def close(self) -> None:
        """End every task and socket."""

    def quote_as_of_ms(self, coin: str) -> int | None:
        """Until when, by the venue's time, the quote of a coin is known to stand; ``None``: since its own time."""

    async def warm(self, coin: str, max_age_ms: int | None = None, lane: Lane = Lane.ENTRY) -> Quote:
        """A quote for a coin, at most one l2Book call when it is cold; keeps its bbo from then on.

        With ``max_age_ms`` a quote that was last known to stand longer ago counts as cold, too. ``lane`` is who waits.
        """

    def follow(self, address: str, sink: Callable[[AccountNews], None]) -> None:
        """Push this account's fills and order updates into ``sink`` from now on."""

    def submit(self, request: SignedRequest, lane: Lane, timeout_s: float) -> Awaitable[RawReply]:
        """Send one signed request, if possible before this returns; await the answer. Any failure is told in it."""

    async def account(self, address: str, lane: Lane = Lane.READ) -> AccountFact:
        """Positions and money."""

    async def open_orders(self, address: str, lane: Lane = Lane.READ) -> tuple[OpenOrder, ...]:
        """Every live order and armed trigger."""

    async def fills_since(self, address: str, start_ms: int, lane: Lane = Lane.READ) -> tuple[Fill, ...]:
        """Fills from this venue time on, oldest first, all pages."""

    async def fundings_since(self, address: str, start_ms: int) -> tuple[Funding, ...]:
        """Funding payments from this venue time on, oldest first, all pages."""

    async def order_status(self, address: str, cloid: str, lane: Lane = Lane.READ) -> OrderFact:
        """One order by its client id."""

    async def leverage(self, address: str, coin: str) -> LeverageFact:
        """The leverage setting of a coin, also while flat."""

    def budgets(self) -> Mapping[str, tuple[float, float]]:
        """What is used and what is allowed, by budget name, for status and metrics."""


# -- ledger -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """One raw frame for the journal. ``data`` is text, or bytes for a binary frame."""

    received_at_ms: int
    source: str
    channel: str
    data: str | bytes


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What the ledger remembers of an action for ever: when it came and what it said."""

    fingerprint: str
    received_at_ms: int


def keys_in(events: Iterable[Event]) -> Iterator[tuple[str, KnownKey]]:
    """What is known of which keys once these are recorded: of actions, and of what was taken for another's repeat."""
    for event in events:
        if isinstance(event, ActionReceived) and event.key is not None:
            yield event.key, KnownKey(event.fingerprint, event.received_at_ms)
        elif isinstance(event, DuplicateSeen) and event.key is not None and event.fingerprint:
            yield event.key, KnownKey(event.fingerprint, event.at_ms)


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as the ledger holds it."""

    seq: int
    event: Event


class Ledger(Protocol):
    """The append-only record. One writer; readers open their own."""

    def reserve_frame(self) -> int:
        """The id the next frame given to ``commit`` will have (they are numbered in order)."""

    def commit(self, frames: Sequence[Frame], events: Sequence[Event]) -> int:
        """Write all of it in ONE transaction and return the last ``seq``; raises ``LedgerError``, writing nothing.

        An ``ActionReceived`` or suspected ``DuplicateSeen`` also enters its key in the slim key table; a
        ``SendStarted`` raises its signer's last nonce.
        """

    def known(self, key: str) -> KnownKey | None:
        """Whether this action ever came before."""

    def last_nonce(self, signer: str) -> int:
        """The highest nonce ever taken for this signer, 0 if none."""

    @property
    def last_seq(self) -> int:
        """The newest event's number; 0 for an empty ledger."""

    def read(self, after: int = 0, limit: int | None = None, account: str | None = None) -> Iterator[Stored]:
        """Events in order from ``after`` (exclusive)."""

    def save_snapshot(self, seq: int, name: str, document: bytes) -> None:
        """Keep a folded state as of ``seq``; older ones of the same name go."""

    def load_snapshot(self, name: str) -> tuple[int, bytes] | None:
        """The newest folded state of that name and its ``seq``."""

    def close(self) -> None:
        """Release the file."""


# -- people -----------------------------------------------------------------------------------------------------


class Notifier(Protocol):
    """Tells a person. Must not raise. Called in a thread; with ``inline = True`` in the loop, which must not wait."""

    def notify(self, level: str, title: str, body: str) -> None:
        """``level`` is info, warning or alarm."""
