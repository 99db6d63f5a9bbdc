"""The paper exchange's engine: actions and market news in, answers and pushes out. No I/O, no clock, no randomness.

``apply`` is called with a canonical action (``hyperliquid.wire.canonical_action``) of a user whose signature and nonce
have been accepted; what comes back is the venue's whole answer.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from executor.core.types import ZERO
from executor.hyperliquid.error_strings import error_text
from executor.hyperliquid.limits import SIGNED_ACTION_WEIGHT_LIMIT
from executor.hyperliquid.meta import Universe
from executor.paper import checks, funding, liquidation, orders, placement, settings, triggers, views
from executor.paper.book import BOTH_SIDES
from executor.paper.model import Account, Json, Market, Pushes, Rules, State, Tick, open_markets

FAST_TRIGGER = "Fast cancel is not available for trigger orders."
"""Our wording: the venue's is not known (hyperliquid.md section 2.2)."""

DAY_MS = 86_400_000
SCHEDULED_CANCELS_A_DAY = 10
"""So often a scheduled cancel fires between two 00:00 UTC (hyperliquid.md section 2.8)."""

LARGEST_BUILDER_F = 100
"""A builder gets a tenth of a percent of a perp's notional at most (section 6.10), in tenths of a basis point."""

DEFAULT: Json = {"status": "ok", "response": {"type": "default"}}


def err(text: str) -> Json:
    """A refusal of the whole action."""
    return {"status": "err", "response": text}


def ok(kind: str, statuses: list[object]) -> Json:
    """Per-order results, aligned with the request."""
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}


class Exchange:
    """One venue. All methods take the venue's time; ``state`` may be read at any moment between calls."""

    def __init__(self, universe: Universe, rules: Rules | None = None) -> None:
        self.universe = universe
        self.state = State(open_markets(universe), rules or Rules())

    def fund(self, user: str, usd: Decimal) -> None:
        """Deposits dollars; the first deposit makes the account."""
        account = self.state.accounts.setdefault(user.lower(), Account(user.lower()))
        account.raw_usd += usd
        self.state.out.users.add(account.user)

    def apply(self, action: Json, user: str, now_ms: int) -> Json:
        """Executes one canonical action for a funded user. Refused whole, it costs no request budget."""
        self.advance(now_ms)
        account = self.state.accounts[user]
        size = weight(action)
        if size > SIGNED_ACTION_WEIGHT_LIMIT:
            return err(error_text("BATCH_TOO_LARGE"))
        self.state.out.users.add(user)
        handler = _ACTIONS.get(action["type"])
        if handler is None:
            return err(f"Action {action['type']} is not simulated by the paper exchange.")
        answer = handler(self.state, account, action)
        account.requests += size if answer["status"] == "ok" else 0
        return answer

    def on_market(self, tick: Tick, now_ms: int) -> None:
        """Takes market news: fills what was crossed, then moves the mark, fires triggers, liquidates."""
        self.advance(now_ms)
        market = self.state.markets.get(tick.coin)
        if market is None:
            return
        self.state.out.coins.add(tick.coin)
        self._trade_through(market, tick)
        market.oracle = tick.oracle if tick.oracle is not None else market.oracle
        market.funding = tick.funding if tick.funding is not None else market.funding
        market.last_px = tick.last if tick.last is not None else market.last_px
        if tick.oracle is not None:
            funding.settle(self.state, market)
        if tick.mark is not None:
            self._move_mark(market, tick.mark)

    def _trade_through(self, market: Market, tick: Tick) -> None:
        """Both sides are renewed before anybody trades: a half-new book would cross itself."""
        market.is_live = not tick.is_lost and (market.is_live or tick.bids is not None or tick.asks is not None)
        for is_bid, levels in ((True, tick.bids), (False, tick.asks)):
            if levels is not None:
                market.book.replace(levels, is_bid=is_bid)
        for is_bid in BOTH_SIDES:
            placement.sweep(self.state, market, is_bid)

    def _move_mark(self, market: Market, mark: Decimal) -> None:
        market.mark = mark
        market.prev_day_px = market.prev_day_px or mark
        triggers.check(self.state, market)
        liquidation.check(self.state, market.asset.coin)

    def advance(self, now_ms: int) -> None:
        """Lets time pass: hourly funding, scheduled cancels. Time never goes back."""
        self.state.now_ms = max(now_ms, self.state.now_ms)
        funding.settle_due(self.state)
        for account in self.state.accounts.values():
            if account.cancel_at_ms is not None and account.cancel_at_ms <= self.state.now_ms:
                self._cancel_as_scheduled(account)

    def _cancel_as_scheduled(self, account: Account) -> None:
        account.cancel_at_ms = None
        account.cancels_fired, account.cancels_day = _fired_today(self.state, account) + 1, _day(self.state)
        self.state.out.users.add(account.user)
        for order in self.state.live_orders(account.user):
            if order.live:
                orders.finish(self.state, order, "scheduledCancel")

    def take(self) -> Pushes:
        """What changed since the last call."""
        return self.state.take()


