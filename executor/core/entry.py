"""The entry part of an action: every gate it must pass, its size, its verdict, its planned order.

When in doubt, do not open, and say so: each gate is one row with a stable reason code, asked in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Decimal

from executor.core import events as ev
from executor.core.exposure import exposure_of
from executor.core.identity import cloid, plain
from executor.core.intents import Intent, TradeIntent
from executor.core.protocols import Market, Proposal, Verdict
from executor.core.quotecheck import quote_rejected
from executor.core.settings import MAX_STAMP_AHEAD_MS, DeskSettings
from executor.core.signal import Signal
from executor.core.sizing import entry_size, share
from executor.core.spent import DAY_MS, midnight_ms
from executor.core.state import DeskState
from executor.core.steps import margin_is_cross
from executor.core.stopcheck import beyond, beyond_alarm, liquidation_px, stop_problem, waiting_stop
from executor.core.types import Agent, Side
from executor.core.verdict import judge

Refusal = tuple[str, str]
Gate = Callable[[DeskSettings, DeskState, Signal, int], Refusal | None]


def _paused(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    return ("PAUSED", "entries are paused; `executor resume` lets them go") if state.paused else None


def _flattened(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    return ("FLATTENED", "the account was flattened; `executor resume` lets entries go") if state.latched else None


def _unwritten(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    return ("LEDGER_FAILED", "the ledger cannot be written, so nothing new may be opened") if state.unwritten else None


def _reconciled(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    if signal.entries_open:
        return None
    lacks = f": {', '.join(state.missing)} could not be read" if state.missing else ""
    return ("NOT_RECONCILED", f"the account is not read completely{lacks}")


def _breaker(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    if "signer_conflict" not in state.breakers:
        return None
    return ("SIGNER_CONFLICT", "someone else signs with this key; stop it, then `executor reset signer_conflict`")


def _unidentified(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    received = signal.received
    if received.event_id or received.action_id != received.key:
        return None
    return ("NO_ID", "the frame carries no id, so a repeat could not be told from a new action")


def _proved(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    if not signal.unproven:
        return None
    return ("UNPROVEN", "whether this action was executed before could not be looked up")


def _fresh(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    age = now_ms - signal.claimed_at_ms
    if age > settings.entry_ttl_ms:
        return ("STALE", f"{age} ms old, entries live {settings.entry_ttl_ms} ms")
    if age < -MAX_STAMP_AHEAD_MS:
        return ("STAMP_IN_FUTURE", f"stamped {-age} ms ahead of the venue's time")
    return None


def _current(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    if not signal.received.superseded:
        return None
    return ("SUPERSEDED", "a later action of this agent and symbol was already seen")


def _gapless(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    if not signal.received.gapped or signal.after_gap == "continue":
        return None
    return ("AFTER_GAP", "frames may have been missed; until the agent's book is flat it only reduces")


def _unowned(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    coin = signal.received.coin or ""
    position = state.position(coin)
    if position.size != position.known:
        return ("SYMBOL_OWNED", f"{coin} holds {plain(position.size - position.known)} that we did not open")
    return None


def _one_side(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    """Agents share a coin on one side only.

    The venue nets: against another's position an exit could not be reduce-only, and a stop would protect nothing.
    """
    coin, sign = signal.received.coin or "", signal.received.side.sign
    holders = [holding.agent for holding in state.position(coin).holdings if holding.size * sign < 0]
    holders += [leg.agent for leg in state.legs_of(coin, "entry") if leg.side.sign != sign]
    others = [agent.agent_id for agent in holders if agent is not None and agent != signal.agent]
    if not others:
        return None
    text = f"agent {others[0]} holds the other side of {coin}, and an account has one position of it"
    return ("OPPOSITE_HELD", f"{text}: route this agent to an account of its own")


def _wanted(settings: DeskSettings, state: DeskState, signal: Signal, now_ms: int) -> Refusal | None:
    if signal.failure:
        return ("STRATEGY_FAILED", signal.failure)
    trades = [intent for intent in signal.intents if isinstance(intent, TradeIntent)]
    if not trades:
        return ("STRATEGY_DECLINED", f"strategy {signal.strategy} wants no trade")
    if len(trades) > 1 or trades[0].coin != signal.received.coin:
        return ("STRATEGY_ODD", "a strategy may want one trade, in the action's own symbol")
    if len(signal.intents) > 1:  # nothing would place it, and the entry would pass for protected
        return ("STRATEGY_ODD", "a stop or target of an entry is given in its trade, as stop_px or target_px")
    return None


GATES: tuple[Gate, ...] = (
    _unwritten,
    _paused,
    _flattened,
    _breaker,
    _reconciled,
    _unidentified,
    _proved,
    _current,
    _fresh,
    _gapless,
    _unowned,
    _one_side,
    _wanted,
)
"""Asked in this order; the first no decides."""


def describe(intent: Intent) -> dict[str, str]:
    """An intent as recorded: what is set, as text."""
    shown = {"kind": type(intent).__name__}
    for name in type(intent).__slots__:
        value = getattr(intent, name)
        if value is not None:
            shown[name] = plain(value) if isinstance(value, Decimal) else str(value)
    return shown


def entry_events(
    settings: DeskSettings,
    state: DeskState,
    signal: Signal,
    size: Decimal,
    side: Side,
    now_ms: int,
    market: Market,
    *,
    wait_flat: bool,
) -> list[ev.Event]:
    """Judge the opening part of an action and plan its order, or refuse it with the deciding reason."""
    for gate in GATES:
        refusal = gate(settings, state, signal, now_ms)
        if refusal is not None:
            return [_refuse(state, signal, now_ms, *refusal)]
    intent = next(i for i in signal.intents if isinstance(i, TradeIntent))
    if intent.side is not side:
        return [_refuse(state, signal, now_ms, "STRATEGY_ODD", f"wants to {intent.side}, the action opens by {side}")]
    return _judged(settings, state, signal, intent, size, now_ms, market, wait_flat)


def _refuse(state: DeskState, signal: Signal, now_ms: int, reason: str, detail: str) -> ev.ActionRefused:
    return ev.ActionRefused(
        at_ms=now_ms, account=state.account, key=signal.key, reason=reason, detail=detail, part="entry"
    )


def _judged(
    settings: DeskSettings,
    state: DeskState,
    signal: Signal,
    intent: TradeIntent,
    theirs: Decimal,
    now_ms: int,
    market: Market,
    wait_flat: bool,
) -> list[ev.Event]:
    coin = intent.coin
    asset, touch = market.rules.asset(coin), market.touch(coin, intent.side)
    if asset is None or touch is None:
        return [_refuse(state, signal, now_ms, "NO_QUOTE", f"no price to buy or sell {coin} at")]
    cap_px = market.rules.entry_cap_px(coin, intent.side, touch, settings.entry_slippage_bps)
    held_at = None if wait_flat else occupied_leverage(state, coin)  # a flip opens on a coin that is free again
    proposal = Proposal(
        coin=coin,
        side=intent.side,
        size=entry_size(intent, share(theirs, signal.received.size), max(cap_px, touch), state.equity_usd),
        cap_px=cap_px,
        leverage=held_at or wanted_leverage(settings, signal, intent),
        asset_max_leverage=asset.max_leverage,
        has_stop=intent.stop_px is not None or _stop_wished(state, signal, intent.side),
        touch_px=touch,
    )
    doubt = quote_rejected(settings.quote_check, state.account, signal, proposal, market, now_ms)
    if doubt is not None:
        return [doubt, _refuse(state, signal, now_ms, doubt.reason, doubt.detail)]
    odd = stop_problem(state, intent, signal.agent, touch, market)
    if odd is not None:
        return [_refuse(state, signal, now_ms, *odd)]
    exposure = exposure_of(state, now_ms, market, signal.files_present)
    judgement = judge(proposal, exposure, settings.rules, market.rules)
    judged = ev.EntryJudged(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        proposed_size=proposal.size,
        final_size=judgement.final_size,
        cap_px=cap_px,
        touch_px=touch,
        leverage=judgement.leverage,
        verdicts=judgement.verdicts,
    )
    latched = latches(state, judgement.verdicts, now_ms)
    if judgement.refusal is not None:
        no = judgement.refusal
        text = f"{no.rule}: {no.value} against a limit of {no.limit}"
        return [judged, *latched, _refuse(state, signal, now_ms, no.reason, text)]
    if held_at is not None and judgement.leverage != held_at:
        text = (
            f"{coin} is held at {plain(held_at)}x, which cannot change now, and {plain(judgement.leverage)}x is allowed"
        )
        return [judged, *latched, _refuse(state, signal, now_ms, "LEVERAGE_HELD", text)]
    entry = _planned(settings, state, signal, intent, judged, now_ms, wait_flat)
    warned = _warned(settings, state, signal, entry, intent, market)
    return [judged, *latched, *warned, *_bracket(settings, state, signal, intent, entry, now_ms, market)]


def _warned(
    settings: DeskSettings, state: DeskState, signal: Signal, entry: ev.LegPlanned, intent: TradeIntent, market: Market
) -> list[ev.Event]:
    """The alarm for a stop that the position would never live to see; told before the entry leaves."""
    stop_px = intent.stop_px or waiting_stop(state, entry.coin, entry.side, signal.agent)
    asset = market.rules.asset(entry.coin)
    if stop_px is None or asset is None or entry.leverage is None:
        return []
    isolated = not margin_is_cross(settings, state, entry.coin, market)
    px = liquidation_px(
        state, entry.coin, entry.side, entry.limit_px, entry.leverage, asset.max_leverage, isolated=isolated
    )
    if px is None or not beyond(entry.side, stop_px, px):
        return []
    return [beyond_alarm(state, entry.key or "", entry.coin, stop_px, px, entry.at_ms)]


def latches(state: DeskState, verdicts: Iterable[Verdict], now_ms: int) -> list[ev.Event]:
    """The breakers that fired, each once."""
    fired = {verdict.rule: verdict for verdict in verdicts if verdict.latch and verdict.rule not in state.breakers}
    return [_latch(state, verdict, now_ms) for verdict in fired.values()]


def _latch(state: DeskState, verdict: Verdict, now_ms: int) -> ev.BreakerLatched:
    """A breaker that fired stays until the next 00:00 UTC, where it ends by itself, or ``executor reset``."""
    midnight = midnight_ms(now_ms) + DAY_MS if verdict.ends == "midnight" else None
    return ev.BreakerLatched(
        at_ms=now_ms,
        account=state.account,
        rule=verdict.rule,
        value=verdict.value,
        limit=verdict.limit,
        until_ms=midnight,
    )


def _stop_wished(state: DeskState, signal: Signal, side: Side) -> bool:
    return waiting_stop(state, signal.received.coin or "", side, signal.agent) is not None


def wanted_leverage(settings: DeskSettings, signal: Signal, intent: TradeIntent) -> Decimal:
    """The leverage of a free coin: the intent's, the action's, the default, in this order.

    Whole numbers only on this venue: rounded down, at least 1.
    """
    asked = intent.leverage or signal.received.leverage or settings.default_leverage
    return max(asked.to_integral_value(ROUND_DOWN), Decimal(1))


def occupied_leverage(state: DeskState, coin: str) -> Decimal | None:
    """The leverage of a coin that has a position or entries under way; ``None`` for a free coin.

    Until a read tells it, a position has what was confirmed for the entry that opened it, whosever that was.
    """
    position, known = state.position(coin), state.leverage.get(coin)
    if position.size != 0 and position.leverage is not None:
        return Decimal(position.leverage)
    under_way = [leg.leverage for leg in state.legs_of(coin, "entry") if leg.leverage is not None]
    if position.size != 0 and known is not None and known.status == "confirmed":
        under_way.append(Decimal(known.leverage))
    return under_way[-1] if under_way else None


def _planned(
    settings: DeskSettings,
    state: DeskState,
    signal: Signal,
    intent: TradeIntent,
    judged: ev.EntryJudged,
    now_ms: int,
    wait_flat: bool,
) -> ev.LegPlanned:
    name = cloid(settings.network, settings.address, signal.key, "entry", 1)
    return ev.LegPlanned(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        cloid=name,
        leg="entry",
        attempt=1,
        coin=intent.coin,
        side=intent.side,
        size=judged.final_size,
        limit_px=judged.cap_px,
        reduce_only=False,
        leverage=judged.leverage,
        good_until_ms=signal.signal_at_ms + settings.entry_ttl_ms,
        wait_flat=wait_flat,
        bracket=name if intent.stop_px is not None or intent.target_px is not None else None,
        agent=signal.agent,
        signal_at_ms=signal.signal_at_ms,
    )


def _bracket(
    settings: DeskSettings,
    state: DeskState,
    signal: Signal,
    intent: TradeIntent,
    entry: ev.LegPlanned,
    now_ms: int,
    market: Market,
) -> list[ev.Event]:
    """The entry, and the stop and target that go out in one action with it."""
    planned: list[ev.Event] = [entry]
    common = {
        "at_ms": now_ms,
        "account": state.account,
        "key": signal.key,
        "coin": intent.coin,
        "side": entry.side.opposite,
        "agent": signal.agent,
    }
    if intent.stop_px is not None:
        px = market.rules.trigger_px(intent.coin, intent.stop_px)
        planned.append(ev.StopWanted(**common, trigger_px=px, signal_at_ms=signal.signal_at_ms))  # type: ignore[arg-type]  # a mapping of mixed types
        planned.append(_child(settings, state, signal, entry, "stop", px, market))
    if intent.target_px is not None:
        px = market.rules.trigger_px(intent.coin, intent.target_px)
        planned.append(ev.TargetWanted(**common, trigger_px=px, fraction=Decimal(1)))  # type: ignore[arg-type]  # a mapping of mixed types
        planned.append(_child(settings, state, signal, entry, "target", px, market))
    return planned


def _child(
    settings: DeskSettings,
    state: DeskState,
    signal: Signal,
    entry: ev.LegPlanned,
    kind: ev.LegKind,
    trigger_px: Decimal,
    market: Market,
) -> ev.LegPlanned:
    side = entry.side.opposite
    return ev.LegPlanned(
        at_ms=entry.at_ms,
        account=state.account,
        key=signal.key,
        cloid=cloid(settings.network, settings.address, signal.key, kind, 1),
        leg=kind,
        attempt=1,
        coin=entry.coin,
        side=side,
        size=entry.size,
        limit_px=market.rules.stop_limit_px(entry.coin, side, trigger_px),
        reduce_only=True,
        trigger_px=trigger_px,
        good_until_ms=entry.good_until_ms,
        bracket=entry.bracket,
        agent=signal.agent,
        signal_at_ms=signal.signal_at_ms,
    )


def holds(state: DeskState, coin: str, agent: Agent) -> bool:
    """Whether an agent has a part of a coin on this account, or entries of it under way."""
    return state.position(coin).held_by(agent) != 0 or any(leg.agent == agent for leg in state.legs_of(coin, "entry"))
