"""What must hold after every schedule, and at every instant of it (reliability.md section A5.1, a to g)."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.identity import CLOID_TAG
from executor.core.intake import IntakeState, evolve_intake
from executor.core.position import Holding
from executor.core.state import DeskState, speaks_of
from executor.core.types import Outcome
from executor.ledger.outcomes import outcome_of
from executor.paper.model import Phase

ADDRESS = "0x" + "a1" * 20
COINS = ("BTC", "ETH", "SOL")
FINAL = {
    Outcome.EXECUTED, Outcome.PARTIAL, Outcome.RESTING, Outcome.REFUSED, Outcome.REJECTED, Outcome.ABSENT,
}  # fmt: skip

NAKED_S = 3.0
TICK_S = 0.25
CALM_S = 15.0
"""How long after the last fault the bound on naked time holds on the exchange's own record."""

POSITION_CAP_USD, ORDER_CAP_USD = 300_000, 250_000
GAP = Decimal("1.12")
"""How much better than decided a fill may be after a price gap, which makes it worth more."""

LOSSY = {"crash", "cut", "dark", "refuse", "restart", "disk", "handshake", "slow"}
"""Steps that may lose a signal on its way to us: the protocol sends none again."""


class Watch:
    """Looks at exchange and worker four times a second, and at every fill."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.problems: list[str] = []
        self.fault_s = 0.0
        self.naked_s: dict[str, float] = {}
        self.known_s: dict[str, float] = {}
        self.longest_s = 0.0
        self._sizes: dict[str, Decimal] = {}
        self._fills = 0
        self._told: set[str] = set()
        world.exchange.service.listeners.append(lambda _: self._caps())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self._look()

    def _say(self, text: str, once: str) -> None:
        if once not in self._told:
            self._told.add(once)
            self.problems.append(f"{self.world.loop.time() - 1000:.2f} s: {text}")

    # -- (d) protection ----

    def _look(self) -> None:
        world, now_s = self.world, self.world.loop.time()
        desk = world.desk
        if world.is_faulty() or self._is_deceived(desk):
            self.fault_s = now_s
        for coin in COINS:
            if self._grew(coin):  # what came now has its own time: with several agents one part follows another
                self.known_s.pop(coin, None)
                self.naked_s.pop(coin, None)
            bare = naked(world, coin)
            able = desk is not None and desk.state.reconciled and world.life.runtime.worker.failed is None
            due = able and _bare(world, desk.state, coin)
            self._since(self.known_s, coin, due, now_s)
            self._since(self.naked_s, coin, bare and coin not in world.manual and world.require == "always", now_s)
            self._judge(coin, now_s)

    def _grew(self, coin: str) -> bool:
        before, after = self._sizes.get(coin, Decimal(0)), self.world.size(coin)
        self._sizes[coin] = after
        return abs(after) > abs(before)

    def _is_deceived(self, desk: Any) -> bool:
        """Whether the venue told of a fill that never was, and the worker has not read its positions since."""
        if desk is None or "lie_filled order" not in self.world.exchange.hits:
            return False
        return any(desk.state.position(coin).size != self.world.size(coin) for coin in COINS)

    def _since(self, table: dict[str, float], coin: str, true: bool, now_s: float) -> None:
        if true:
            table.setdefault(coin, now_s)
        else:
            table.pop(coin, None)

    def _judge(self, coin: str, now_s: float) -> None:
        known_s = self.known_s.get(coin)
        if known_s is not None and now_s - known_s > NAKED_S + 2 * TICK_S and not self._acted(coin, known_s):
            self._say(f"{coin} known to be naked for {now_s - known_s:.1f} s, and no alarm", f"alarm {coin} {known_s}")
        naked_s = self.naked_s.get(coin)
        if naked_s is None or now_s - self.fault_s < CALM_S:
            return
        naked_for_s = now_s - max(naked_s, self.fault_s + CALM_S)
        self.longest_s = max(self.longest_s, naked_for_s)
        if naked_for_s > NAKED_S + 2 * TICK_S:
            self._say(f"{coin} naked for {naked_for_s:.1f} s without any fault", f"naked {coin} {naked_s}")

    def _acted(self, coin: str, since_s: float) -> bool:
        """Whether the worker raised its alarm, or is closing, since shortly before, or in the life before it."""
        desk = self.world.desk
        position = desk.state.position(coin)
        if position.watch.acted or any(holding.watch.acted for holding in position.holdings):
            return True
        if desk.state.flattening or any(owed.coin == coin for owed in desk.state.exits.values()):
            return True
        for at_s, event in reversed(self.world.recorded):
            if at_s < since_s - 5:
                return False
            if isinstance(event, ev.AlarmRaised) and coin in event.text:
                return True
            if isinstance(event, ev.ProtectionActed) and event.coin == coin:
                return True
        return False

    # -- (f) caps ----

    def _caps(self) -> None:
        fills = self.world.exchange.service.state.fills[ADDRESS]
        for fill in fills[self._fills :]:
            coin, px, size = fill["coin"], Decimal(fill["px"]), Decimal(fill["sz"])
            before = Decimal(fill["startPosition"])
            after = before + size * (1 if fill["side"] == "B" else -1)
            grown = abs(after) > abs(before) and coin not in self.world.manual
            if grown and abs(after) * px > POSITION_CAP_USD * GAP:
                self._say(f"{coin} position worth {abs(after) * px:.0f} is beyond its cap", f"cap {coin}")
        self._fills = len(fills)


def _armed(world: Any, coin: str) -> list[Decimal]:
    """The sizes of armed stops on the exchange that close what is held."""
    size, orders = world.size(coin), world.exchange.service.state.live_orders(ADDRESS, coin)
    return [one.sz for one in orders if one.tpsl == "sl" and one.phase is Phase.ARMED and one.is_buy == (size < 0)]


def naked(world: Any, coin: str) -> bool:
    """Whether the exchange holds a position that its armed stops do not close whole."""
    return sum(_armed(world, coin)) < abs(world.size(coin))


def _bare(world: Any, state: DeskState, coin: str) -> bool:
    """Whether some part of it should have a stop of its own, and has none."""
    due, stops = _due(world, state, coin), _armed(world, coin)
    return len(stops) < len(due) or sum(stops) < sum(due)


def _due(world: Any, state: DeskState, coin: str) -> list[Decimal]:
    """The sizes of the parts that should each have a stop of their own, one for each agent that holds some."""
    position = state.positions.get(coin)
    if position is None or coin in world.manual:
        return []
    if position.size != world.size(coin):
        return []  # a lying answer, or a lost one: what is held is not known yet
    return [abs(one.size) for one in position.holdings if world.require == "always" or _wished(state, coin, one)]


def _wished(state: DeskState, coin: str, holding: Holding) -> bool:
    wish = state.stop_for(coin, holding.agent)
    return wish is not None and speaks_of(wish, holding.size)


# -- after quiescence -------------------------------------------------------------------------------------------------


def judge(world: Any, watch: Watch, *, heals: bool) -> list[str]:
    """Every broken promise in words."""
    problems = [*world.problems, *watch.problems]
    life = world.life
    if life is None or life.runtime is None:
        return [*problems, "no worker runs at the end"] if heals else problems
    stored = list(life.runtime.ledger.read())
    events = [one.event for one in stored]
    problems += _orders_once(world)
    problems += _fills_once(world, events)
    problems += _stream(world, stored)
    problems += _intended(world, events)
    if heals:
        problems += _terminal(world, events)
        problems += _agreement(world, events)
        problems += _at_rest(world)
    return problems


def _orders_once(world: Any) -> Iterator[str]:
    """(a) One accepted order per cloid; one action per nonce; an order's cloid never under two nonces."""
    history = world.exchange.service.state.history.get(ADDRESS, {}).values()
    names = Counter(order.cloid for order in history if (order.cloid or "").startswith(CLOID_TAG))
    nonces: dict[int, set[bytes]] = defaultdict(set)
    used: dict[str, set[int]] = defaultdict(set)
    for row in world.exchange.reached:
        nonces[row.nonce].add(orjson.dumps(row.action, option=orjson.OPT_SORT_KEYS))
        for order in row.action.get("orders", ()):
            used[order.get("c", "")].add(row.nonce)
    yield from (f"{count} orders with cloid {name}" for name, count in names.items() if count > 1)
    yield from (f"nonce {nonce} carried {len(said)} actions" for nonce, said in nonces.items() if len(said) > 1)
    yield from (f"cloid {name} was signed {len(under)} times" for name, under in used.items() if len(under) > 1)


