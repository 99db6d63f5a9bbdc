"""One worker's life in a running event loop: start in order, run beside each other, stop in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from executor import __version__
from executor.app import compose
from executor.app.control import ControlServer
from executor.app.ending import finish_orders
from executor.app.heartbeat import Heartbeat
from executor.app.identity import DRY_RUN_ENDPOINT, Trader
from executor.app.listening import Listener, at_stake
from executor.app.notify import AtLeast
from executor.clock import Clock, SystemClock, chance
from executor.config import Loaded
from executor.core import events as ev
from executor.core.intake import start_gap
from executor.core.unrouted import unconfigured, unrouted
from executor.errors import CredentialRefused, ExecutorError, LedgerError, VenueError, VenueUnavailable
from executor.execution.reading import Reader, Ticker
from executor.execution.resolve import Resolver
from executor.execution.restore import save
from executor.execution.worker import Worker
from executor.ledger.sqlite import SqliteLedger
from executor.logs import LogNotifier
from executor.ports import Notifier, Venue
from executor.venue.adapter import HyperliquidVenue, VenueSettings
from executor.venue.identity import PORTFOLIO_MARGIN, Finding, check_identity, needs_vault_address

if TYPE_CHECKING:
    from executor.paper.feeds import Feed
    from executor.paper.server import PaperExchange

log = structlog.get_logger("executor.run")

T = TypeVar("T")

TEND_EVERY_S = 1.0
SNAPSHOT_EVERY_EVENTS = 2_000
TELL_EVERY_S = 60.0
"""How often a worker whose ledger failed says so again."""

VENUE_RETRY_S = 2.0

LOOK_S = 0.2
"""How often a worker that no source can tell anything any more looks whether something is left to protect."""

UNREAD_MS = 180_000
"""An account that was not read for this long is not looked after: reads are recorded each minute, and more often."""


class VenueTime:
    """The venue's time as a clock: a frame without a stamp counts from its receipt, whatever the machine says."""

    def __init__(self, clock: Clock, venue: Venue) -> None:
        self.now_ms = venue.now_ms
        self.monotonic_s = clock.monotonic_s


