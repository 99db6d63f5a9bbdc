"""desk: decides, signs and reads within a turn; what it records can be written down, and folds to the same state."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from story import T0, UNIVERSE, Story, quote

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import Fill, OpenOrder, OrderFact, RawReply
from executor.core.protocols import Market
from executor.core.state import DeskState, Leverage
from executor.core.types import Side
from executor.errors import ExecutorError
from executor.execution.desk import GATHER_S, Desk
from executor.execution.nonces import Nonces
from executor.execution.requests import signed
from executor.execution.turn import Turn
from executor.hyperliquid.signer_policy import SignerPolicy
from executor.ledger.memory import MemoryLedger
from executor.ports import FeedNews, FillsNews, OrdersNews, Signer
from executor.risk.breakers import KillFile, StopFile
from executor.venue.rules import HyperliquidRules
from executor.venue.signer import AccountSigner
from executor.venue.signer import Signer as KeySigner

D = Decimal
MARKET = Market(HyperliquidRules(UNIVERSE), {coin.coin: quote(100) for coin in UNIVERSE.assets})


class Refuses:
    """A signer with a policy of its own."""

    address = "0x" + "c" * 40

    def sign(self, action: Any, nonce: int, vault: str | None, expires_after_ms: int | None) -> dict[str, Any]:
        raise ExecutorError("too large for me")


class Bench:
    """A desk with a ledger, and the venue's answers given by hand."""

    def __init__(self, signer: Signer | None = None, **settings: Any) -> None:
        self.story = Story(settings)
        self.story.settle = lambda: None
        self.ledger = MemoryLedger()
        signer = signer or KeySigner(PrivateKey(b"\x01" * 32), mainnet=False)
        self.desk = Desk(self.story.desk, self.story.state, signer, Nonces(0))
        for coin in ("BTC", "ETH"):
            self.story.state.leverage[coin] = Leverage(3, False, "confirmed")
        self.now_s = 0.0
        self.events: list[ev.Event] = []

    def turn(self) -> Turn:
        return Turn(self.story.now)

    def finish(self, turn: Turn) -> Turn:
        self.desk.advance(turn, MARKET, self.now_s)
        self.ledger.commit(turn.frames, turn.events)
        self.events += turn.events
        return turn

    def trade(self, side: Side, size: int, **more: Any) -> Turn:
        turn, before = self.turn(), len(self.story.events)
        self.story.trade(side, size, **more)
        turn.events += [e for e in self.story.events[before:] if e.account is not None]
        return self.finish(turn)

    def reply(self, turn: Turn, *records: Any, which: int = 0, resend: bool = False) -> Turn:
        body = {"status": "ok", "response": {"type": "order", "data": {"statuses": list(records)}}}
        return self.answer(turn, RawReply(sent=True, status=200, body=body), which, resend=resend)

    def answer(self, turn: Turn, reply: RawReply, which: int = 0, *, resend: bool = False) -> Turn:
        after = self.turn()
        self.desk.answered(after, turn.outgoing[which].record, reply, resend=resend)
        return self.finish(after)


def filled(size: str = "1.0", oid: int = 7) -> dict[str, Any]:
    return {"filled": {"totalSz": size, "avgPx": "100.0", "oid": oid}}


def test_an_entry_is_recorded_before_it_may_leave_and_read_after():
    b = Bench()
    turn = b.trade(Side.BUY, 1)
    [outgoing] = turn.outgoing
    assert outgoing.record in turn.events
    assert outgoing.record in [stored.event for stored in b.ledger.read()]
    assert outgoing.request.nonce == outgoing.record.nonce == T0
    assert outgoing.record.expires_after_ms == T0 + 10_000
    b.reply(turn, filled())
    assert b.story.state.position("BTC").owned == 1
    assert b.desk.quiet()


def test_it_is_not_at_rest_before_the_answer_though_the_fills_told_all_of_it():
    b = Bench()
    turn = b.trade(Side.BUY, 1)
    b.desk.told(b.turn(), FillsNews((fill(turn.outgoing[0].record.cloids[0]),), snapshot=False))
    assert b.desk.quiet()
    assert not b.desk.at_rest()
    b.reply(turn, filled())
    assert b.desk.at_rest()


def test_an_entry_never_outlives_its_signal():
    b = Bench()
    turn = b.trade(Side.BUY, 1, at=T0 - 25_000)
    assert turn.outgoing[0].record.expires_after_ms == T0 + 5_000


