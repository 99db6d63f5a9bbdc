"""One account's desk: keeps its state, decides with core, signs what may leave, and reads what comes back.

Everything here is synchronous and happens inside a turn, so nothing can come between a decision and its record.
Waiting is done elsewhere (``prepare``, ``resolve``, ``reading``), and comes back as another turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from executor import faults
from executor.core import events as ev
from executor.core.answers import answer_events, order_events
from executor.core.batch import Batch, entry_batches, halves, ready_entries, urgent
from executor.core.decide import take_up
from executor.core.evolve import evolve
from executor.core.facts import Fill, OpenOrder, RawReply
from executor.core.protocols import Market
from executor.core.recheck import stopped_entries
from executor.core.reconcile import told_fills, with_causes
from executor.core.settings import DeskSettings
from executor.core.signal import Signal
from executor.core.state import DeskState, Leg, Request
from executor.core.steps import next_steps
from executor.core.unsent import refused_by_signer, unsendable
from executor.core.unwritten import unwritten_batches, unwritten_orders
from executor.errors import ExecutorError, SignerRefused
from executor.execution.nonces import Nonces
from executor.execution.requests import action_of, legs_expected, signed, started
from executor.execution.turn import Outgoing, Turn
from executor.hyperliquid.answers import classify
from executor.ports import AccountNews, FillsNews, OrdersNews, Signer

MAX_ROUNDS = 25
"""How often the steps may lead to further steps within one turn; more means that they contradict each other."""

GATHER_S = 0.25
"""How long ready entries gather at most while a request is out (design.md section 3)."""


@dataclass(slots=True)
class EntryLane:
    """When entries leave: at once while nothing is out, else together when an answer came or the wait is over."""

    out: set[str] = field(default_factory=set)
    since_s: float = 0.0

    def may_leave(self, monotonic_s: float) -> bool:
        """Whether what is ready leaves now."""
        return not self.out or monotonic_s - self.since_s >= GATHER_S

    def left(self, request_id: str, monotonic_s: float) -> None:
        """A request of entries is out."""
        self.out.add(request_id)
        self.since_s = monotonic_s


class Desk:
    """One account. ``signer`` and ``nonces`` may be shared with other desks."""

    def __init__(self, settings: DeskSettings, state: DeskState, signer: Signer, nonces: Nonces) -> None:
        self.settings = settings
        self.state = state
        self.signer = signer
        self.nonces = nonces
        self.lane = EntryLane()
        self.entries_open = True
        self.held = False

    # -- inputs -------------------------------------------------------------------------------------------------

    def note(self, turn: Turn, events: Iterable[ev.Event]) -> None:
        """Record events and let the state follow."""
        for event in events:
            turn.events.append(event)
            evolve(self.state, event)

    def take(self, turn: Turn, signal: Signal, market: Market) -> None:
        """Decide on one action."""
        self.note(turn, take_up(self.settings, self.state, signal, turn.now_ms, market))

    def answered(self, turn: Turn, record: ev.SendStarted, reply: RawReply, *, resend: bool = False) -> None:
        """Read the answer to one request."""
        self.lane.out.discard(record.request_id)
        request = self.state.requests.get(record.request_id)
        if request is None:
            return
        answers = classify(reply, legs_expected(record), resend=resend)
        self.note(turn, answer_events(self.state, request, answers, turn.now_ms, resend=resend))

    def told(self, turn: Turn, news: AccountNews) -> None:
        """Take in what the venue pushed."""
        if isinstance(news, OrdersNews):
            for fact in news.orders:
                self.note(turn, with_causes(self.state, order_events(self.state, [fact], turn.now_ms)))
        elif isinstance(news, FillsNews):
            if self.held:
                return  # the first read has them, and what is looked for in it must come before them
            after = self.fills_from_ms() if news.snapshot else 0
            fills = [fill for fill in news.fills if fill.at_ms >= after]
            self.note(turn, told_fills(self.state, fills, turn.now_ms))

    def look_back(self, turn: Turn, orders: Sequence[OpenOrder], fills: Sequence[Fill]) -> None:
        """At the first read of a life, before its fills: what an earlier one sent and could not write down."""
        self.note(turn, unwritten_orders(self.settings, self.state, orders, fills, turn.now_ms))

    def fills_from_ms(self) -> int:
        """From when on fills are asked for again: an overlap before the newest known, since they may come late."""
        state = self.state
        return (state.last_fill_ms or state.earlier_read_ms or state.started_ms) - 60_000

    # -- what follows -------------------------------------------------------------------------------------------

    def advance(self, turn: Turn, market: Market, monotonic_s: float) -> None:
        """Let every due step happen, then sign what may leave; nothing while what an earlier life sent is looked up."""
        if self.held:
            return
        for _ in range(MAX_ROUNDS):
            due = next_steps(self.settings, self.state, turn.now_ms, market)
            if not due:
                break
            self.note(turn, due)
        else:
            self._restless(turn)
        ready = urgent(self.state, turn.now_ms)
        for batch in unwritten_batches(self.state, ready) if self.state.unwritten else ready:
            self._send(turn, batch, market)
        self._entries(turn, market, monotonic_s)

    def _restless(self, turn: Turn) -> None:
        text = f"the steps of account {self.settings.account} did not come to rest"
        self.note(turn, [ev.AnomalyNoted(at_ms=turn.now_ms, account=self.state.account, code="RESTLESS", text=text)])

    def _entries(self, turn: Turn, market: Market, monotonic_s: float) -> None:
        if self.state.unwritten or not self.entries_open or not self.lane.may_leave(monotonic_s):
            return
        ready = self._asked_again(turn, ready_entries(self.settings, self.state, market), market)
        for batch in entry_batches(self.state, ready, turn.now_ms + self.settings.order_expiry_ms):
            for record in self._send(turn, batch, market):
                self.lane.left(record.request_id, monotonic_s)

    def _asked_again(self, turn: Turn, ready: list[Leg], market: Market) -> list[Leg]:
        """Without what waited since an earlier turn and may not leave any more, by the rules that stop every entry."""
        waited = [leg for leg in ready if leg.planned_at_ms != turn.now_ms]
        if not waited or not self.settings.rules:
            return ready
        files = self.files_present()
        self.note(turn, stopped_entries(self.settings, self.state, waited, turn.now_ms, market, files))
        return [leg for leg in ready if leg.open]

    def _send(self, turn: Turn, batch: Batch, market: Market) -> list[ev.SendStarted]:
        """Take a nonce, sign, and write the request down; it leaves after the turn's transaction."""
        faults.point("risk_approved")
        try:
            action = action_of(market.rules, self.state, batch)
            nonce = self.nonces.take(turn.now_ms)
            expires_ms = self._expiry(batch.legs, turn.now_ms)
            record = started(
                self.state, batch, action, self.signer.address, nonce, expires_ms, self.settings.vault, turn.now_ms
            )
            request = signed(self.signer, record)
            faults.point("signed")
        except SignerRefused as no:
            given_up = refused_by_signer(self.state, batch, no.rule, no.code, no.message, turn.now_ms)
            return self._in_parts(turn, batch, given_up, market)
        except (LookupError, ValueError) as error:
            given_up = unsendable(self.state, batch, "UNSENDABLE", str(error), turn.now_ms)
            return self._in_parts(turn, batch, given_up, market)
        except ExecutorError as error:
            self.note(turn, unsendable(self.state, batch, "UNSENDABLE", str(error), turn.now_ms))
            return []
        self.note(turn, [record])
        turn.outgoing.append(Outgoing(self.state.account, record, request))
        return [record]

    def _in_parts(self, turn: Turn, batch: Batch, given_up: list[ev.Event], market: Market) -> list[ev.SendStarted]:
        """What cannot go costs no other order: halves are tried, until what cannot stands alone and is given up."""
        parts = halves(batch)
        if not parts:
            self.note(turn, given_up)
        return [record for part in parts for record in self._send(turn, part, market)]

    def _expiry(self, legs: Sequence[Leg], now_ms: int) -> int:
        """When the venue must refuse it: soon, and for entries never after the signal's own time to live."""
        latest = [leg.good_until_ms for leg in legs if leg.good_until_ms is not None]
        return min([now_ms + self.settings.order_expiry_ms, *latest])

    # -- readings -----------------------------------------------------------------------------------------------

    def files_present(self) -> tuple[str, ...]:
        """The paths risk rules watch that exist now; asked before every decision."""
        watched = {path for rule in self.settings.rules for path in rule.watches}
        return tuple(sorted(path for path in watched if Path(path).exists()))

    def unknown_requests(self) -> list[Request]:
        """Requests whose outcome nobody knows."""
        return [request for request in self.state.requests.values() if request.unknown]

    def uncertain_legs(self) -> list[Leg]:
        """Legs that must be looked up: unknown ones, and resting ones there is a reason to doubt."""
        return [leg for leg in self.state.live.values() if (leg.doubted or leg.state == "unknown")]

    def quiet(self) -> bool:
        """Whether nothing is out and nothing urgent waits to leave."""
        return not any(leg.in_flight for leg in self.state.live.values()) and not urgent(self.state)

    def at_rest(self) -> bool:
        """Whether it is quiet and no answer is to come: fills may tell of an order before its own answer does."""
        return self.quiet() and all(request.unknown for request in self.state.requests.values())
