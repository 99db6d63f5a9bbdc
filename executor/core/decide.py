"""What an account does about one action: the exit part, the entry part, the stop, the target.

``take_up`` is the middle of the program. It reads the desk's state and returns events; it changes nothing. The
agent's book says what the action means: what shrinks it is an exit for us, whatever the strategy wants, at once and
unconditionally; what grows or flips it is an entry and must pass every gate. Orders are only planned
here: ``steps`` keeps what was planned going, ``batch`` says what may leave.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from executor.core import events as ev
from executor.core.book import split
from executor.core.entry import describe, entry_events, holds
from executor.core.exits import below_minimum
from executor.core.identity import plain
from executor.core.intents import StopIntent, TargetIntent
from executor.core.lifecycle import LegState
from executor.core.position import Holding
from executor.core.prior import cloids_of, prior_events
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.signal import Signal
from executor.core.sizing import exit_size, share
from executor.core.state import DeskState
from executor.core.types import ZERO, ActionType, Agent, Side, closing_side

LEAD_MS = 2_000
"""How much earlier than its entry a stop or target may be stamped: senders emit them together, in whatever order."""

Taker = Callable[[DeskSettings, DeskState, Signal, int, Market], list[ev.Event]]


def take_up(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int, market: Market) -> list[ev.Event]:
    """Decide on one action for one account."""
    refusal = _outright(signal)
    if refusal is not None:
        return [_refuse(state, signal, now_ms, *refusal)]
    found = _found_before(settings, state, signal, now_ms)
    if not found:
        return _TAKERS[signal.received.action_type](settings, state, signal, now_ms, market)
    if signal.received.action_type == ActionType.TRADE:
        return [*_taken(state, signal, now_ms), *found]
    return [*found, *_TAKERS[signal.received.action_type](settings, state, signal, now_ms, market)]


def _found_before(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> list[ev.Event]:
    if not signal.prior:
        return []
    return prior_events(state, signal, cloids_of(settings, signal.key, signal.received.action_type), now_ms)


def _outright(signal: Signal) -> tuple[str, str] | None:
    """Actions that are not for us to execute, whatever they say."""
    received = signal.received
    if received.status not in (None, "PENDING"):
        return ("NOT_PENDING", f"status is {received.status}")
    if received.server_execution:
        return ("SERVER_EXECUTION", "the platform executes this one itself")
    if received.server_execution is None and signal.unstated == "skip":
        return (
            "SERVER_EXECUTION_UNSTATED",
            "the frame does not say who executes, and sources[].server_execution is skip",
        )
    if received.coin is None:
        return (received.symbol_problem, f"symbol {received.symbol!r}")
    return None


def _refuse(
    state: DeskState, signal: Signal, now_ms: int, reason: str, detail: str, part: ev.Part = "all"
) -> ev.ActionRefused:
    return ev.ActionRefused(
        at_ms=now_ms, account=state.account, key=signal.key, reason=reason, detail=detail, part=part
    )


def _taken(
    state: DeskState, signal: Signal, now_ms: int, fraction: Decimal = ZERO, entry: Decimal = ZERO
) -> list[ev.Event]:
    """The first two steps of every explanation: what the action means for us, and what the strategy wanted."""
    received = signal.received
    taken = ev.ActionTaken(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        agent=signal.agent,
        coin=received.coin or "",
        side=received.side,
        action_id=received.action_id,
        action_type=received.action_type,
        signal_at_ms=signal.signal_at_ms,
        route=signal.route,
        strategy=signal.strategy,
        exit_fraction=fraction,
        entry_size=entry,
        looked_up=signal.looked_up,
    )
    proposed = ev.IntentProposed(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        strategy=signal.strategy,
        intents=tuple(describe(intent) for intent in signal.intents),
        failure=signal.failure,
    )
    return [taken, proposed]


# -- trades -----------------------------------------------------------------------------------------------------


def _trade(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int, market: Market) -> list[ev.Event]:
    received = signal.received
    parts = split(received.book_before, received.book_after)
    fraction = _lost_book_fraction(state, signal) if parts.exit_fraction == 0 else parts.exit_fraction
    opens = parts.entry_size if parts.entry_side is received.side and not received.reduce_only else ZERO
    if parts.exit_fraction == 0 and fraction > 0:
        opens = ZERO
    events = _taken(state, signal, now_ms, fraction, opens)
    exits = _exit_part(state, signal, fraction, now_ms, market) if fraction > 0 else []
    events += exits
    if opens > 0:
        opposed = state.position(received.coin or "").held_by(signal.agent) * received.side.sign < 0
        wait_flat = opposed or any(isinstance(event, ev.ExitOwed) for event in exits)
        events += entry_events(settings, state, signal, opens, received.side, now_ms, market, wait_flat=wait_flat)
    elif fraction == 0:
        events.append(_refuse(state, signal, now_ms, "NO_POSITION", "it only reduces, and there is nothing to reduce"))
    return events


def _lost_book_fraction(state: DeskState, signal: Signal) -> Decimal:
    """The share that leaves when the agent's book is unknown to us but its position is ours: it then only reduces."""
    received, coin = signal.received, signal.received.coin or ""
    held = state.position(coin).held_by(signal.agent)
    if held == 0 or received.book_before != 0 or received.side is not closing_side(held):
        return ZERO
    if state.owed(coin, signal.agent) >= abs(held):
        return ZERO  # it is leaving already: the agent opens the other side
    return share(received.size, held)