def test_the_same_events_fold_to_the_same_state():
    b = Bench(require="always", policy="place_default")
    b.reply(b.trade(Side.BUY, 2), filled("2.0"))
    b.story.now += 3_000
    turn = b.finish(b.turn())
    b.reply(turn, {"resting": {"oid": 9}})
    b.reply(b.trade(Side.SELL, 1), filled("1.0"))
    fresh = DeskState("main", equity_usd=D(100_000), account_read_ms=T0, reconciled=True)
    for coin in ("BTC", "ETH"):
        fresh.leverage[coin] = Leverage(3, False, "confirmed")
    for stored in b.ledger.read():
        evolve(fresh, stored.event)
    assert fresh == b.story.state


# -- the lane of entries ----------------------------------------------------------------------------------------------


def test_while_entries_are_out_more_gather_and_leave_together_with_the_answer():
    b = Bench()
    first = b.trade(Side.BUY, 1)
    assert not b.trade(Side.BUY, 1).outgoing
    assert not b.trade(Side.BUY, 1, coin="ETH").outgoing
    [after] = b.reply(first, filled()).outgoing
    assert len(after.record.cloids) == 2


def test_gathering_ends_after_250_ms():
    b = Bench()
    b.trade(Side.BUY, 1)
    assert not b.trade(Side.BUY, 1).outgoing
    b.now_s = GATHER_S
    assert len(b.finish(b.turn()).outgoing) == 1


def test_exits_never_wait_for_another_request():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    b.trade(Side.BUY, 1, coin="ETH")
    turn = b.trade(Side.SELL, 1)
    assert [o.record.purpose for o in turn.outgoing] == ["exit"]
    assert not b.desk.quiet()


def test_nothing_leaves_nor_gets_its_name_before_what_an_earlier_life_sent_is_looked_up():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    b.desk.held = True
    turn = b.trade(Side.SELL, 1)
    assert [event.size for event in turn.events if isinstance(event, ev.ExitOwed)] == [1]
    assert ([event for event in turn.events if isinstance(event, ev.LegPlanned)], turn.outgoing) == ([], [])
    b.desk.held = False
    assert [out.record.purpose for out in b.finish(b.turn()).outgoing] == ["exit"]


def test_a_closed_door_keeps_entries_and_lets_exits_out():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    b.desk.entries_open = False
    assert not b.trade(Side.BUY, 1, coin="ETH").outgoing
    assert b.trade(Side.SELL, 1).outgoing


# -- answers ----------------------------------------------------------------


def test_no_answer_is_unknown_and_never_sent_with_another_nonce():
    b = Bench()
    turn = b.trade(Side.BUY, 1)
    after = b.answer(turn, RawReply(sent=True, error="cut"))
    assert not after.outgoing
    assert len(b.desk.unknown_requests()) == len(b.desk.uncertain_legs()) == 1
    again = b.answer(turn, RawReply(sent=True, status=200, body={"status": "err", "response": "odd"}), resend=True)
    assert not again.outgoing
    assert b.desk.uncertain_legs()
    b.reply(turn, filled(), resend=True)
    assert b.story.state.position("BTC").owned == 1
    assert not b.desk.unknown_requests()


def test_an_answer_told_twice_changes_nothing():
    b = Bench()
    turn = b.trade(Side.BUY, 1)
    b.reply(turn, filled())
    assert not b.reply(turn, filled()).events
    assert b.story.state.position("BTC").owned == 1


def test_one_error_for_a_whole_batch_of_exits_replans_them_one_by_one():
    b = Bench()
    for coin in ("BTC", "ETH"):
        b.reply(b.trade(Side.BUY, 1, coin=coin), filled(oid=len(coin)))
    turn, before = b.turn(), len(b.story.events)
    for coin in ("BTC", "ETH"):
        b.story.trade(Side.SELL, 1, coin=coin)
    turn.events += [e for e in b.story.events[before:] if e.account is not None]
    b.finish(turn)
    assert len(turn.outgoing) == 1
    after = b.answer(
        turn, RawReply(sent=True, status=200, body={"status": "err", "response": "Order has invalid size."})
    )
    assert [len(o.record.cloids) for o in after.outgoing] == [1, 1]
    assert {o.record.nonce for o in after.outgoing}.isdisjoint({o.record.nonce for o in turn.outgoing})


