"""Hyperliquid as a ``Venue``: the parts of this package put together.

It cannot tell the real exchange from the paper one: both are an origin that speaks Hyperliquid (design.md rule 8).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from executor.clock import Clock
from executor.core.facts import AccountFact, Fill, Funding, LeverageFact, OpenOrder, OrderFact, RawReply
from executor.core.types import Quote
from executor.errors import VenueAnswerOdd, VenueError
from executor.hyperliquid import limits
from executor.ports import AccountNews, Lane, SignedRequest
from executor.venue import envelope
from executor.venue.account_feed import AccountFeed
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.feed import MAX_COINS, QuoteFeed
from executor.venue.http import HttpDoor
from executor.venue.identity import Agent, Role
from executor.venue.metadata import REFRESH_S, Metadata
from executor.venue.reads import Balance, Fees, RateLimit, Reads
from executor.venue.rules import HyperliquidRules
from executor.venue.socket import SocketSettings, VenueSocket
from executor.venue.transport import Transport

log = logging.getLogger(__name__)

MAX_ACCOUNTS = limits.WS_CONNECTIONS
SPARE_OPENS = 10
"""Of the 30 new sockets a minute, how many the accounts' extra sockets leave to the one that carries the orders."""


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """What a test or a slow link may want different."""

    socket: SocketSettings = field(default_factory=SocketSettings)
    max_coins: int = MAX_COINS
    meta_refresh_s: float = REFRESH_S
    upkeep_s: float = 300.0
    """How often the clock is set and the accounts' request budgets are read."""
    budgets_after_s: float = 30.0
    """How long after a start, or after an account is followed, its request budget is read."""
    doubt_s: float = 1.0
    """How soon it is noticed that the machine slept: its sockets may outlive a short sleep, its clock does not."""