def _exit_part(state: DeskState, signal: Signal, fraction: Decimal, now_ms: int, market: Market) -> list[ev.Event]:
    """Our share of what the agent closes, out of what is live and what may still come (design.md section 5)."""
    received, coin = signal.received, signal.received.coin or ""
    position = state.position(coin)
    if not holds(state, coin, signal.agent):
        if position.foreign:
            return [_refuse(state, signal, now_ms, "SYMBOL_OWNED", f"the {coin} position is not this agent's", "exit")]
        return [_refuse(state, signal, now_ms, "NO_POSITION", f"we hold no {coin} of this agent to close", "exit")]
    holding = position.holding(signal.agent)
    older = holding is not None and signal.signal_at_ms < holding.opened_at_ms
    if holding is not None and older and received.book_after * holding.size > 0:
        return [_refuse(state, signal, now_ms, "SUPERSEDED", "older than the position it would close", "exit")]
    dropped = _drop_planned(state, signal, fraction, now_ms)
    gone = sum((state.legs[d.cloid].remaining for d in dropped if state.legs[d.cloid].kind == "entry"), ZERO)
    side = _exit_side(state, signal)
    base = _closable(state, coin, signal.agent, side) - gone
    size = base if fraction == 1 else market.rules.floor_size(coin, exit_size(fraction, base))
    if base <= 0:
        text = f"nothing of {coin} is left to close" + (": its entry had not left yet, and will not" if dropped else "")
        return [*dropped, _refuse(state, signal, now_ms, "NO_POSITION", text, "exit")]
    if size == 0 or (fraction < 1 and below_minimum(size, coin, side, market)):
        text = f"{plain(size)} {coin} is less than the venue takes; it leaves when the agent closes"
        return [_refuse(state, signal, now_ms, "EXIT_BELOW_MINIMUM", text, "exit")]
    return [*dropped, _owed(state, signal, side, size, now_ms)]


def _exit_side(state: DeskState, signal: Signal) -> Side:
    """The side that closes: the action's, but where what we hold stands against the agent's book, and stays.

    Then its strategy was changed for an opposite one, or its route's name is gone: what the agent closes is closed.
    """
    received, coin = signal.received, signal.received.coin or ""
    held = state.position(coin).held_by(signal.agent)
    against = held * received.book_before < 0 and state.owed(coin, signal.agent) < abs(held)
    return received.side.opposite if against else received.side


def _owed(state: DeskState, signal: Signal, side: Side, size: Decimal, now_ms: int) -> ev.ExitOwed:
    return ev.ExitOwed(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        coin=signal.received.coin or "",
        agent=signal.agent,
        size=size,
        why="signal",
        side=side,
    )


def _closable(state: DeskState, coin: str, agent: Agent, side: Side) -> Decimal:
    """What an agent's order of this side may still close: live and unresolved on the other side, less what leaves.

    During a flip the position before and the entry after stand on opposite sides; an exit speaks of one of them.
    """
    held = state.position(coin).held_by(agent)
    live = abs(held) if held != 0 and closing_side(held) is side else ZERO
    coming = sum((leg.remaining for leg in state.legs_for(coin, "entry", agent) if leg.side is not side), ZERO)
    leaving = sum((owed.owed for owed in state.exits_for(coin, agent) if owed.side in (None, side)), ZERO)
    return live + coming - leaving


def _drop_planned(state: DeskState, signal: Signal, fraction: Decimal, now_ms: int) -> list[ev.LegDropped]:
    """A full exit makes entries that have not left yet pointless."""
    if fraction < 1:
        return []
    mine = [leg for leg in state.legs_of(signal.received.coin or "") if leg.agent == signal.agent]
    planned = [leg for leg in mine if leg.state is LegState.PLANNED]
    return [
        ev.LegDropped(at_ms=now_ms, account=state.account, key=leg.key, cloid=leg.cloid, reason="CLOSED_BEFORE_SENT")
        for leg in planned
        if leg.kind == "entry" or leg.bracket
    ]