class Runtime:
    """Everything that runs. ``async with`` starts it without sources; ``listen`` adds them."""

    def __init__(
        self,
        loaded: Loaded,
        who: Mapping[str, Trader],
        *,
        clock: Clock | None = None,
        feed: Feed | None = None,
        venue_settings: VenueSettings | None = None,
        with_control: bool = True,
        with_outside: bool = True,
        jitter: Callable[[], float] = chance,
    ) -> None:
        self.loaded = loaded
        self.who = dict(who)
        self.clock = clock or SystemClock()
        self._feed = feed
        self._venue_settings = venue_settings
        self._with_control = with_control
        self._with_outside = with_outside and with_control
        self._jitter = jitter
        self._stack = AsyncExitStack()
        self.listeners: list[Callable[[ev.Event], None]] = []
        """Hear every event from the first on: accounts are read, and exits may leave, before the start is over."""
        self.first: list[ev.Event] = []  # what was told until the server, which counts it, had begun
        self.sources: list[Listener] = []
        self.refused: CredentialRefused | None = None
        self._ended: set[str] = set()
        self.stopped = asyncio.Event()
        self._snapshot_seq = 0
        self._told_s = 0.0
        self._is_up = False
        self._heartbeat: Heartbeat | None = None

    paper: PaperExchange | None = None
    venue: HyperliquidVenue
    ledger: SqliteLedger
    worker: Worker

    # -- start ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything but the sources; on any failure whatever was started is stopped again."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        self._is_up = True

    async def __aenter__(self) -> Runtime:
        if not self._is_up:
            await self.start()
        return self

    async def _start(self) -> None:
        told = self._tell()
        self.ledger = compose.open_ledger(self.loaded, self.who, self.clock)
        self._stack.callback(self._close_ledger)
        url = await self._endpoint()
        network = self.loaded.config.hyperliquid.network if self.loaded.config.live else DRY_RUN_ENDPOINT
        self.venue = HyperliquidVenue(network, url, self.clock, self._venue_settings)
        self._stack.push_async_callback(self.venue.close)
        await self._open_venue()
        vaults = await self._check_identities() if self.loaded.config.live else {}
        closing = self._with_control and not self._with_outside  # a flatten on its own
        parts = self.loaded, self.who, self.venue, self.ledger, self.clock, vaults, told
        self.worker = compose.worker(*parts, stopping=closing)
        self.worker.on_event += self.listeners
        self._stack.push_async_callback(self.worker.cancel_tasks)
        self._take_over()
        self._run_desks()
        if self._with_control:
            control = ControlServer(compose.socket_path(self.loaded), self.worker.command, self._standing)
            await control.start()
            self._stack.push_async_callback(control.close)
        if self._with_outside:
            await self._serve()
        self.worker.on_event.remove(self.first.append)
        self.first.clear()

    def _tell(self) -> list[Notifier]:
        """Whoever tells people; a replay, and a flatten on its own, tell nobody but the log."""
        if not self._with_outside:
            return [LogNotifier()]
        self._heartbeat = compose.heartbeat(self.loaded, self.unwell)
        told = compose.notifiers(self.loaded)
        for notifier in told:
            if isinstance(notifier, AtLeast):
                self._stack.push_async_callback(notifier.close)
        self._stack.push_async_callback(asyncio.sleep, 0)  # the last record is told in the loop's next round
        return told

    async def _serve(self) -> None:
        if self.loaded.config.server.enabled:
            from executor.app.web import start_server

            server = await start_server(self)
            self._stack.push_async_callback(server.close)

    async def _endpoint(self) -> str:
        """The exchange's URL; in dry-run the paper exchange is started here, and nobody below can tell."""
        if self.loaded.config.live:
            return self.loaded.config.hyperliquid.url
        self.paper = compose.paper_exchange(self.loaded, self.who, self._feed, self.clock)
        await self._stack.enter_async_context(self.paper)
        compose.approve_signers(self.paper, self.who)
        return self.paper.url

    async def _open_venue(self) -> None:
        """The venue must be readable before anything else makes sense; until then it is tried again, loudly."""
        await _until_readable(self.venue.start)
        await _until_readable(self.venue.exchange_time)  # expiry, nonces and "before this start" go by its clock

    async def _check_identities(self) -> dict[str, str]:
        """Signer, account and agent mix-ups are found before anything is traded (lessons.md section 1.1)."""
        vaults: dict[str, str] = {}
        for name, trader in self.who.items():
            findings, vault = await _until_available(partial(identity_findings, self.venue, trader))
            bad = [finding for finding in findings if finding.level == "fail"]
            if bad:
                raise CredentialRefused(f"account {name}: {bad[0].text}", bad[0].remedy)
            for finding in findings:
                if finding.level == "warn":
                    log.warning(finding.text, action="identity", account=name, remedy=finding.remedy)
            if vault:
                vaults[name] = trader.address
        return vaults

    def _take_over(self) -> None:
        """The first record of this process; what was out is unknown from here on, and every open book has a gap."""
        worker, turn = self.worker, self.worker.turn()
        worker.on_event.append(self.first.append)
        clean = self.ledger.was_clean and not self.ledger.is_new
        started = ev.ProcessStarted(at_ms=turn.now_ms, clean=clean, version=__version__, mode=self.loaded.config.mode)
        worker.take_global(turn, [started, *start_gap(worker.intake, turn.now_ms)])
        for desk in worker.desks.values():
            turn.events += unrouted(worker.intake, desk.state, worker.routes, turn.now_ms)
        for state in compose.left_out(self.ledger, self.who):
            turn.events += unconfigured(state, turn.now_ms)
        worker.finish(turn, ())
        if worker.failed is not None:
            raise worker.failed

    def _run_desks(self) -> None:
        worker = self.worker
        for name, desk in worker.desks.items():
            desk.held = not (self.ledger.was_clean or self.ledger.is_new)
            self.venue.follow(desk.settings.address, lambda news, account=name: worker.news(account, news))  # type: ignore[misc]  # a default argument binds the loop's name
            worker.spawn(worker.keep(Reader(worker, desk).run, f"reader {name}"), f"reader {name}")
            worker.spawn(worker.keep(Resolver(worker, desk).run, f"resolver {name}"), f"resolver {name}")
        worker.spawn(worker.keep(Ticker(worker).run, "ticker"), "ticker")
        worker.spawn(self._keep_ledger(), "ledger")

    async def _keep_ledger(self) -> None:
        """Index what is new while nothing else is to do, and keep a snapshot now and then."""
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            try:
                self._tend()
            except LedgerError as error:
                self.worker.unwritten.begin(error)
            self._remind()

    def _remind(self) -> None:
        """A worker without a ledger goes on for the sake of exits, and says so again and again."""
        now_s = self.clock.monotonic_s()
        if self.worker.failed is not None and now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self.worker.unwritten.tell()

    def _tend(self) -> None:
        if self.worker.failed is None:
            self.ledger.tend()
            if self.ledger.last_seq - self._snapshot_seq >= SNAPSHOT_EVERY_EVENTS:
                self._save()

    def _save(self) -> None:
        save(self.ledger, self.worker.intake, [desk.state for desk in self.worker.desks.values()])
        self._snapshot_seq = self.ledger.last_seq

    # -- sources --------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Start every configured source, and the sign of life: without sources nobody waits for one."""
        if self._heartbeat is not None:
            self.worker.spawn(self.worker.keep(self._heartbeat.run, "heartbeat"), "heartbeat")
        clock = VenueTime(self.clock, self.venue)
        for configured in self.loaded.config.sources:
            note = _note(configured.name)
            secrets = compose.registered_secrets(self.loaded, configured)  # once: later the worker has others to serve
            build = partial(compose.source, self.loaded, configured, secrets, clock, note, self._jitter)
            source = Listener(configured.name, build, self.worker, clock, self._jitter)
            self.sources.append(source)
            self.worker.spawn(self._listen(source), f"source {source.name}")

    async def _listen(self, source: Listener) -> None:
        try:
            await source.run()
        except CredentialRefused as error:
            log.critical(str(error), action="source_refused", source=source.name)
            self.refused = error
            if all(channel.state != "refused" for channel in source.channels()):  # else each channel was told
                self.worker.notify("alarm", "CHANNEL_REFUSED", f"{error.message}: {error.remedy}")
        self._ended.add(source.name)
        if len(self._ended) == len(self.sources):
            await self._end_when_idle()

    async def _end_when_idle(self) -> None:
        """No channel can open any more. Whoever heard one, or holds something, stays up, degraded, and protects."""
        while self.refused is not None and not self._heard():
            if not any(at_stake(desk) for desk in self.worker.desks.values()):
                self.stopped.set()
                return
            await asyncio.sleep(LOOK_S)

    def _heard(self) -> bool:
        """Whether any channel ever opened."""
        return any(source.heard for source in self.sources)

    def ready(self) -> bool:
        """Whether every configured channel is open and every account reconciled."""
        channels = [channel for source in self.sources for channel in source.channels()]
        accounts = all(desk.state.reconciled and not desk.state.missing for desk in self.worker.desks.values())
        opened = all(channel.state == "open" for channel in channels)
        return accounts and opened and self.worker.failed is None

    def _standing(self) -> dict[str, Any]:
        """What ``status`` cannot read from the record: that there is none any more, and what is used of the budgets."""
        failed = self.worker.failed
        return {"ledger_failed": None if failed is None else failed.message, "budgets": dict(self.venue.budgets())}

    def unwell(self) -> str:
        """Why the worker is of no use as it stands, for the sign of life; empty while it is."""
        if self.worker.failed is not None:
            return "the ledger cannot be written"
        late_ms = self.worker.venue.now_ms() - UNREAD_MS
        for name, desk in self.worker.desks.items():
            if not desk.state.reconciled or desk.state.account_read_ms < late_ms:
                return f"account {name} could not be read"
        if not any(channel.state == "open" for source in self.sources for channel in source.channels()):
            return "no channel is open"
        return ""

    # -- stop -----------------------------------------------------------------------------------------------------

    async def __aexit__(self, *_: object) -> None:
        try:
            limit_s = self.loaded.config.execution.shutdown_ms / 1000
            await finish_orders(tuple(self.worker.desks.values()), limit_s)
        finally:
            await self._stack.aclose()

    def unknown(self) -> int:
        """How many orders have an outcome nobody knows."""
        return sum(leg.in_flight for desk in self.worker.desks.values() for leg in desk.state.live.values())

    def _close_ledger(self) -> None:
        """The last record; a clean end is only claimed when nothing was left open."""
        if getattr(self, "worker", None) is None:
            self.ledger.close(clean=self.ledger.was_clean)
            return
        unknown, clean = self.unknown(), False
        for desk in self.worker.desks.values():
            desk.held = True  # the venue is closed: should this last record fail, nothing follows from it
        if self.worker.failed is None:
            turn = self.worker.turn()
            turn.events.append(ev.ProcessStopped(at_ms=turn.now_ms, reason="stopped", unknown=unknown))
            self.worker.finish(turn, ())
            clean = unknown == 0 and self._saved()
        self.ledger.close(clean=clean)

    def _saved(self) -> bool:
        """A snapshot, where one can be had: the file is released in any case."""
        try:
            self._save()
        except (LedgerError, ValueError) as error:
            log.error("no snapshot was kept", action="snapshot_failed", error=str(error))
            return False
        return True


