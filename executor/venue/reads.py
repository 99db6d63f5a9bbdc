"""Every read of the venue: asked within the budget, tried again while it is unavailable, parsed into facts.

Orders never come through here, so repeating is safe. Shapes: hyperliquid.md sections 1.1 to 1.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from executor.core.facts import AccountFact, Fill, Funding, LeverageFact, OpenOrder, OrderFact
from executor.core.types import Quote
from executor.errors import VenueAnswerOdd, VenueUnavailable
from executor.hyperliquid import parse, reading
from executor.hyperliquid.limits import FILLS_PER_ANSWER
from executor.ports import Lane
from executor.venue.clock_offset import VenueClock
from executor.venue.identity import PORTFOLIO_MARGIN, STANDARD_MODES, UNIFIED, Agent, Role

Ask = Callable[[str, Lane, dict[str, object]], Awaitable[object]]
Sleep = Callable[[float], Awaitable[None]]

ATTEMPTS = 3
FULL_PAGE = 500
"""Time-ranged answers are cut at 500 items, or more (section 1): a shorter page is the last."""
CUT_AT = frozenset({FULL_PAGE, FILLS_PER_ANSWER})
"""What the venue documents as the end of a page: one of any other length is whole."""
MAX_PAGES = 25
"""The venue reaches back 10 000 fills."""
COLLATERAL = "USDC"

Timed = TypeVar("Timed", Fill, Funding)
"""What the venue lists by time."""

MODES = STANDARD_MODES | {UNIFIED, PORTFOLIO_MARGIN, "dexAbstraction"}


@dataclass(frozen=True, slots=True)
class Balance:
    """One token of ``spotClearinghouseState``; ``hold`` is what open orders and positions bind."""

    coin: str
    total: Decimal
    hold: Decimal


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``userRateLimit``: requests used of an account's lifetime budget."""

    used: int
    cap: int


@dataclass(frozen=True, slots=True)
class Fees:
    """``userFees``: an account's perp rates as fractions."""

    taker: Decimal
    maker: Decimal