# -- stops and targets ------------------------------------------------------------------------------------------


def _protective_refusal(state: DeskState, signal: Signal) -> tuple[str, str] | None:
    """What stops and targets must be: of this agent's position, on its closing side, not older than it."""
    received, coin = signal.received, signal.received.coin or ""
    position = state.position(coin)
    if position.foreign and not holds(state, coin, signal.agent):
        return ("SYMBOL_OWNED", f"the {coin} position is not this agent's")
    side = _held_side(state, coin, signal.agent)
    if side is not None and received.side is side:
        return ("WRONG_SIDE", f"a {received.side} order does not close this position")
    holding = position.holding(signal.agent)
    if holding is not None and signal.signal_at_ms < holding.opened_at_ms and not _led(state, signal, holding):
        return ("SUPERSEDED", "older than the position it would protect")
    return None


def _led(state: DeskState, signal: Signal, holding: Holding) -> bool:
    """Whether what is stamped before the position it would protect came with its entry, not with the position before.

    It did not where something of the agent's closed there since the stamp. A stop that came in order goes before it.
    """
    received, since_ms = signal.received, signal.signal_at_ms
    if since_ms < holding.opened_at_ms - LEAD_MS:
        return False
    mine = (leg for leg in state.legs.values() if leg.coin == received.coin and leg.agent == signal.agent)
    if any(
        leg.reduce_only and leg.side is received.side and leg.filled and leg.last_change_ms >= since_ms for leg in mine
    ):
        return False
    stop = state.stop_for(received.coin or "", signal.agent)
    in_order = stop is not None and not stop.default and stop.signal_at_ms >= holding.opened_at_ms
    return received.action_type == ActionType.TAKE_PROFIT or not in_order


def _held_side(state: DeskState, coin: str, agent: Agent) -> Side | None:
    """The side of what the agent holds: during a flip that is what the newest entry opens."""
    entries, held = state.legs_for(coin, "entry", agent), state.position(coin).held_by(agent)
    if entries:
        return entries[-1].side
    return closing_side(held).opposite if held != 0 else None


def _with_alarm(state: DeskState, signal: Signal, now_ms: int, refusal: tuple[str, str]) -> list[ev.Event]:
    """A protective order that is refused leaves a position as it was: a person is told."""
    text = f"{signal.received.action_type} on {signal.received.coin} refused: {refusal[1]}"
    alarm = ev.AlarmRaised(at_ms=now_ms, account=state.account, key=signal.key, code=refusal[0], text=text)
    return [_refuse(state, signal, now_ms, *refusal), alarm]


def _stop(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int, market: Market) -> list[ev.Event]:
    events = _taken(state, signal, now_ms)
    refusal = _protective_refusal(state, signal) or _older_stop(state, signal)
    if refusal is not None:
        return [*events, *_with_alarm(state, signal, now_ms, refusal)]
    coin = signal.received.coin or ""
    wished = next((i.trigger_px for i in signal.intents if isinstance(i, StopIntent)), signal.received.trigger_px)
    wanted = ev.StopWanted(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        coin=coin,
        trigger_px=market.rules.trigger_px(coin, wished or ZERO),
        signal_at_ms=signal.signal_at_ms,
        side=signal.received.side,
        agent=signal.agent,
    )
    return [*events, wanted]


def _older_stop(state: DeskState, signal: Signal) -> tuple[str, str] | None:
    wish = state.stop_for(signal.received.coin or "", signal.agent)
    if wish is None or wish.default or signal.signal_at_ms >= wish.signal_at_ms:
        return None
    return ("SUPERSEDED", f"a newer stop at {plain(wish.trigger_px)} stands")


def _target(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int, market: Market) -> list[ev.Event]:
    events = _taken(state, signal, now_ms)
    refusal = _protective_refusal(state, signal)
    if refusal is not None:
        return [*events, *_with_alarm(state, signal, now_ms, refusal)]
    coin, received = signal.received.coin or "", signal.received
    default = TargetIntent(
        coin=coin, trigger_px=received.trigger_px or ZERO, fraction=share(received.size, received.book_after)
    )
    wished = next((i for i in signal.intents if isinstance(i, TargetIntent)), default)
    wanted = ev.TargetWanted(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        coin=coin,
        trigger_px=market.rules.trigger_px(coin, wished.trigger_px),
        fraction=wished.fraction,
        side=received.side,
        agent=signal.agent,
    )
    return [*events, wanted]


_TAKERS: dict[str, Taker] = {
    ActionType.TRADE: _trade,
    ActionType.STOP_LOSS: _stop,
    ActionType.TAKE_PROFIT: _target,
}