def test_a_duplicate_nonce_on_a_first_send_latches_entries_and_lets_exits_go():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    turn = b.trade(Side.BUY, 1, coin="ETH")
    text = f"Invalid nonce: duplicate nonce {T0}"
    b.answer(turn, RawReply(sent=True, status=200, body={"status": "err", "response": text}))
    assert "signer_conflict" in b.story.state.breakers
    assert not b.trade(Side.BUY, 1).outgoing
    assert b.trade(Side.SELL, 1).outgoing


# -- what cannot be sent ----------------------------------------


def test_what_cannot_be_signed_is_dropped_with_its_reason_and_nothing_leaves():
    b = Bench(Refuses())
    turn = b.trade(Side.BUY, 1)
    assert not turn.outgoing
    assert [e.reason for e in turn.events if isinstance(e, ev.LegDropped)] == ["UNSENDABLE"]
    assert [e.code for e in turn.events if isinstance(e, ev.AlarmRaised)] == ["UNSENDABLE"]
    assert b.desk.quiet()


def test_an_exit_that_cannot_be_signed_is_tried_again_and_paced():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    b.desk.signer = Refuses()
    b.trade(Side.SELL, 1)
    for _ in range(20):
        b.finish(b.turn())
    assert len([e for e in b.events if isinstance(e, ev.LegPlanned) and e.leg == "exit"]) == 3
    b.desk.signer = KeySigner(PrivateKey(b"\x01" * 32), mainnet=False)
    b.story.now += 1_000
    assert [o.record.purpose for o in b.finish(b.turn()).outgoing] == ["exit"]


def test_a_leverage_setting_that_cannot_be_signed_does_not_run_hot():
    b = Bench(Refuses())
    b.story.state.leverage.clear()
    b.trade(Side.BUY, 1)
    for _ in range(20):
        b.finish(b.turn())
    assert len([e for e in b.events if isinstance(e, ev.AlarmRaised)]) < 5


def test_an_exit_that_cannot_be_signed_is_not_told_as_a_refused_entry():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    b.desk.signer = Refuses()
    turn = b.trade(Side.SELL, 1)
    assert [e.part for e in turn.events if isinstance(e, ev.ActionRefused)] != ["entry"]


def wants(b: Bench, turn: Turn, *coins: str) -> None:
    for oid, coin in enumerate(coins, 3):
        b.desk.note(turn, [ev.CancelWanted(at_ms=T0, account="main", coin=coin, oid=oid, cloid=None, why="x")])
    shown = [
        OpenOrder(i, None, c, Side.BUY, D(9), D(1), D(1), False, None, "", False, T0) for i, c in enumerate(coins, 3)
    ]
    b.desk.note(turn, [ev.OrdersRead(at_ms=T0, account="main", orders=tuple(shown), asked_ms=T0)])


def test_a_cancel_that_cannot_be_signed_is_tried_again_and_does_not_run_hot():
    b = Bench(Refuses())
    turn = b.turn()
    wants(b, turn, "BTC")
    b.finish(turn)
    for _ in range(20):
        b.finish(b.turn())
    assert [cancel.attempts for cancel in b.story.state.cancels.values()] == [1]
    b.desk.signer = KeySigner(PrivateKey(b"\x01" * 32), mainnet=False)
    b.story.now += 1_000
    assert [o.record.oids for o in b.finish(b.turn()).outgoing] == [(3,)]


def test_a_cancel_that_cannot_be_made_costs_no_other_of_its_batch():
    b = Bench()
    turn = b.turn()
    wants(b, turn, "BTC", "NEW", "ETH", "SOL")
    assert sorted(oid for o in b.finish(turn).outgoing for oid in o.record.oids) == [3, 5, 6]
    assert [e.text for e in b.events if isinstance(e, ev.AlarmRaised)] == [
        "a cancel request could not be made: the venue no longer lists NEW"
    ]
    assert (b.story.state.cancels["4"].asked, b.story.state.cancels["4"].attempts) == (False, 1)


# -- news ----------------------------------------------------------------


def fill(leg_cloid: str | None, at_ms: int = T0 + 1, tid: int = 1) -> Fill:
    return Fill(tid, 7, leg_cloid, "BTC", Side.BUY, D(100), D(1), D(0), D(0), D(0), at_ms)