class Reads:
    """Stateless but for the account modes it was told."""

    def __init__(self, ask: Ask, clock: VenueClock, sleep: Sleep = asyncio.sleep) -> None:
        self._ask_once = ask
        self._clock = clock
        self._sleep = sleep
        self._unified: set[str] = set()

    def set_mode(self, address: str, mode: str) -> None:
        """How ``account`` must read this account's equity; an account never named is a standard one."""
        if mode == UNIFIED:
            self._unified.add(address.lower())
        else:
            self._unified.discard(address.lower())

    async def ask(self, kind: str, lane: Lane = Lane.READ, **fields: object) -> object:
        """One ``/info`` answer, tried a few times while the venue is unavailable.

        What goes before entries is tried once: in a storm more would take the budget of orders. Accounts are read again
        by ``Reader``, prices of what is held or owed by ``Ticker``; an exit goes meanwhile by the price there is.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(VenueUnavailable),
            stop=stop_after_attempt(ATTEMPTS if lane >= Lane.ENTRY else 1),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._ask_once, kind, lane, fields)

    # -- market -------------------------------------------------------------------------------------------------

    async def meta(self) -> object:
        """The raw universe."""
        return await self.ask("meta")

    async def book(self, coin: str, lane: Lane) -> Quote:
        """Best bid and offer."""
        sent_ms = self._clock.mono_ms()
        answer = await self.ask("l2Book", lane, coin=coin)
        quote = parse.parse_l2_book(answer)
        self._stamp(sent_ms, answer)
        return quote

    async def exchange_time(self, coin: str) -> int:
        """The venue's time, which every order book carries; also sets our clock by it."""
        sent_ms = self._clock.mono_ms()
        answer = await self.ask("l2Book", coin=coin)
        return self._stamp(sent_ms, answer)

    def _stamp(self, sent_ms: int, answer: object) -> int:
        venue_ms = reading.integer(reading.mapping(answer, "answer"), "time")
        self._clock.observe_answer(sent_ms, self._clock.mono_ms(), venue_ms)
        return venue_ms

    # -- account ------------------------------------------------------------------------------------------------

    async def account(self, address: str, lane: Lane = Lane.READ) -> AccountFact:
        """Positions and money; in unified mode the perp equity means nothing, so the money is the spot balance's."""
        sent_ms = self._clock.mono_ms()
        answer = await self.ask("clearinghouseState", lane, user=address)
        fact = parse.parse_account(answer)
        self._clock.observe_answer(sent_ms, self._clock.mono_ms(), fact.at_ms)
        if address.lower() not in self._unified:
            return fact
        held = next((b for b in await self.spot_state(address, lane) if b.coin == COLLATERAL), None)
        total, hold = (held.total, held.hold) if held else (Decimal(0), Decimal(0))
        return replace(fact, equity_usd=total, withdrawable_usd=max(total - hold, Decimal(0)))

    async def spot_state(self, address: str, lane: Lane = Lane.READ) -> tuple[Balance, ...]:
        """Token balances."""
        answer = reading.mapping(await self.ask("spotClearinghouseState", lane, user=address), "spotClearinghouseState")
        rows = (reading.mapping(row, "balances[]") for row in reading.items(answer, "balances"))
        return tuple(
            Balance(reading.text(row, "coin"), reading.number(row, "total"), reading.number(row, "hold"))
            for row in rows
        )

    async def open_orders(self, address: str, lane: Lane = Lane.READ) -> tuple[OpenOrder, ...]:
        """Every live order and armed trigger of perps."""
        return parse.parse_open_orders(await self.ask("frontendOpenOrders", lane, user=address))

    async def fills_since(self, address: str, start_ms: int, lane: Lane = Lane.READ) -> tuple[Fill, ...]:
        """Fills of perps from this venue time on, oldest first; (tid, oid) tells them apart."""
        read = partial(parse.parse_fills, account=address)
        return parse.perps_only(
            await self._since("userFillsByTime", read, lambda fill: (fill.tid, fill.oid), address, start_ms, lane)
        )

    async def fundings_since(self, address: str, start_ms: int) -> tuple[Funding, ...]:
        """Funding payments from this venue time on, oldest first; time and coin tell them apart."""
        return parse.perps_only(
            await self._since("userFunding", parse.parse_fundings, lambda one: (one.at_ms, one.coin), address, start_ms)
        )

    async def _since(
        self,
        kind: str,
        read: Callable[[object], tuple[Timed, ...]],
        identity: Callable[[Timed], object],
        address: str,
        start_ms: int,
        lane: Lane = Lane.READ,
    ) -> tuple[Timed, ...]:
        """Every page from this venue time on, oldest first; pages overlap by a time stamp."""
        found: dict[object, Timed] = {}
        for _ in range(MAX_PAGES):
            page = read(await self.ask(kind, lane, user=address, startTime=start_ms))
            before = len(found)
            found |= {identity(one): one for one in page}
            whole = len(page) not in CUT_AT and len(found) == before
            if len(page) < FULL_PAGE or whole:
                return tuple(sorted(found.values(), key=lambda one: one.at_ms))
            if len(found) == before:
                raise VenueAnswerOdd(f"{kind}: a full page from {start_ms} holds nothing new")
            start_ms = max(one.at_ms for one in page)
        raise VenueAnswerOdd(f"{kind}: more than {MAX_PAGES} pages")

    async def order_status(self, address: str, cloid: str, lane: Lane = Lane.READ) -> OrderFact:
        """One order by its client id."""
        return parse.parse_order_status(await self.ask("orderStatus", lane, user=address, oid=cloid))

    async def leverage(self, address: str, coin: str) -> LeverageFact:
        """The leverage setting of a coin, also while flat."""
        return parse.parse_leverage(await self.ask("activeAssetData", user=address, coin=coin))

    async def rate_limit(self, address: str) -> RateLimit:
        """What is used of the account's request budget."""
        row = reading.mapping(await self.ask("userRateLimit", user=address), "userRateLimit")
        return RateLimit(reading.integer(row, "nRequestsUsed"), reading.integer(row, "nRequestsCap"))

    async def fees(self, address: str) -> Fees:
        """The account's fee rates."""
        row = reading.mapping(await self.ask("userFees", user=address), "userFees")
        return Fees(reading.number(row, "userCrossRate"), reading.number(row, "userAddRate"))

    # -- who is who ---------------------------------------------------------------------------------------------

    async def account_mode(self, address: str) -> str:
        """``userAbstraction``: default, disabled, unifiedAccount, portfolioMargin or dexAbstraction."""
        mode = await self.ask("userAbstraction", user=address)
        if not isinstance(mode, str) or mode not in MODES:
            raise VenueAnswerOdd(f"userAbstraction: unknown mode {mode!r:.40}")
        return mode

    async def role(self, address: str) -> Role:
        """``userRole`` (weight 60): what an address is, and whose."""
        row = reading.mapping(await self.ask("userRole", user=address), "userRole")
        owner = row.get("data")
        master = (owner.get("user") or owner.get("master")) if isinstance(owner, dict) else None
        return Role(reading.text(row, "role"), master.lower() if isinstance(master, str) else None)

    async def agents(self, address: str) -> tuple[Agent, ...]:
        """``extraAgents``: the approved named agents of a master."""
        rows = reading.sequence(await self.ask("extraAgents", user=address), "extraAgents")
        return tuple(_agent(reading.mapping(row, "extraAgents[]")) for row in rows)


def _agent(row: reading.Object) -> Agent:
    until_ms = None if row.get("validUntil") is None else reading.integer(row, "validUntil")
    return Agent(reading.text(row, "address").lower(), reading.text(row, "name"), until_ms)