class HyperliquidVenue:
    """Implements ``ports.Venue``. One for each endpoint in a process, shared by every account there."""

    def __init__(self, network: str, api_url: str, clock: Clock, settings: VenueSettings | None = None) -> None:
        settings = settings or VenueSettings()
        self.network = network
        self._settings = settings
        self._clock = VenueClock(clock)
        self._budgets = Budgets()
        self._ws_url = api_url.rstrip("/").replace("http", "ws", 1) + "/ws"
        self._socket = VenueSocket(self._ws_url, self._clock, self._budgets, settings.socket)
        self._http = HttpDoor(api_url)
        self._transport = Transport(self._http, self._socket, self._clock, self._budgets)
        self._reads = Reads(self._transport.info, self._clock)
        self._metadata = Metadata(self._reads.meta, settings.meta_refresh_s)
        self._quotes = QuoteFeed(self._socket, self._clock, self._reads.book, settings.max_coins)
        self._feeds: dict[str, AccountFeed] = {}
        self._sockets = [self._socket]
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Event()
        self._followed = asyncio.Event()
        self._started = False

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read the metadata (raises ``VenueError``; may be called again then), open the sockets, wait for the first.

        A socket that does not open in time is no error: reads and orders go over HTTP until it does.
        """
        self._http.open()
        await self._metadata.load()
        self._socket.listeners.append(self._on_state)
        self._started = True
        for socket in self._sockets:
            self._spawn(socket.run(), "venue-socket")
        self._spawn(self._metadata.run(), "venue-metadata")
        if not await self._opens(self._settings.socket.open_timeout_s):
            log.warning("venue socket not open yet: %s", self._socket.down_reason)
        self._spawn(self._keep_time(), "venue-time")
        self._spawn(self._keep_budgets(), "venue-budgets")

    async def close(self) -> None:
        """End every task and socket."""
        await self._quotes.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """None of these tasks ends by itself: one that does is a mistake of ours, and must be seen."""
        self._tasks.discard(task)
        if not task.cancelled():
            log.error("venue task %s ended", task.get_name(), exc_info=task.exception())

    def _on_state(self, up: bool) -> None:
        if up:
            self._opened.set()

    async def _opens(self, within_s: float) -> bool:
        """Whether the order socket opens, or opens again, within this time."""
        return await _happens(self._opened, within_s)

    async def _keep_time(self) -> None:
        """Set the clock now, after each reconnect, when the machine may have slept, and from time to time."""
        while True:
            await _tried("venue time", self.exchange_time())
            for _ in range(max(int(self._settings.upkeep_s / self._settings.doubt_s), 1)):
                if await self._opens(self._settings.doubt_s) or self._clock.is_doubted():
                    break

    async def _keep_budgets(self) -> None:
        """Read the accounts' request budgets soon after they are followed, and from time to time.

        Not at once: each start costs 200 of the minute's 1200 as it is, and in a storm what protects is read first.
        """
        while True:
            await asyncio.sleep(self._settings.budgets_after_s)
            self._followed.clear()
            for address in tuple(self._feeds):
                await _tried("request budget", self.rate_limit(address))
            await _happens(self._followed, self._settings.upkeep_s)

    # -- market -------------------------------------------------------------------------------------------------

    @property
    def rules(self) -> HyperliquidRules:
        """The venue's arithmetic over its current universe."""
        return self._metadata.rules

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """A live view of the quotes of the coins in use."""
        return self._quotes.quotes

    def now_ms(self) -> int:
        """The venue's time as well as we can tell."""
        return self._clock.now_ms()

    def clock_skew_ms(self) -> int:
        """How far the machine's clock is behind the venue's."""
        return self._clock.skew_ms()

    async def exchange_time(self) -> int:
        """Ask the venue for its time."""
        return await self._reads.exchange_time(self.rules.universe.coins[0])

    def quote_as_of_ms(self, coin: str) -> int | None:
        """Until when a pushed quote is known to stand, by the venue's time; ``None`` where its own time counts."""
        return self._quotes.as_of_ms(coin)

    async def warm(self, coin: str, max_age_ms: int | None = None, lane: Lane = Lane.ENTRY) -> Quote:
        """A quote, from the feed when it is fresh, else by one l2Book call; the coin must be listed."""
        if self.rules.asset(coin) is None:
            raise VenueAnswerOdd(f"{coin!r:.40} is not listed")
        return await self._quotes.warm(coin, max_age_ms, lane)

    # -- orders -------------------------------------------------------------------------------------------------

    def submit(self, request: SignedRequest, lane: Lane, timeout_s: float) -> Coroutine[Any, Any, RawReply]:
        """Send one signed request; never raises. Short of budget, an entry is refused here and an exit is not.

        Called in a running loop, it writes the bytes before it returns when nothing stands in their way.
        """
        owners, count = self._owners(request), envelope.action_length(request.action)
        if not all(self._budgets.address_allows(owner, lane, count) for owner in owners):
            return _given(envelope.not_sent("the account's request budget is kept for exits"))
        return self._counted(self._transport.submit(request, lane, timeout_s), owners, count)

    async def _counted(self, answer: Awaitable[RawReply], owners: Sequence[str], count: int) -> RawReply:
        reply = await answer
        if reply.sent:
            for owner in owners:
                self._budgets.spend_address(owner, count)
        return reply

    def _owners(self, request: SignedRequest) -> tuple[str, ...]:
        """Whose budget a request uses. Without a vault it names nobody, so it counts against each account here.

        Too much, if anything, and only until the next look at the venue's own number.
        """
        return (request.vault.lower(),) if request.vault else tuple(self._feeds)

    # -- accounts -----------------------------------------------------------------------------------------------

    def follow(self, address: str, sink: Callable[[AccountNews], None]) -> None:
        """Push this account's news into ``sink``. The first account shares the order socket, each other has its own."""
        address = address.lower()
        if address not in self._feeds:
            self._feeds[address] = AccountFeed(address, self._socket_for_next())
            self._followed.set()
        self._feeds[address].add(sink)

    def _socket_for_next(self) -> VenueSocket:
        if not self._feeds:
            return self._socket
        if len(self._feeds) >= MAX_ACCOUNTS:
            raise VenueError(f"more than {MAX_ACCOUNTS} accounts on one endpoint", "run another worker for the others")
        socket = VenueSocket(self._ws_url, self._clock, self._budgets, self._settings.socket, spare_opens=SPARE_OPENS)
        self._sockets.append(socket)
        if self._started:
            self._spawn(socket.run(), "venue-socket")
        return socket

    def set_mode(self, address: str, mode: str) -> None:
        """The account mode found at start: in unified mode ``account`` reads the money from the spot balance."""
        self._reads.set_mode(address, mode)

    async def account(self, address: str, lane: Lane = Lane.READ) -> AccountFact:
        """Positions and money."""
        return await self._reads.account(address, lane)

    async def open_orders(self, address: str, lane: Lane = Lane.READ) -> tuple[OpenOrder, ...]:
        """Every live order and armed trigger."""
        return await self._reads.open_orders(address, lane)

    async def fills_since(self, address: str, start_ms: int, lane: Lane = Lane.READ) -> tuple[Fill, ...]:
        """Fills from this venue time on, oldest first, all pages."""
        return await self._reads.fills_since(address, start_ms, lane)

    async def fundings_since(self, address: str, start_ms: int) -> tuple[Funding, ...]:
        """Funding payments from this venue time on, oldest first, all pages."""
        return await self._reads.fundings_since(address, start_ms)

    async def order_status(self, address: str, cloid: str, lane: Lane = Lane.READ) -> OrderFact:
        """One order by its client id."""
        return await self._reads.order_status(address, cloid, lane)

    async def leverage(self, address: str, coin: str) -> LeverageFact:
        """The leverage setting of a coin, also while flat."""
        return await self._reads.leverage(address, coin)

    async def rate_limit(self, address: str) -> RateLimit:
        """What is used of the account's request budget; from then on it is counted here."""
        limit = await self._reads.rate_limit(address)
        self._budgets.seed_address(address.lower(), limit.used, limit.cap)
        return limit

    async def account_mode(self, address: str) -> str:
        """How the account keeps its balances."""
        return await self._reads.account_mode(address)

    async def role(self, address: str) -> Role:
        """What an address is, and whose."""
        return await self._reads.role(address)

    async def agents(self, address: str) -> tuple[Agent, ...]:
        """The approved agents of a master."""
        return await self._reads.agents(address)

    async def spot_state(self, address: str) -> tuple[Balance, ...]:
        """Token balances."""
        return await self._reads.spot_state(address)

    async def fees(self, address: str) -> Fees:
        """The account's fee rates."""
        return await self._reads.fees(address)

    # -- what people look at ------------------------------------------------------------------------------------

    def budgets(self) -> Mapping[str, tuple[float, float]]:
        """What is used and what is allowed."""
        sockets = sum(socket.is_open for socket in self._sockets)
        return {**self._budgets.report(self._clock.mono_ms()), "sockets": (sockets, limits.WS_CONNECTIONS)}

    def counters(self) -> Mapping[str, int]:
        """How often what happened since the start."""
        return {
            "cold_reads": self._quotes.cold_reads,
            "http_fallbacks": self._transport.http_fallbacks,
            "reconnects": sum(max(0, socket.connections - 1) for socket in self._sockets),
            "odd_frames": sum(socket.odd_frames for socket in self._sockets),
            "metadata_failures": self._metadata.failures,
        }

    def feed_up(self, address: str) -> bool:
        """Whether the account's pushes arrive, for readiness."""
        feed = self._feeds.get(address.lower())
        return feed is not None and feed.connected


async def _given(reply: RawReply) -> RawReply:
    return reply


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    """Whether the event comes within this time; it may come again then."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


async def _tried(what: str, read: Awaitable[object]) -> None:
    """A read whose failure matters to nobody but people: the next one comes soon."""
    try:
        await read
    except VenueError as problem:
        log.warning("%s not read: %s", what, problem)
