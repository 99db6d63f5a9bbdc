"""The venue as one object: requests that passed the gate go to the engine, what changed is saved, then told.

Synchronous: one call is one committed step. The server adds time (latency), sockets and faults around it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from executor.clock import Clock
from executor.errors import StateFileError
from executor.hyperliquid import limits
from executor.hyperliquid.error_strings import error_text
from executor.hyperliquid.meta import parse_meta
from executor.paper.candles import Candles
from executor.paper.exchange import DEFAULT, Exchange, err, weight
from executor.paper.faults import Faults
from executor.paper.gate import Gate, Refused, Request
from executor.paper.model import Account, Json, Pushes, Rules, State, Tick, lost
from executor.paper.state import StateFile

log = logging.getLogger(__name__)

CANCELS = frozenset({"cancel", "cancelByCloid"})
DAY_MS = 86_400_000
AGENT_DAYS_DEFAULT, AGENT_DAYS_MOST = 90, 180
SAVE_AGAIN_MS = 1000
"""Between two tries of a file that cannot be written."""


class Service:
    """Gate, engine, candles and state file behind one another. ``listeners`` get every step's pushes.

    A step that cannot be saved is told to nobody: it waits in memory and is saved, and told, with a later one. Until
    then ``is_stuck``, and whoever serves this venue answers nobody, since every answer could be of what a crash would
    undo; ``on_stuck`` is called at each try that failed.
    """

    def __init__(self, meta: Json, clock: Clock, rules: Rules | None = None, state_path: Path | None = None) -> None:
        self.meta = meta
        self.clock = clock
        self.exchange = Exchange(parse_meta(meta), rules)
        self.gate = Gate()
        self.faults = Faults()
        self.candles = Candles()
        self.file = StateFile(state_path)
        try:
            self.file.load(self.state, self.gate)
        except StateFileError:
            self.file.close()
            raise
        self.listeners: list[Callable[[Pushes], None]] = []
        self.on_stuck: list[Callable[[], None]] = []
        self._held = Pushes()
        self._agents_changed = False
        self._failed_ms: int | None = None

    @property
    def state(self) -> State:
        """The engine's state, for reading."""
        return self.exchange.state

    def now(self) -> int:
        """Venue time in milliseconds."""
        return self.clock.now_ms()

    def fund(self, address: str, usd: Decimal | int) -> None:
        """Deposits dollars; a new address becomes a user."""
        self.exchange.fund(address, Decimal(usd))
        self._commit()

    def fund_new(self, address: str, usd: Decimal | int) -> None:
        """Deposits only if the address has no account yet, so that a restart does not fund twice."""
        if address.lower() not in self.state.accounts:
            self.fund(address, usd)

    def approve_agent(self, master: str, agent: str, name: str = "", valid_until_ms: int | None = None) -> None:
        """Registers an API wallet for a master, as ``approveAgent`` does."""
        self.gate.approve(master, agent, name, valid_until_ms)
        self._agents_changed = True
        self._commit()

    def add_sub_account(self, master: str, address: str, usd: Decimal | int = 0) -> None:
        """Makes a sub-account the master (and its agents) may act for with ``vaultAddress``."""
        self.gate.sub_accounts[address.lower()] = master.lower()
        self._agents_changed = True
        self._commit()
        self.fund_new(address, usd)

    def on_market(self, tick: Tick) -> None:
        """Takes market news and commits what it caused."""
        before = self._day(tick.coin)
        self.exchange.on_market(tick, self.now())
        market = self.state.markets.get(tick.coin)
        mid = market.mid if market is not None else None
        if mid is not None:
            self.candles.add(tick.coin, mid, self.now(), self._day(tick.coin) - before)
        self._commit()

    def lose_books(self) -> None:
        """Nobody follows the market any more: old prices fill nobody."""
        for coin, market in self.state.markets.items():
            if market.is_live:
                self.on_market(lost(coin))

    def coins_in_use(self) -> list[str]:
        """Coins somebody holds or has a live order on: their books are needed."""
        held = {coin for account in self.state.accounts.values() for coin in account.positions}
        return sorted(held | {order.coin for order in self.state.orders.values() if order.live})

    def _day(self, coin: str) -> Decimal:
        market = self.state.markets.get(coin)
        return market.day_base if market is not None else Decimal(0)

    def tick(self) -> None:
        """Lets time pass without news: funding, scheduled cancels."""
        self.exchange.advance(self.now())
        self._commit()

    def execute(self, request: Request) -> Json:
        """One signed action at venue time now: admitted, applied, saved, told; the whole answer."""
        now = self.now()
        try:
            user = self.gate.admit(request, self.state.accounts, now)
            self._spend(self.state.accounts[user], request.action, now)
        except Refused as refused:
            self._refused(request, str(refused))
            return err(str(refused))
        answer = self._user_signed(user, request) if request.user_signed else self._apply(user, request, now)
        self._commit()
        return answer

    def _apply(self, user: str, request: Request, now: int) -> Json:
        return self.exchange.apply(request.action, user, now)

    def _refused(self, request: Request, text: str) -> None:
        """A stale expiry costs five requests; a used nonce is remembered although the action was refused."""
        if text == error_text("EXPIRED"):
            for signer in request.signers:
                account = self.state.accounts.get(self.gate.master_of(signer, self.now()) or signer)
                if account is not None:
                    account.requests += limits.STALE_EXPIRY_FACTOR * weight(request.action)
                    self.state.out.users.add(account.user)
        self._commit()

    def _spend(self, account: Account, action: Json, now: int) -> None:
        """The address budget (hyperliquid.md section 5.2): 10000 and one per dollar traded, then one in ten seconds.

        Each order of a batch counts, so that of a batch the one there is would be too few.
        """
        budget = self.state.rules.address_budget + int(account.volume_usd)
        if action["type"] in CANCELS:
            budget = min(budget + 100_000, 2 * budget)
        size = weight(action)
        if account.requests + size <= budget:
            return
        if size == 1 and now - account.last_over_limit_ms >= limits.ADDRESS_EXHAUSTED_INTERVAL_S * 1000:
            account.last_over_limit_ms = now
            return
        used, volume = account.requests, f"{account.volume_usd:.2f}"
        raise Refused(error_text("ADDRESS_BUDGET_EXHAUSTED", used=used, cap=budget, volume=volume))

    def _user_signed(self, user: str, request: Request) -> Json:
        action = request.action
        if action["type"] == "approveAgent":
            return self._approve(user, action)
        if action["type"] == "approveBuilderFee":
            return self._approve_builder(user, action)
        return err(f"Action {action['type']} is not simulated by the paper exchange.")

    def _approve(self, user: str, action: Json) -> Json:
        """``approveAgent``; a name may carry `` valid_until <ms>`` (hyperliquid.md section 2.3)."""
        name, _, until = (action.get("agentName") or "").partition(" valid_until ")
        problem = self._agent_problem(user, action["agentAddress"].lower(), name, until)
        if problem is not None:
            return err(problem)
        expiry = int(until) if until else self.now() + AGENT_DAYS_DEFAULT * DAY_MS
        self.approve_agent(user, action["agentAddress"], name, expiry)
        return DEFAULT

    def _agent_problem(self, user: str, address: str, name: str, until: str) -> str | None:
        """Why an agent is not approved: its name, its validity (180 days at most), another agent's address, the count.

        Our wording but for the last two.
        """
        now = self.now()
        if len(name) > 16:
            return "Agent name is too long."
        if until and not (re.fullmatch(r"[0-9]{1,15}", until) and now < int(until) <= now + AGENT_DAYS_MOST * DAY_MS):
            return "Agent must be valid until a time within 180 days."
        if self.gate.master_of(address, now) is not None:
            return "Extra agent already used."
        known = {a.name for a in self.gate.agents.values() if a.master == user and a.name}
        return error_text("TOO_MANY_AGENTS", limit=3) if name and name not in known and len(known) >= 3 else None

    def _approve_builder(self, user: str, action: Json) -> Json:
        """``approveBuilderFee``: the rate is a percentage in text, kept in tenths of a basis point; none revokes it."""
        rate = re.fullmatch(r"([0-9.]{1,9})%", action["maxFeeRate"])
        if rate is None or rate[1].count(".") > 1 or rate[1] == ".":
            return err("Invalid builder fee rate.")
        fees, builder = self.state.accounts[user].builder_fees, action["builder"].lower()
        if builder not in fees and len(fees) >= limits.BUILDERS_APPROVED:
            return err("Too many builders are approved.")
        fees[builder] = int(Decimal(rate[1]) * 1000)
        if not fees[builder]:
            del fees[builder]
        self.state.out.users.add(user)
        return DEFAULT

    @property
    def is_stuck(self) -> bool:
        """Whether something happened that the file does not hold."""
        return self._failed_ms is not None

    def _commit(self) -> None:
        """Saves first, tells afterwards: nobody hears of what a crash could still undo."""
        self._held.add(self.exchange.take())
        if not self._is_saved():
            return
        pushes, self._held = self._held, Pushes()
        for listener in self.listeners:
            listener(pushes)

    def _is_saved(self) -> bool:
        """Whether the file holds all there is, after a try where it does not."""
        if not (self._held.worth_saving or self.gate.touched or self._agents_changed):
            return True
        now_ms = int(self.clock.monotonic_s() * 1000)
        if self._failed_ms is not None and now_ms - self._failed_ms < SAVE_AGAIN_MS:
            return False
        try:
            self._save()
        except Exception as problem:  # noqa: BLE001  # whatever hindered it, what was not saved must not be told
            self._stick(problem, now_ms)
            return False
        if self._failed_ms is not None:
            self._failed_ms = None
            log.warning("paper exchange: %s can be written again, everything is in it", self.file.name)
        return True

    def _save(self) -> None:
        """Agents first: to write them twice is nothing, a fill would count twice."""
        if self._agents_changed:
            self.file.save_agents(self.gate)
            self._agents_changed = False
        self.file.save(self.state, self._held, self.gate)

    def _stick(self, problem: Exception, now_ms: int) -> None:
        if self._failed_ms is None:
            told = "paper exchange: %s cannot be written, so nobody is answered until it can: %r"
            log.critical(told, self.file.name, problem)
        self._failed_ms = now_ms
        for alarm in self.on_stuck:
            alarm()