def test_a_fill_and_its_answer_count_once_in_any_order():
    b = Bench()
    turn = b.trade(Side.BUY, 1)
    news = FillsNews((fill(turn.outgoing[0].record.cloids[0]),), snapshot=False)
    for _ in range(2):
        told = b.turn()
        b.desk.told(told, news)
        b.finish(told)
    b.reply(turn, filled())
    assert b.story.state.position("BTC").size == 1


def test_old_fills_of_a_snapshot_are_left_out():
    b = Bench()
    b.story.state.last_fill_ms = T0
    turn = b.turn()
    b.desk.told(turn, FillsNews((fill(None, T0 - 60_001),), snapshot=True))
    assert not turn.events
    assert b.desk.fills_from_ms() == T0 - 60_000


def test_order_updates_and_feed_changes_are_taken_in():
    b = Bench()
    b.reply(b.trade(Side.BUY, 1), filled())
    turn = b.turn()
    stop = ev.StopWanted(at_ms=T0, account="main", key="k", coin="BTC", trigger_px=D(90), signal_at_ms=T0)
    b.desk.note(turn, [stop])
    b.finish(turn)
    name = turn.outgoing[0].record.cloids[0]
    order = OpenOrder(
        9, name, "BTC", Side.SELL, D(81), D(1), D(1), True, D(90), "Stop Market", False, T0
    )  # fmt: skip
    told = b.turn()
    b.desk.told(told, OrdersNews((OrderFact(order, "open", T0),)))
    b.desk.told(told, FeedNews(True))
    assert [type(e).__name__ for e in told.events] == ["LegRested"]


def test_watched_files_that_exist_are_shown(tmp_path):
    class Watches:
        name, watches = "w", (str(tmp_path / "a"), str(tmp_path / "b"))

    (tmp_path / "a").touch()
    b = Bench()
    b.desk.settings = replace(b.desk.settings, rules=(Watches(),))
    assert b.desk.files_present() == (str(tmp_path / "a"),)


def test_an_entry_about_to_end_takes_no_other_with_it():
    b = Bench()
    first = b.trade(Side.BUY, 1)  # while it is out, the others gather
    b.trade(Side.BUY, 1, coin="ETH", sender_id="old", agent="bob", at=T0 - 29_900)
    b.trade(Side.BUY, 1, coin="ETH", sender_id="new", agent="bob", at=T0)
    b.trade(Side.BUY, 1, sender_id="more")
    turn = b.reply(first, filled())
    sent = [(len(o.record.cloids), o.record.expires_after_ms) for o in turn.outgoing]
    assert sorted(sent) == [(1, T0 + 100), (2, T0 + 10_000)]


# -- the signer's own policy --------------------------------------------------------------------------------------


class Markets:
    """The bench's universe at one price."""

    def coin(self, asset_id: int) -> str | None:
        return UNIVERSE.assets[asset_id].coin

    def price(self, asset_id: int) -> Decimal | None:
        return D(100)


def guarded(b: Bench | None = None, **limits: Any) -> AccountSigner:
    """The bench's key behind limits; going on from what an earlier desk recorded, where there was one."""
    key = KeySigner(PrivateKey(b"\x01" * 32), mainnet=False)
    earlier: dict[str, Any] = {}
    if b is not None:
        state = b.story.state
        requests = {request.nonce: request.action for request in state.requests.values()}
        earlier = {"day_start_ms": state.signed.start_ms, "signed_usd": state.signed.usd, "signed": requests}
    return AccountSigner(key, SignerPolicy(**limits), Markets(), lambda: T0, **earlier)


def refused(b: Bench) -> list[str]:
    return [event.rule for event in b.events if isinstance(event, ev.SignerRefused)]


def sent(turn: Turn) -> list[list[str]]:
    """The sizes of each request's orders."""
    return [[order["s"] for order in o.request.action["orders"]] for o in turn.outgoing]


def gathered(b: Bench, *sizes: int) -> Turn:
    """Entries that became ready while another was out leave together with its answer."""
    first = b.trade(Side.BUY, 1)
    for size in sizes:
        assert not b.trade(Side.BUY, size, coin="ETH").outgoing
    return b.reply(first, filled())


