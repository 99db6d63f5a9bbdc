"""The doctor's look at the exchange: who signs for whom, money, what is open, time, budget. Reads alone, no order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from executor.app.doctor_check import Check, failed, failure, passed, warned
from executor.app.identity import Trader
from executor.app.runtime import identity_findings
from executor.clock import Clock, SystemClock
from executor.config import Loaded
from executor.core.facts import AccountFact, OpenOrder
from executor.core.identity import is_ours, plain
from executor.errors import ExecutorError, LedgerError, VenueError
from executor.ledger.reader import LedgerReader
from executor.paper.live_feed import HyperliquidFeed
from executor.paper.model import Json
from executor.paper.tape import BUNDLED, UNREADABLE, read_tape
from executor.venue.adapter import HyperliquidVenue, VenueSettings
from executor.venue.identity import Finding
from executor.venue.reads import RateLimit
from executor.venue.socket import SocketSettings

PATIENCE_S = 30.0
SOCKET_S = 3.0
SKEW_WARN_MS = 1_000
SKEW_FAIL_MS = 30_000
BUDGET_WARN = 1_000
"""Requests left of an account's lifetime budget."""

SMALLEST_USD = 10

_SUBJECTS = {"ACCOUNT": "account", "MODE": "account mode", "SIGNER": "signer", "AGENT": "agent", "VAULT": "signer"}
"""What a finding is about, by the first word of its code."""


async def market(loaded: Loaded) -> tuple[Check, Json | None]:
    """Whether the paper exchange of dry-run gets its prices; with them, which markets there are (``meta``)."""
    if loaded.config.paper.feed == "tape":
        return _tape(loaded)
    try:
        meta = await HyperliquidFeed().meta()
    except VenueError as error:
        return failure("market data", error), None
    return passed("market data", f"Hyperliquid answers, {len(meta['universe'])} coins"), meta


def _tape(loaded: Loaded) -> tuple[Check, Json | None]:
    path = loaded.config.paper.tape or BUNDLED
    try:
        tape = read_tape(path)
    except UNREADABLE as error:
        text = f"{path} is no recorded market: {error}"
        return failed("market data", text, "set paper.tape: null for the bundled"), None
    return passed("market data", f"a tape of {tape.length_ms // 1000} s"), tape.meta


async def accounts(loaded: Loaded, who: Mapping[str, Trader], tell: Callable[[str], None]) -> list[Check]:
    """Every account that is traded live, on the real venue."""
    hyperliquid = loaded.config.hyperliquid
    clock: Clock = SystemClock()
    venue = HyperliquidVenue(
        hyperliquid.network, hyperliquid.url, clock, VenueSettings(SocketSettings(open_timeout_s=SOCKET_S))
    )
    found: list[Check] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _look(loaded, venue, who, tell, found)
    except VenueError as error:
        found.append(_unread(hyperliquid.url, error.message))
    except TimeoutError:
        found.append(_unread(hyperliquid.url, f"no answer within {PATIENCE_S:g} s"))
    finally:
        await venue.close()
    return found


def _unread(url: str, why: str) -> Check:
    return failed("venue", f"{url} could not be read: {why}", "check hyperliquid.network, api_url and the connection")


async def _look(
    loaded: Loaded, venue: HyperliquidVenue, who: Mapping[str, Trader], tell: Callable[[str], None], found: list[Check]
) -> None:
    """Fills ``found``, so that what was seen before a read failed is still told."""
    tell("the venue")
    await venue.start()
    found.append(_socket(loaded, venue))
    await venue.exchange_time()
    found.append(clock_skew(venue.clock_skew_ms()))
    for name, trader in who.items():
        tell(f"account {name}")
        findings, _ = await identity_findings(venue, trader)
        found += [_finding(name, finding) for finding in findings]
        if not any(finding.code.startswith("ACCOUNT") and finding.level == "fail" for finding in findings):
            await _account(loaded, venue, trader, found)


def _socket(loaded: Loaded, venue: HyperliquidVenue) -> Check:
    url = loaded.config.hyperliquid.url
    if venue.budgets()["sockets"][0]:
        return passed("venue", f"{url} answers, its websocket too")
    return warned("venue", f"{url} answers, but not on its websocket: orders would go by HTTP", "check the network")


