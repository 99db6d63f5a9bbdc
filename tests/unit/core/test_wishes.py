"""Standing wishes: what shall go, what shall protect, what stops entries; and what a start forgets."""

from __future__ import annotations

from decimal import Decimal

from received import received

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, PositionFact
from executor.core.settings import ABSENT_MARGIN_MS
from executor.core.state import DeskState, Leverage
from executor.core.types import ActionType, Side

D = Decimal


def desk(*events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    for event in events:
        evolve(state, event)
    return state


def read(size: str) -> ev.AccountRead:
    held = (PositionFact("BTC", D(size), D(100), 1, False, None, D(0), D(0)),)
    return ev.AccountRead(at_ms=1, fact=AccountFact(held, D(0), D(0), D(0), 1))


def planned(cloid: str, kind: ev.LegKind = "entry") -> ev.LegPlanned:
    return ev.LegPlanned(
        at_ms=1,
        key="k",
        cloid=cloid,
        leg=kind,
        attempt=1,
        coin="BTC",
        side=Side.BUY,
        size=D(1),
        limit_px=D(1),
        reduce_only=False,
    )


def sent(request_id: str, purpose: str, *cloids: str) -> ev.SendStarted:
    return ev.SendStarted(
        at_ms=2,
        request_id=request_id,
        purpose=purpose,
        signer="s",
        nonce=1,
        expires_after_ms=100,
        vault=None,
        action={},
        cloids=cloids,
        coin="BTC",
    )


def stop(key: str = "s", side: Side | None = None) -> ev.StopWanted:
    return ev.StopWanted(at_ms=3, key=key, coin="BTC", trigger_px=D(90), signal_at_ms=2, side=side)


def target(key: str, side: Side | None = None) -> ev.TargetWanted:
    return ev.TargetWanted(at_ms=3, key=key, coin="BTC", trigger_px=D(110), fraction=D("0.5"), side=side)


def heard(key: str | None, *accounts: str) -> ev.ActionReceived:
    return received(key=key, accounts=accounts, routes=accounts)


def test_an_exit_is_owed_against_the_entries_still_open_until_it_is_settled() -> None:
    owed = ev.ExitOwed(at_ms=5, key="x", coin="BTC", agent=None, size=D(2), why="signal", side=Side.SELL)
    state = desk(planned("0x1"), planned("0x2", "stop"), owed)
    assert (state.exits["x"].owed, state.exits["x"].against, state.exits["x"].side) == (D(2), ("0x1",), Side.SELL)
    settled = ev.ExitSettled(at_ms=6, key="x", coin="BTC", left=D(0))
    for _ in range(2):
        evolve(state, settled)
    assert state.exits == {}


def test_the_newest_stop_replaces_and_targets_add_up() -> None:
    state = desk(stop("one"), stop("two"), target("t"), target("u"))
    assert state.stops["BTC"][0].key == "two"
    assert [wish.key for wish in state.targets["BTC"]] == ["t", "u"]


def test_a_wish_has_seen_its_position_if_it_is_there_already_on_its_side() -> None:
    for side, seen in ((None, True), (Side.SELL, True), (Side.BUY, False)):
        state = desk(read("1"), stop(side=side), target("t", side))
        assert (state.stops["BTC"][0].seen, state.targets["BTC"][0].seen) == (seen, seen)
    state = desk(stop(), target("t"))
    assert (state.stops["BTC"][0].seen, state.targets["BTC"][0].seen) == (False, False)


def dropped(kind: ev.LegKind, key: str = "t") -> ev.WantDropped:
    return ev.WantDropped(at_ms=4, key=key, coin="BTC", kind=kind, reason="NO_POSITION")


def test_a_dropped_wish_goes_alone() -> None:
    state = desk(stop(), target("t"), target("u"), dropped("target"))
    assert ([wish.key for wish in state.targets["BTC"]], "BTC" in state.stops) == (["u"], True)
    for event in (dropped("target", "u"), dropped("target", "u"), dropped("stop", "s"), dropped("stop", "s")):
        evolve(state, event)
    assert (state.targets, state.stops) == ({}, {})


def test_leverage_is_wanted_then_confirmed_or_forgotten() -> None:
    state = desk(ev.LeverageWanted(at_ms=1, coin="BTC", leverage=5, is_cross=True))
    assert state.leverage["BTC"] == Leverage(5, True, "wanted")
    evolve(state, ev.LeverageConfirmed(at_ms=2, coin="BTC", leverage=5, is_cross=True))
    assert state.leverage["BTC"] == Leverage(5, True, "confirmed")
    for _ in range(2):
        evolve(state, ev.LeverageFailed(at_ms=3, coin="BTC", reason="R", text=""))
    assert state.leverage == {}


def test_an_action_waits_on_the_accounts_its_routes_name_until_taken_or_refused() -> None:
    taken = ev.ActionTaken(
        at_ms=2,
        key="k",
        agent=None,  # type: ignore[arg-type]  # of no matter here
        coin="BTC",
        side=Side.BUY,
        action_id="x",
        action_type=ActionType.TRADE,
        signal_at_ms=1,
        route="a",
        strategy="s",
        exit_fraction=D(0),
        entry_size=D(1),
        looked_up=False,
    )
    assert desk(heard("k", "other")).waiting == {}
    assert set(desk(heard("k", "a", "other")).waiting) == {"k"}
    assert desk(heard("k", "a"), taken).waiting == {}
    assert desk(heard("k", "a"), ev.ActionRefused(at_ms=2, key="k", reason="R", detail="")).waiting == {}


def started(clean: bool) -> ev.ProcessStarted:
    return ev.ProcessStarted(at_ms=50, clean=clean, version="1", mode="dry")


def test_a_start_makes_what_was_out_unknown_and_trusts_no_setting() -> None:
    state = desk(
        planned("0x1"),
        planned("0x2"),
        planned("0x3", "stop"),
        ev.LeverageConfirmed(at_ms=1, coin="BTC", leverage=5, is_cross=True),
        sent("orders", "entry", "0x1"),
        ev.CancelWanted(at_ms=2, coin="BTC", oid=4, cloid="0x3", why="t"),
        sent("cancels", "cancel", "0x3"),
        sent("setting", "leverage"),
        ev.Reconciled(at_ms=3, why="start"),
        started(clean=True),
    )
    assert [leg.state for leg in state.legs.values()] == ["unknown", "planned", "planned"]
    assert [(r.request_id, r.unknown) for r in state.requests.values()] == [("orders", True)]
    assert (state.cancels["0x3"].asked, state.leverage, state.reconciled) == (False, {}, False)
    assert (state.continuous, state.started_ms) == (True, 50)
    assert not desk(started(clean=False)).continuous


def test_a_start_keeps_the_margin_before_an_order_counts_as_absent() -> None:
    state = desk(planned("0x1"), sent("orders", "entry", "0x1"), started(clean=False))
    assert state.legs["0x1"].deadline_ms == 100 + ABSENT_MARGIN_MS


def test_a_pause_lasts_until_resumed_and_a_flatten_stays_latched_until_then() -> None:
    state = desk(ev.Paused(at_ms=1, by="x"), stop(), target("t"), ev.FlattenStarted(at_ms=2, by="x"))
    assert (state.paused, state.flattening, state.latched, state.flat_reads) == (True, True, True, 0)
    assert (state.stops, state.targets) == ({}, {})
    evolve(state, ev.FlattenDone(at_ms=3))
    assert (state.flattening, state.latched) == (False, True)
    evolve(state, ev.Resumed(at_ms=4, by="x"))
    assert (state.paused, state.latched) == (False, False)


def test_a_breaker_lasts_until_it_is_reset() -> None:
    state = desk(ev.BreakerLatched(at_ms=1, rule="r", value="1", limit="0", until_ms=9))
    assert state.breakers == {"r": 9}
    for _ in range(2):
        evolve(state, ev.BreakerReset(at_ms=2, rule="r", by="x"))
    assert state.breakers == {}


def test_a_naked_position_is_timed_from_its_start_and_acted_on_once() -> None:
    bare = ev.ProtectionChanged(at_ms=5, coin="BTC", state="unprotected", since_ms=4)
    state = desk(bare, ev.ProtectionActed(at_ms=6, coin="BTC", policy="alert"))
    assert (state.position("BTC").unprotected_since_ms, state.position("BTC").watch.acted) == (4, True)
    evolve(state, ev.ProtectionChanged(at_ms=7, coin="BTC", state="protected", since_ms=7))
    assert (state.position("BTC").unprotected_since_ms, state.position("BTC").watch.acted) == (None, False)


def test_what_of_an_account_is_missing_is_known_until_it_was_read_or_a_new_life_begins() -> None:
    failed = ev.ReconcileFailed(at_ms=1, account="a", missing=("fills", "positions"), text="timeout")
    assert desk(failed).missing == ("fills", "positions")
    assert desk(failed, ev.Reconciled(at_ms=2, why="start")).missing == ()
    assert desk(failed, ev.ProcessStarted(at_ms=2, clean=True, version="1", mode="live")).missing == ()
