"""The mirror adds up as the server does, keeps what a snapshot cannot know, and drops what is gone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from executor.core.source_events import Origin
from executor.core.types import ZERO
from executor.sources.nexgent_mirror import Mirror, Position, Step, apply, as_event, fold
from executor.sources.nexgent_wire import Change, Connected, Gone, Ignored, Mark, Message, Prices, Snapshot, Upsert

MINT = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
ORIGIN = Origin("nexgent", "nex", "agent:a1", 1)


def change(position_id: str = "p1", **values: Any) -> Change:
    usual = {"token_address": MINT, "symbol": "BONK", "purchase_amount": Decimal(1000)}
    return Change(position_id, {**usual, "purchase_price": Decimal("0.001"), "updated_ms": 10, **values})


def snapshot(*rows: Change, **more: Any) -> Snapshot:
    return Snapshot(rows, **more)


def after(*messages: Message) -> Step:
    mirror = Mirror()
    step = Step(mirror)
    for message in messages:
        step = apply(step.mirror, message)
    return step


def held(step: Step) -> dict[str, Decimal]:
    return {key: one.holding for key, one in step.mirror.positions.items()}


def position(**values: Any) -> Position:
    return Position("p1", **change(**values).values)


def test_value_and_profit_count_what_was_sold_and_realised() -> None:
    """signal-protocols.md section 2.4: bought 1000 at 0.001, 400 left, 0.5 SOL realised, price unchanged."""
    one = position(remaining_amount=Decimal(400), realized_sol=Decimal("0.5"), current_price=Decimal("0.001"))
    assert (one.holding, one.value_sol, one.profit_sol, one.profit_pct) == (400, Decimal("0.4"), Decimal("0.5"), 50)


def test_without_a_price_yet_the_purchase_price_stands_in_and_without_any_nothing_is_claimed() -> None:
    assert (position().value_sol, position().profit_pct, position().change_pct) == (1, 0, 0)
    bare = position(purchase_price=None)
    assert (bare.value_sol, bare.profit_sol, bare.profit_pct, bare.change_pct, bare.usd(ZERO)) == (None,) * 5


def test_dollars_come_from_the_servers_own_pair_of_prices() -> None:
    one = position(current_price=Decimal("0.002"), current_price_usd=Decimal("0.3"))
    assert (one.sol_usd, one.usd(one.value_sol)) == (150, 300)
    assert position(purchase_price_usd=Decimal("0.1")).sol_usd == 100


def test_a_new_purchase_price_does_not_meet_the_old_one_in_dollars() -> None:
    step = after(snapshot(change(purchase_price_usd=Decimal("0.1"))), Upsert(change(purchase_price=Decimal("0.002"))))
    assert step.mirror.positions["p1"].sol_usd is None


def test_a_snapshot_replaces_everything_and_tells_what_vanished() -> None:
    step = after(snapshot(change("p1"), change("p2")), Connected(), snapshot(change("p2")))
    assert held(step) == {"p2": 1000}
    assert [one.id for one in step.closed] == ["p1"]
    assert [one.id for one in step.changed] == ["p2"]
    assert step.mirror.live


def test_what_came_since_connected_is_not_ended_by_a_snapshot_read_before_it() -> None:
    step = after(snapshot(change("p1")), Connected(), Upsert(change("early")), snapshot(change("p1")))
    assert set(held(step)) == {"p1", "early"}
    assert step.closed == ()


def test_what_was_closed_is_not_revived_by_a_late_snapshot_or_update() -> None:
    step = after(snapshot(change("p1")), Connected(), Gone("p1"), snapshot(change("p1")), Upsert(change("p1")))
    assert held(step) == {}
    assert step.changed == ()


def test_a_row_older_than_what_we_were_told_does_not_undo_it() -> None:
    newer = change(purchase_amount=Decimal(2000), updated_ms=20)
    step = after(Connected(), Upsert(newer), snapshot(change(updated_ms=10)))
    assert held(step) == {"p1": 2000}
    assert held(apply(step.mirror, Upsert(change(updated_ms=15)))) == {"p1": 2000}


def test_positions_that_could_not_be_read_exist() -> None:
    both = snapshot(change("p1"), change("p2"))
    assert set(held(after(both, Connected(), snapshot(change("p1"), unread=("p2",))))) == {"p1", "p2"}
    assert set(held(after(both, Connected(), snapshot(complete=False)))) == {"p1", "p2"}


def test_a_rest_snapshot_ends_only_what_was_known_when_it_was_asked_and_keeps_what_it_leaves_out() -> None:
    before = after(snapshot(change("p1"), change("p2", realized_sol=Decimal(3))), Upsert(change("p3")))
    told = Snapshot((Change("p2", {"remaining_amount": Decimal(5)}),), known=frozenset({"p1", "p2"}))
    step = apply(before.mirror, told)
    assert held(step) == {"p2": 5, "p3": 1000}
    assert step.mirror.positions["p2"].realized_sol == 3
    assert [one.id for one in step.closed] == ["p1"]


def test_a_partial_update_is_merged_and_one_for_an_unknown_position_asks_for_a_snapshot() -> None:
    step = after(snapshot(change()), Upsert(Change("p1", {"dca_count": 2, "extra": {"x": 1}})))
    one = step.mirror.positions["p1"]
    assert (one.dca_count, one.purchase_amount, one.extra, one.told_ms) == (2, 1000, {"x": 1}, None)
    unknown = apply(step.mirror, Upsert(Change("new", {"dca_count": 2})))
    assert unknown.lacking
    assert unknown.changed == ()


def test_a_created_position_that_is_known_is_one_position() -> None:
    assert held(after(snapshot(change()), Upsert(change(updated_ms=11)))) == {"p1": 1000}


def test_prices_find_their_token_in_any_case_and_keep_its_own_spelling() -> None:
    mark = Mark(MINT.lower(), Decimal("0.002"), Decimal("0.3"))
    step = after(snapshot(change(), change("p2", token_address="Other")), Prices((mark, Mark("x", None, None))))
    assert [one.id for one in step.marked] == ["p1"]
    assert step.mirror.positions["p1"].token_address == MINT
    assert step.first_priced == {"p1"}
    assert apply(step.mirror, Prices((mark,))).first_priced == frozenset()


def test_a_price_is_no_new_state_but_the_first_is() -> None:
    first, priced = position(), position(current_price=Decimal(2), current_price_usd=Decimal(300))
    dearer = position(current_price=Decimal(3), current_price_usd=Decimal(450))
    assert first.revision != priced.revision == dearer.revision
    assert (
        priced.revision
        != position(stop_pct=Decimal(1), current_price=Decimal(2), current_price_usd=Decimal(300)).revision
    )


def test_a_closed_position_is_an_event_that_holds_nothing_and_is_no_repeat() -> None:
    closed, open_ = as_event(position(), ORIGIN, closed=True), as_event(position(), ORIGIN)
    assert (closed.size, closed.at_ms, open_.size) == (0, None, 1000)
    assert closed.revision != open_.revision
    assert (open_.agent.agent_id, open_.token, open_.quote) == ("a1", MINT, "SOL")


def test_closing_what_nobody_knew_and_messages_of_no_interest_change_nothing() -> None:
    assert after(Gone("nobody")).closed == ()
    assert after(Ignored("pong")).mirror == Mirror()


def test_the_record_adds_up_to_the_same_picture() -> None:
    messages = [Connected(), snapshot(change()), Upsert(change("p2")), Gone("p1")]
    assert fold(messages) == after(*messages).mirror