def _intended(world: Any, events: list[ev.Event]) -> Iterator[str]:
    """(a) What an action's entry filled on the exchange is never more than was judged."""
    judged: dict[str, Decimal] = {}
    key_of: dict[str, str] = {}
    for event in events:
        if isinstance(event, ev.EntryJudged):
            judged[event.key or ""] = max(judged.get(event.key or "", Decimal(0)), event.final_size)
        elif isinstance(event, ev.LegPlanned) and event.leg == "entry":
            key_of[event.cloid] = event.key or ""
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in world.exchange.service.state.fills[ADDRESS]:
        key = key_of.get(fill.get("cloid") or "")
        if key is not None:
            filled[key] += Decimal(fill["sz"])
    for key, size in filled.items():
        if key in judged and size > judged[key]:
            yield f"the entry of {key[:12]} filled {size}, judged were {judged[key]}"


def _fills_once(world: Any, events: list[ev.Event]) -> Iterator[str]:
    """(c) A fill is recorded once at most, and once more where only a look-up told whose it was.

    A life without the record of its order (a new, old or unwritable ledger) writes it down as nobody's; when the action
    comes again, its order is looked up and written down with its leg and fills. It counts once (``seen_fills``), which
    positions and the folded state are held to below.
    """
    told: dict[tuple[int, int], list[str]] = defaultdict(list)
    for event in events:
        if isinstance(event, ev.FillSeen):
            told[event.fill.tid, event.fill.oid].append(event.key or "")
    for (tid, _), keys in told.items():
        if len(keys) > 1 and (len(keys) > 2 or keys[0] or not keys[1]):
            yield f"fill {tid} recorded {len(keys)} times"