def weight(action: Json) -> int:
    """Orders or cancels in an action: what its signed weight and the address budget count."""
    sizes = (len(action[key]) for key in ("orders", "cancels", "modifies") if key in action)
    return max(1, next(sizes, 1))


def _order(state: State, account: Account, action: Json) -> Json:
    wires, grouping = action["orders"], action["grouping"]
    problem = checks.prevalidate(state, wires, grouping)
    builder = action.get("builder", {"b": "", "f": 0})
    problem = _builder_problem(account, builder) if problem is None else problem
    if problem is not None:
        return _refused_whole(state, problem)
    return ok("order", placement.place_all(state, account, wires, grouping, builder["f"]))


def _builder_problem(account: Account, builder: Json) -> str | None:
    """Why a builder gets no fee of these orders, whatever was approved for spot."""
    if builder["f"] > LARGEST_BUILDER_F:
        return "Builder fee is too high."
    return error_text("BUILDER_FEE_NOT_APPROVED") if builder["f"] > account.builder_fees.get(builder["b"], 0) else None


def _refused_whole(state: State, problem: str) -> Json:
    if state.rules.prevalidation == "top_level":
        return err(problem)
    return ok("order", [{"error": problem}])


def _modify(state: State, account: Account, action: Json) -> Json:
    problem = checks.prevalidate(state, [action["order"]], "na")
    if problem is not None:
        return err(problem)
    status = placement.modify(state, account, action["oid"], action["order"], always=action.get("a", False))
    if isinstance(status, dict) and "error" in status:
        return err(status["error"])
    return DEFAULT


def _batch_modify(state: State, account: Account, action: Json) -> Json:
    problem = checks.prevalidate(state, [m["order"] for m in action["modifies"]], "na")
    if problem is not None:
        return _refused_whole(state, problem)
    always = action.get("a", False)
    rows = [placement.modify(state, account, m["oid"], m["order"], always=always) for m in action["modifies"]]
    return ok("order", rows)


def _cancel(state: State, account: Account, action: Json) -> Json:
    fast = action.get("f", False)
    return ok("cancel", [_cancel_one(state, account, c["a"], c["o"], fast=fast) for c in action["cancels"]])


def _cancel_by_cloid(state: State, account: Account, action: Json) -> Json:
    fast = action.get("f", False)
    return ok("cancel", [_cancel_one(state, account, c["asset"], c["cloid"], fast=fast) for c in action["cancels"]])


def _cancel_one(state: State, account: Account, asset_id: int, oid: object, *, fast: bool) -> object:
    order = views.find_order(state, account.user, oid)
    market = state.market(asset_id)
    if order is None or not order.live or market is None or market.asset.coin != order.coin:
        return {"error": error_text("ORDER_GONE", asset_id=asset_id)}
    if fast and order.trigger_px is not None:
        return {"error": checks.on_asset(FAST_TRIGGER, asset_id)}
    orders.finish(state, order, "canceled")
    return "success"


def _schedule_cancel(state: State, account: Account, action: Json) -> Json:
    time = action.get("time")
    if time is not None and time < state.now_ms + 5000:
        return err("Scheduled cancel time too early, must be at least 5 seconds from now.")
    if account.volume_usd < state.rules.schedule_cancel_volume_usd:
        return err(error_text("SCHEDULED_CANCEL_VOLUME", volume=f"{account.volume_usd:.2f}"))
    if time is not None and _fired_today(state, account) >= SCHEDULED_CANCELS_A_DAY:
        return err(f"Too many scheduled cancels triggered for the day. Limit is {SCHEDULED_CANCELS_A_DAY}.")
    account.cancel_at_ms = time
    return DEFAULT


def _day(state: State) -> int:
    return state.now_ms // DAY_MS


def _fired_today(state: State, account: Account) -> int:
    """How often a scheduled cancel of the account fired since 00:00 UTC."""
    return account.cancels_fired if account.cancels_day == _day(state) else 0


def _setting(change: Callable[[State, Account, Json], str | None]) -> Callable[[State, Account, Json], Json]:
    def handle(state: State, account: Account, action: Json) -> Json:
        problem = change(state, account, action)
        return DEFAULT if problem is None else err(problem)

    return handle


_ACTIONS: dict[str, Callable[[State, Account, Json], Json]] = {
    "order": _order,
    "modify": _modify,
    "batchModify": _batch_modify,
    "cancel": _cancel,
    "cancelByCloid": _cancel_by_cloid,
    "updateLeverage": _setting(settings.update_leverage),
    "updateIsolatedMargin": _setting(settings.update_isolated_margin),
    "topUpIsolatedOnlyMargin": _setting(settings.top_up),
    "scheduleCancel": _schedule_cancel,
    "noop": _setting(settings.nothing),
    "setReferrer": _setting(settings.nothing),
}


def total_usd(state: State) -> Decimal:
    """Everybody's cash and purses, without positions: what conservation is judged by."""
    purses = (p.raw_usd for a in state.accounts.values() for p in a.positions.values())
    return sum((a.raw_usd for a in state.accounts.values()), ZERO) + sum(purses, ZERO) + state.insurance_usd