async def _until_readable(read: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await read()
            return
        except VenueError as error:
            log.error("the venue cannot be read yet", action="venue_unreadable", error=str(error))
            await asyncio.sleep(VENUE_RETRY_S)


async def _until_available(read: Callable[[], Awaitable[T]]) -> T:
    """As often as the venue limits or fails it; what it does not make sense of ends the start."""
    while True:
        try:
            return await read()
        except VenueUnavailable as error:
            log.error("the venue cannot be read yet", action="venue_unreadable", error=str(error))
            await asyncio.sleep(VENUE_RETRY_S)


async def identity_findings(venue: HyperliquidVenue, trader: Trader) -> tuple[list[Finding], bool]:
    """Every finding about one account's identity, and whether its orders need ``vaultAddress``."""
    signer, address = trader.signer.address, trader.address
    role_of_account = await venue.role(address)
    role_of_signer = role_of_account if signer == address else await venue.role(signer)
    agents = await venue.agents(role_of_account.master or address)
    mode = await venue.account_mode(address)
    if mode != PORTFOLIO_MARGIN:
        venue.set_mode(address, mode)
    findings = check_identity(signer, address, role_of_signer, role_of_account, agents, mode, venue.now_ms())
    return findings, needs_vault_address(role_of_account)


def _note(source: str) -> Callable[[str, str], None]:
    def note(channel: str, text: str) -> None:
        log.warning(text, action="source_note", source=source, channel=channel)

    return note


def exit_code(runtime: Runtime) -> int:
    """How the run ended (contract.md, exit codes)."""
    if runtime.worker.failed is not None:
        return ExecutorError.exit_code
    if runtime.unknown():
        return 5
    return 3 if runtime.refused is not None and not runtime._heard() else 0  # the same module


__all__: list[Any] = ["Runtime", "exit_code", "identity_findings"]