def _stream(world: Any, stored: list[Any]) -> Iterator[str]:
    """(e) No gap in the numbers, and folding the stream gives the state the worker has."""
    numbers = [one.seq for one in stored]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the event stream has a gap"
    worker = world.life.runtime.worker
    if worker.failed is not None:
        return
    intake, desk = IntakeState(), DeskState(account="main")
    for one in stored:
        evolve_intake(intake, one.event)
        if one.event.account in (None, "main"):
            evolve(desk, one.event)
    live = worker.desks["main"].state
    different = [name for name in DeskState.__slots__ if getattr(desk, name) != getattr(live, name)]
    if different:
        yield f"folding the events does not give the desk's state: {different}"
    if intake.books != worker.intake.books:
        yield "folding the events does not give the books"


def _terminal(world: Any, events: list[ev.Event]) -> Iterator[str]:
    """(b) Every action received has one final outcome, and none was lost on a good line."""
    by_key = _stories(events)
    received = {event.key: event for event in events if isinstance(event, ev.ActionReceived)}
    for key, event in received.items():
        outcome = outcome_of("main", by_key[key or ""])
        if "main" in event.accounts and outcome.outcome not in FINAL and key not in world.desk.state.unmet:
            yield f"action {event.action_id} is {outcome.outcome} ({outcome.reason}) in the end"
    if not LOSSY & {step["do"] for step in world.steps}:
        known = {event.action_id for event in received.values()}
        lost = [row["action_id"] for row in world.published if row["_reached"] and row["action_id"] not in known]
        yield from (f"signal {name} was lost" for name in lost)