def clock_skew(skew_ms: int) -> Check:
    """Milliseconds this machine is behind the venue (negative: ahead)."""
    seconds, way = abs(skew_ms) / 1000, "behind" if skew_ms > 0 else "ahead of"
    text, remedy = f"this machine is {seconds:g} s {way} the venue", "let NTP set this machine's clock"
    if abs(skew_ms) >= SKEW_FAIL_MS:
        return failed("clock", text, remedy)
    return warned("clock", text, remedy) if abs(skew_ms) >= SKEW_WARN_MS else passed("clock", text)


def _finding(account: str, finding: Finding) -> Check:
    subject = _SUBJECTS.get(finding.code.partition("_")[0], "account")
    return Check(f"{subject} {account}", finding.level, finding.text, finding.remedy)


async def _account(loaded: Loaded, venue: HyperliquidVenue, trader: Trader, found: list[Check]) -> None:
    name, address = trader.account.name, trader.address
    fact = await venue.account(address)
    found += [collateral(name, fact), open_positions(name, fact, _owned(loaded, name))]
    found.append(open_orders(name, await venue.open_orders(address)))
    found.append(rate_budget(name, await venue.rate_limit(address)))


def collateral(name: str, fact: AccountFact) -> Check:
    """Whether there is money to trade with."""
    text = f"equity {plain(fact.equity_usd) or '0'} USD, free {plain(fact.withdrawable_usd) or '0'} USD"
    if fact.equity_usd <= 0:
        return failed(f"collateral {name}", f"{text}: nothing to trade with", "deposit USDC for perpetuals")
    if fact.withdrawable_usd < SMALLEST_USD:
        return warned(f"collateral {name}", text, f"too little is free for the smallest order of {SMALLEST_USD} USD")
    return passed(f"collateral {name}", text)


def open_positions(name: str, fact: AccountFact, owned: Collection[str]) -> Check:
    """What the worker would meet: its own positions, and those it would leave alone."""
    held = {position.coin: position.size for position in fact.positions if position.size}
    foreign = {coin: size for coin, size in held.items() if coin not in owned}
    told = ", ".join(f"{coin} {plain(size)}" for coin, size in (foreign or held).items())
    if foreign:
        remedy = "entries of these coins are refused (SYMBOL_OWNED); close them, or use another sub-account"
        return warned(f"positions {name}", f"positions that were not opened by this ledger's worker: {told}", remedy)
    return passed(f"positions {name}", f"ours: {told}" if held else "none is open")


def open_orders(name: str, orders: Sequence[OpenOrder]) -> Check:
    """Orders and triggers the worker would meet and leave alone."""
    foreign = [order for order in orders if not is_ours(order.cloid)]
    if not foreign:
        return passed(f"orders {name}", "no open order or trigger of anybody else")
    told = ", ".join(f"{order.coin} {order.side.value} {plain(order.size)}" for order in foreign)
    return warned(f"orders {name}", f"open orders that are not ours: {told}", "they are left alone, until `flatten`")


def _owned(loaded: Loaded, account: str) -> set[str]:
    """The coins of which the ledger knows who of ours holds them; none where there is no ledger that can be read."""
    try:
        with LedgerReader(loaded.config.ledger.path) as reader:
            return {row["symbol"] for row in reader.positions(account)["positions"] if row["holdings"]}
    except LedgerError:
        return set()


def rate_budget(name: str, limit: RateLimit) -> Check:
    """What is left of the requests the venue grants the account."""
    left = limit.cap - limit.used
    text, remedy = f"{left} of {limit.cap} requests left", "each dollar traded earns one more request"
    if left <= 0:
        return failed(f"budget {name}", f"{text}: one request in 10 s is taken", remedy)
    return warned(f"budget {name}", text, remedy) if left < BUDGET_WARN else passed(f"budget {name}", text)


def signers(loaded: Loaded, build: Callable[[str], Trader]) -> tuple[dict[str, Trader], list[Check]]:
    """Each account's signer, as far as its key can be read, and what was found on the way."""
    who: dict[str, Trader] = {}
    found: list[Check] = []
    for account in loaded.config.accounts:
        try:
            who[account.name] = build(account.name)
        except ExecutorError as error:
            found.append(failure(f"signer key {account.name}", error))
        else:
            found.append(
                passed(f"signer key {account.name}", f"the key's address is {who[account.name].signer.address}")
            )
    return who, found