@pytest.mark.parametrize("sizes", [(3, 50, 4, 5), (50, 3, 4, 5), (3, 4, 5, 50), (50, 3, 4, 50, 5)])
def test_an_entry_the_signer_refuses_costs_no_other_of_its_batch(sizes: tuple[int, ...]):
    b = Bench(guarded(per_trade_cap_usd=D(1000)))
    turn = gathered(b, *sizes)
    assert sorted(size for request in sent(turn) for size in request) == sorted(
        str(size) for size in sizes if size != 50
    )
    assert refused(b) == ["per_trade_cap"] * sizes.count(50)
    assert [e.reason for e in b.events if isinstance(e, ev.ActionRefused)] == ["SIGNER_PER_TRADE_CAP"] * sizes.count(50)
    assert len({o.record.nonce for o in turn.outgoing}) == len(turn.outgoing)
    assert not [e for e in b.events if isinstance(e, ev.AlarmRaised)]


def test_the_lane_waits_for_every_part_of_a_batch_that_came_apart():
    b = Bench(guarded(per_trade_cap_usd=D(1000)))
    turn = gathered(b, 3, 4, 50, 5)
    assert len(turn.outgoing) == 2
    assert b.desk.lane.out == {o.record.request_id for o in turn.outgoing}


def test_the_days_cap_takes_what_fits_in_order():
    b = Bench(guarded(daily_cap_usd=D(1000)))
    assert sent(gathered(b, 4, 3, 2)) == [["4"], ["3"]]
    assert refused(b) == ["daily_cap"]


def test_exits_and_stops_of_a_coin_off_the_list_leave_whatever_was_signed():
    b = Bench()
    b.reply(b.trade(Side.BUY, 5), filled("5.0"))
    b.desk.signer = guarded(b, symbols=frozenset({"ETH"}), per_trade_cap_usd=D(1), daily_cap_usd=D(1))
    turn = b.trade(Side.SELL, 5)
    assert [o.record.purpose for o in turn.outgoing] == ["exit"]
    assert not b.trade(Side.BUY, 1).outgoing
    assert refused(b) == ["allowlist"]


def test_a_refusal_says_its_rule_its_order_and_its_action():
    b = Bench(guarded(symbols=frozenset({"ETH"})))
    assert not b.trade(Side.BUY, 1).outgoing
    [told] = [event for event in b.events if isinstance(event, ev.SignerRefused)]
    [leg] = b.story.state.legs.values()
    assert (told.key, told.cloids, told.coin) == (leg.key, (leg.cloid,), "BTC")
    assert told.reason == "SIGNER_ALLOWLIST"
    assert "btc" in told.text.lower()
    assert not b.story.state.live


def test_a_restart_gives_no_day_a_second_cap():
    b = Bench(guarded(daily_cap_usd=D(1000)))
    b.reply(b.trade(Side.BUY, 6), filled("6.0"))
    restarted = DeskState("main")
    for stored in b.ledger.read():
        evolve(restarted, stored.event)
    assert restarted.signed == b.story.state.signed
    assert restarted.signed.usd == D(603)
    b.desk.signer = guarded(b, daily_cap_usd=D(1000))
    assert not b.trade(Side.BUY, 4).outgoing
    assert sent(b.trade(Side.BUY, 3)) == [["3"]]


def test_the_same_bytes_again_count_nothing_also_after_a_restart():
    b = Bench(guarded(daily_cap_usd=D(1000)))
    turn = b.trade(Side.BUY, 9)
    [request] = b.story.state.requests.values()
    for signer in (b.desk.signer, guarded(b, daily_cap_usd=D(1000))):
        for _ in range(3):
            assert signed(signer, request) == turn.outgoing[0].request


@pytest.mark.parametrize("is_there", [True, False])
def test_a_stop_file_put_there_while_an_entry_waits_keeps_it_back(tmp_path: Path, is_there: bool):
    stop = tmp_path / "STOP"
    b = Bench(rules=(KillFile(StopFile(path=stop)),))
    b.reply(b.trade(Side.BUY, 1), filled())
    b.story.now += 10
    closing = b.trade(Side.SELL, 2)
    if is_there:
        stop.touch()
    b.story.now += 500
    after = b.reply(closing, filled(oid=8))
    assert [one.record.purpose for one in after.outgoing] == ([] if is_there else ["entry"])
    assert ("KILL_FILE" in [e.reason for e in after.events if isinstance(e, ev.ActionRefused)]) is is_there