def _stories(events: list[ev.Event]) -> dict[str, list[ev.Event]]:
    """Each action's events, as the ledger's index finds them: by key, and what is said of its orders."""
    by_key: dict[str, list[ev.Event]] = defaultdict(list)
    key_of: dict[str, str] = {}
    for event in events:
        if isinstance(event, ev.LegPlanned):
            key_of[event.cloid] = event.key or ""
        names = (*getattr(event, "cloids", ()), getattr(event, "cloid", None))
        keys = {event.key, *(key_of.get(name or "") for name in names)} - {None}
        for key in by_key if isinstance(event, ev.ProcessStarted) else sorted(str(key) for key in keys):
            by_key[key].append(event)
    return by_key


def _agreement(world: Any, events: list[ev.Event]) -> Iterator[str]:
    """(c) Positions, orders and fills are the exchange's."""
    state, venue = world.desk.state, world.exchange.service.state
    for coin in COINS:
        ours = state.positions[coin].size if coin in state.positions else Decimal(0)
        if ours != world.size(coin):
            yield f"{coin}: we believe {ours}, the exchange holds {world.size(coin)}"
    theirs = {order.oid for order in venue.live_orders(ADDRESS)}
    listed, legs = set(state.orders), {leg.oid for leg in state.live.values()}
    if listed - theirs or theirs - listed - legs:  # the list is read now and then: legs tell of what came since
        yield f"open orders differ: only theirs {sorted(theirs - listed - legs)}, only ours {sorted(listed - theirs)}"
    if legs - theirs:
        yield f"live legs without an order: {[str(leg) for leg in state.live.values() if leg.oid not in theirs]}"
    first_ms = next(event.at_ms for event in events if isinstance(event, ev.ProcessStarted))
    seen = {(event.fill.tid, event.fill.oid) for event in events if isinstance(event, ev.FillSeen)}
    made = {(fill["tid"], fill["oid"]) for fill in venue.fills[ADDRESS] if fill["time"] >= first_ms}
    if made != seen:
        yield f"fills differ: {len(made - seen)} not recorded, {len(seen - made)} never made"


def _at_rest(world: Any) -> Iterator[str]:
    """(d, g) In peace: nothing owed, nothing unknown, stops fit, no orphans, and out where the agent is out."""
    desk, intake = world.desk, world.life.runtime.worker.intake
    state = desk.state
    if state.exits:
        yield f"exits still owed: {list(state.exits.values())}"
    if desk.uncertain_legs() or desk.unknown_requests():
        yield f"still unknown: {desk.uncertain_legs()} {desk.unknown_requests()}"
    for coin in COINS:
        yield from _coin_at_rest(world, state, intake, coin)


def _coin_at_rest(world: Any, state: DeskState, intake: IntakeState, coin: str) -> Iterator[str]:
    venue, size = world.exchange.service.state, world.size(coin)
    triggers = [o for o in venue.live_orders(ADDRESS, coin) if (o.cloid or "").startswith(CLOID_TAG) and o.tpsl]
    if size == 0 and triggers:
        yield f"{coin} is flat and has {len(triggers)} orphan triggers of ours"
    if coin in world.manual:
        return
    stops = [order for order in triggers if order.tpsl == "sl"]
    due, position = Counter(_due(world, state, coin)), state.position(coin)
    placed = Counter(one.sz for one in stops)
    unasked = len(position.holdings) - due.total()  # parts nobody wished a stop for, or in a life that left no record
    if unasked and any(step["do"] == "disk" for step in world.steps):
        unasked = len(stops)  # whose stops such a life left behind cannot be told: they stay while some part has none
    if due and (due - placed or (placed - due).total() > unasked):
        yield f"{coin}: {list(due)} held, stops {[(str(one.sz), str(one.trigger_px)) for one in stops]}"
    if position.owned != size or position.ahead:
        yield f"{coin}: {size} held, owned {position}"
    for one in position.holdings:
        books = [book.size for key, book in intake.books.items() if key.coin == coin and key.agent == one.agent]
        if not any(book * one.size > 0 for book in books):
            yield f"{coin}: {one.size} held of {one.agent}, whose book is {books}"
