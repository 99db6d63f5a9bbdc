"""What the read models answer, from real ledger files: while a worker writes, after it was killed, on large ones."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from received import received as action

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Fill, Funding, OpenOrder, PositionFact
from executor.core.protocols import Verdict
from executor.core.state import DeskState
from executor.core.types import Agent, Side
from executor.ledger.reader import LedgerReader
from executor.ledger.sqlite import INDEX_BATCH, SqliteLedger
from executor.ledger.stamp import Stamp
from executor.ports import Frame
from executor.snapshots import desk_document

NOW_MS = 1_760_000_000_000
KEY, OTHER, THIRD = "1" * 32, "2" * 32, "3" * 32
AGENT = Agent("fractrade", "agent-7")
RAW = '{"type": "EXECUTE_HYPERLIQUID_PERP_TRADE"}'


def d(value: str | int) -> Decimal:
    return Decimal(value)


class FixedClock:
    def now_ms(self) -> int:
        return NOW_MS + 4_500

    def monotonic_s(self) -> float:
        return 0.0


def received(key: str, action_id: str, accounts: tuple[str, ...] = ("main",), frame_id: int | None = 1) -> ev.Event:
    return action(
        at_ms=NOW_MS,
        key=key,
        frame_id=frame_id,
        source="prod",
        agent_id="agent-7",
        action_id=action_id,
        symbol="BTC-PERP",
        size=d("0.10"),
        leverage=d(3),
        stamped_at_ms=NOW_MS,
        received_at_ms=NOW_MS,
        status="PENDING",
        server_execution=False,
        book_after=d("0.10"),
        accounts=accounts,
        routes=("follow",) * len(accounts),
    )


def planned(key: str, cloid: str, account: str = "main", leg: ev.LegKind = "entry", **changes: Any) -> ev.Event:
    fields: dict[str, Any] = {
        "attempt": 1,
        "coin": "BTC",
        "side": Side.BUY,
        "size": d("0.10"),
        "limit_px": d(60000),
        "reduce_only": leg != "entry",
        "agent": AGENT,
    }
    return ev.LegPlanned(at_ms=NOW_MS, account=account, key=key, cloid=cloid, leg=leg, **{**fields, **changes})


def sent(request_id: str, *cloids: str, account: str = "main", key: str | None = None) -> ev.Event:
    return ev.SendStarted(
        at_ms=NOW_MS,
        account=account,
        key=key,
        request_id=request_id,
        purpose="entry",
        signer="0xs",
        nonce=NOW_MS,
        expires_after_ms=NOW_MS + 10_000,
        vault=None,
        action={"type": "order", "grouping": "na"},
        cloids=cloids,
    )


def closed(request_id: str, account: str = "main") -> ev.Event:
    return ev.RequestClosed(at_ms=NOW_MS, account=account, request_id=request_id, result="ok", text="filled")


def filled(key: str | None, cloid: str, size: str = "0.10", account: str = "main") -> ev.Event:
    return ev.LegFilled(at_ms=NOW_MS, account=account, key=key, cloid=cloid, oid=77, size=d(size), avg_px=d("59990.5"))


def fill(cloid: str | None, size: str = "0.10", px: str = "59990.5", tid: int = 1, coin: str = "BTC") -> ev.Event:
    told = Fill(tid, 77, cloid, coin, Side.BUY, d(px), d(size), d("0.1"), d(0), d(0), NOW_MS)
    return ev.FillSeen(at_ms=NOW_MS, account="main", fill=told, cloid=cloid)


def read(*positions: PositionFact, at_ms: int = NOW_MS, skipped: tuple[str, ...] = ()) -> ev.Event:
    fact = AccountFact(positions, d("1000.50"), d(900), d(100), at_ms)
    return ev.AccountRead(at_ms=at_ms, account="main", fact=fact, skipped=skipped)


def position(coin: str, size: str, pnl: str = "10") -> PositionFact:
    return PositionFact(coin, d(size), d(60000), 3, False, None, d(20), d(pnl))


def judged(account: str = "main") -> ev.Event:
    return ev.EntryJudged(
        at_ms=NOW_MS,
        account=account,
        key=KEY,
        proposed_size=d("0.10"),
        final_size=d("0.10"),
        cap_px=d(60000),
        touch_px=d(59990),
        leverage=d(3),
        verdicts=(Verdict("max_order_notional", "pass", "6000", "10000"), Verdict("max_leverage", "pass", "3", "5")),
    )


def refused(key: str, reason: str, account: str | None = "main") -> ev.Event:
    return ev.ActionRefused(at_ms=NOW_MS, account=account, key=key, reason=reason, detail="because")


class Desk:
    """A ledger being written, and a reader of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = SqliteLedger(path, stamp=Stamp("dry_run", "testnet", {"main": "0xAA"}), now_ms=NOW_MS)
        self.ledger.opened()
        self.reader = LedgerReader(path, clock=FixedClock())

    def add(self, *events: ev.Event) -> None:
        self.ledger.commit([Frame(NOW_MS, "prod", "agent:7", RAW)], events)


@pytest.fixture(params=["fresh", "indexed"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """Every answer is the same whether the index in the file lags behind or not."""
    made = Desk(tmp_path / "l.db")
    if request.param == "indexed":
        add = made.add

        def add_and_tend(*events: ev.Event) -> None:
            add(*events)
            made.ledger.tend()

        made.add = add_and_tend  # type: ignore[method-assign]  # the fixture's own object, to run each test both ways
    yield made
    made.reader.close()
    made.ledger.close()


def test_an_executed_action_is_listed_in_the_contracts_shape(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0xf7ac1"), sent("r", "0xf7ac1"), filled(KEY, "0xf7ac1"), closed("r"))
    assert desk.reader.actions() == {
        "actions": [
            {
                "action_id": "id-1",
                "account": "main",
                "source": "prod",
                "agent_id": "agent-7",
                "type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
                "symbol": "BTC",
                "received_at": "2025-10-09T08:53:20.000Z",
                "outcome": "executed",
                "reason": None,
                "legs": [
                    {
                        "leg": "entry",
                        "cloid": "0xf7ac1",
                        "outcome": "executed",
                        "size": "0.1",
                        "filled": "0.1",
                        "avg_px": "59990.5",
                    }
                ],
            }
        ]
    }


def test_actions_come_newest_first_one_row_per_account_up_to_the_limit(desk: Desk) -> None:
    desk.add(received(KEY, "id-1", ("main", "second")), refused(KEY, "SIDES", "second"))
    desk.add(received(OTHER, "id-2", ()), refused(OTHER, "NO_ROUTE", None))
    rows = desk.reader.actions()["actions"]
    assert [(row["action_id"], row["account"], row["outcome"], row["reason"]) for row in rows] == [
        ("id-2", None, "refused", "NO_ROUTE"),
        ("id-1", "main", "pending", None),
        ("id-1", "second", "refused", "SIDES"),
    ]
    assert [row["account"] for row in desk.reader.actions(account="second")["actions"]] == ["second"]
    assert len(desk.reader.actions(limit=2)["actions"]) == 2
    assert desk.reader.actions(limit=0) == desk.reader.actions(limit=-1) == {"actions": []}


def test_what_was_out_when_a_worker_started_again_is_unknown(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0x1"), sent("r", "0x1", key=KEY))
    assert desk.reader.actions()["actions"][0]["outcome"] == "pending"
    desk.add(ev.ProcessStarted(at_ms=NOW_MS, clean=False, version="1", mode="dry_run"))
    assert desk.reader.actions()["actions"][0]["outcome"] == "unknown"
    desk.add(filled(KEY, "0x1"))
    assert desk.reader.actions()["actions"][0]["outcome"] == "executed"


def test_a_batch_of_several_actions_belongs_to_each_of_them(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0x1"), received(OTHER, "id-2"), planned(OTHER, "0x2"))
    desk.add(sent("r", "0x1", "0x2"))
    desk.add(filled(None, "0x2"), closed("r"))
    for action_id, outcome in (("id-1", "pending"), ("id-2", "executed")):
        told = desk.reader.explain(action_id)
        assert told is not None
        account = told["accounts"][0]
        assert account["outcome"] == outcome
        assert [request["result"] for request in account["legs"][0]["sent"]] == ["ok"]


def test_orders_are_legs_newest_first(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0x1"), filled(KEY, "0x1"))
    desk.add(planned("protect:BTC", "0x2", leg="stop", trigger_px=d(55000), side=Side.SELL))
    desk.add(planned(OTHER, "0x3", account="second"))
    rows = desk.reader.orders()["orders"]
    assert [(row["cloid"], row["account"], row["action_id"], row["outcome"]) for row in rows] == [
        ("0x3", "second", OTHER, "pending"),
        ("0x2", "main", "protect:BTC", "pending"),
        ("0x1", "main", "id-1", "executed"),
    ]
    assert rows[1]["trigger_px"] == "55000"
    assert (rows[1]["side"], rows[1]["reduce_only"]) == ("sell", True)
    assert [row["cloid"] for row in desk.reader.orders(limit=1, account="main")["orders"]] == ["0x2"]


def test_what_the_program_did_by_itself_is_explained_by_the_name_orders_shows(desk: Desk) -> None:
    desk.add(planned("flatten:BTC", "0x1", leg="exit"), sent("r", "0x1"), fill("0x1"), filled("flatten:BTC", "0x1"))
    told = desk.reader.explain("flatten:BTC")
    assert told is not None
    assert (told["action_id"], told["own"]) == (desk.reader.orders()["orders"][0]["action_id"], True)
    (account,) = told["accounts"]
    assert [(leg["cloid"], len(leg["sent"]), len(leg["fills"])) for leg in account["legs"]] == [("0x1", 1, 1)]
    assert desk.reader.explain("flatten:ETH") is None


def test_a_suspected_duplicate_is_explained_by_its_own_id_and_key_and_with_the_action_that_counts(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"))
    own = {"fingerprint": "f", "action_id": "id-2", "twin": KEY}
    seen = ev.DuplicateSeen(at_ms=NOW_MS, key=OTHER, frame_id=1, channel="executor:7", suspected=True, **own)
    desk.add(seen, ev.DuplicateSeen(at_ms=NOW_MS, key=OTHER, frame_id=1, channel="user:1"))
    told = desk.reader.explain("id-2")
    assert told is not None
    assert told == desk.reader.explain(OTHER)
    assert (told["action_id"], told["key"], told["duplicate"]["of"]) == ("id-2", OTHER, "id-1")
    assert told["frame"] is not None
    assert [repeat["data"]["channel"] for repeat in told["repeats"]] == ["user:1"]
    first = desk.reader.explain("id-1")
    assert first is not None
    assert [repeat["data"]["action_id"] for repeat in first["repeats"]] == ["id-2"]
    assert [row["action_id"] for row in desk.reader.actions()["actions"]] == ["id-1"]


def test_an_explanation_tells_every_step(desk: Desk) -> None:
    desk.add(
        received(KEY, "id-1"),
        ev.ActionTaken(
            at_ms=NOW_MS,
            account="main",
            key=KEY,
            agent=AGENT,
            coin="BTC",
            side=Side.BUY,
            action_id="id-1",
            action_type="EXECUTE_HYPERLIQUID_PERP_TRADE",
            signal_at_ms=NOW_MS,
            route="follow",
            strategy="follow",
            exit_fraction=d(0),
            entry_size=d("0.10"),
            looked_up=False,
        ),
        ev.IntentProposed(at_ms=NOW_MS, account="main", key=KEY, strategy="follow", intents=({"kind": "TradeIntent"},)),
        judged(),
        planned(KEY, "0x1"),
        sent("r", "0x1"),
    )
    wanted = ev.StopWanted(at_ms=NOW_MS, account="main", key=KEY, coin="BTC", trigger_px=d(55000), signal_at_ms=NOW_MS)
    desk.add(filled(KEY, "0x1"), closed("r"))
    desk.add(fill("0x1"), wanted)
    desk.add(ev.DuplicateSeen(at_ms=NOW_MS, key=KEY, frame_id=3, channel="user:1"))
    told = desk.reader.explain("id-1")
    assert told == desk.reader.explain(KEY) == desk.reader.explain(KEY.upper())
    assert told is not None
    assert told["frame"]["frame"] == RAW
    assert told["decoded"]["size"] == "0.10"
    assert told["book"] == {"before": "0", "after": "0.10"}
    assert told["routes"] == [{"account": "main", "route": "follow"}]
    assert [(repeat["kind"], repeat["frame"]["channel"]) for repeat in told["repeats"]] == [
        ("DuplicateSeen", "agent:7")
    ]
    (account,) = told["accounts"]
    assert (account["account"], account["outcome"], account["reason"], account["route"]) == (
        "main",
        "executed",
        None,
        "follow",
    )
    assert account["strategy"]["intents"] == [{"kind": "TradeIntent"}]
    assert account["judgements"][0]["rules"][0] == {
        "rule": "max_order_notional",
        "input": "6000",
        "limit": "10000",
        "verdict": "pass",
        "reason": "",
    }
    (leg,) = account["legs"]
    assert (leg["cloid"], leg["outcome"], leg["filled"]) == ("0x1", "executed", "0.1")
    (request,) = leg["sent"]
    assert (request["nonce"], request["expires_after_ms"]) == (NOW_MS, NOW_MS + 10_000)
    assert request["action"] == {"type": "order", "grouping": "na"}
    assert (request["result"], request["text"]) == ("ok", "filled")
    assert [answer["kind"] for answer in leg["answers"]] == ["LegFilled"]
    assert [one["px"] for one in leg["fills"]] == ["59990.5"]
    assert [item["kind"] for item in account["follow_ups"]] == ["StopWanted"]
    assert [item["seq"] for item in account["steps"]] == list(range(2, 11))


def test_a_refused_frame_can_be_explained_by_the_id_it_named(desk: Desk) -> None:
    desk.add(
        ev.FrameRefused(
            at_ms=NOW_MS, frame_id=1, reason="BAD_SIZE", field="size", detail="no number", action_id="bad", agent_id="7"
        )
    )
    told = desk.reader.explain("bad")
    assert told is not None
    assert told["refused"]["reason"] == "BAD_SIZE"
    assert told["frame"]["frame"] == RAW
    desk.add(received(KEY, "bad"))
    again = desk.reader.explain("bad")
    assert again is not None
    assert again["key"] == KEY


def test_an_order_is_explained_by_its_cloid_as_its_action_is(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0xab"), planned("flatten:BTC", "0xcd", leg="exit"))
    for name, cloid in (("id-1", "0xAB"), ("flatten:BTC", "0xcd")):
        told = desk.reader.explain(cloid)
        assert told is not None
        assert told == desk.reader.explain(name)


def test_an_unknown_id_is_not_explained(desk: Desk) -> None:
    assert desk.reader.explain("nothing") is None
    assert desk.reader.explain("\ud800") is None


def test_what_an_agent_brought_is_told_by_coin_and_what_is_nobodys_last(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0x1"), sent("r", "0x1"), fill("0x1", tid=1))
    desk.add(read(position("BTC", "0.10")), fill(None, size="0.2", tid=2, coin="ETH"))
    desk.add(ev.FundingSeen(at_ms=NOW_MS, account="main", funding=Funding("BTC", d("-0.25"), NOW_MS + 3_600_000)))
    rows = desk.reader.agents("main")["agents"]
    assert rows[0] == {
        "account": "main",
        "symbol": "BTC",
        "agent": "agent-7",
        "system": "fractrade",
        "strategy": None,
        "size": "0.1",
        "entry_px": "59990.5",
        "unrealized_pnl": "10.95",
        "realized_pnl": "0",
        "fees": "0.1",
        "funding": "-0.25",
        "net": "-0.35",
        "fills": 1,
        "volume": "5999.05",
    }
    nobodys = [(row["symbol"], row["agent"], row["fees"], row["size"], row["entry_px"]) for row in rows[1:]]
    assert nobodys == [("ETH", None, "0.1", "0.2", "59990.5")]
    assert desk.reader.agents("other") == {"agents": []}


def test_a_snapshot_saves_folding_what_came_before_it(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0x1"), sent("r", "0x1"), fill("0x1", tid=1))
    desk.add(read(position("BTC", "0.10"), at_ms=NOW_MS + 1))
    before = desk.reader.positions()
    state = DeskState(account="main")
    for stored in desk.ledger.read():
        evolve(state, stored.event)
    desk.ledger.save_snapshot(desk.ledger.last_seq, "desk:main", desk_document(state))
    assert desk.reader.positions() == before
    state.positions["BTC"].holdings.clear()  # so that it shows which of the two was read
    desk.ledger.save_snapshot(desk.ledger.last_seq, "desk:main", desk_document(state))
    assert desk.reader.positions()["positions"][0]["owner"] is None
    desk.ledger.save_snapshot(desk.ledger.last_seq, "desk:main", b'{"schema": 1}')
    assert desk.reader.positions() == before


def test_positions_come_from_the_newest_read_and_what_came_since(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), planned(KEY, "0x1"), sent("r", "0x1"), fill("0x1", tid=1))
    stop = planned(OTHER, "0x2", leg="stop", trigger_px=d(55000), side=Side.SELL)
    desk.add(stop, sent("s", "0x2"), ev.LegRested(at_ms=NOW_MS, account="main", key=OTHER, cloid="0x2", oid=9))
    desk.add(read(position("BTC", "0.10"), position("ETH", "-2", "-5"), at_ms=NOW_MS + 1))
    desk.add(ev.ProtectionChanged(at_ms=NOW_MS, account="main", coin="ETH", state="unprotected", since_ms=NOW_MS))
    rows = desk.reader.positions()["positions"]
    assert rows[0] == {
        "account": "main",
        "symbol": "BTC",
        "size": "0.1",
        "entry_px": "60000",
        "mark_px": "60100",
        "unrealized_pnl": "10",
        "leverage": "3",
        "owner": "agent-7",
        "owner_system": "fractrade",
        "stop_px": "55000",
        "target_px": None,
        "unprotected_s": "0",
        "holdings": [
            {
                "agent": "agent-7",
                "system": "fractrade",
                "strategy": None,
                "size": "0.1",
                "entry_px": "59990.5",
                "unrealized_pnl": "10.95",
                "stop_px": "55000",
                "target_px": None,
                "unprotected_s": "0",
            }
        ],
    }
    assert (rows[1]["symbol"], rows[1]["size"], rows[1]["owner"], rows[1]["unprotected_s"]) == (
        "ETH",
        "-2",
        None,
        "4.5",
    )
    later = Fill(
        2,
        78,
        "0x3",
        "BTC",
        Side.BUY,
        d(60000),
        d("0.10"),
        d(0),
        d(0),
        d("0.1"),
        NOW_MS + 2,
    )
    desk.add(planned(THIRD, "0x3"), ev.FillSeen(at_ms=NOW_MS, account="main", key=THIRD, fill=later, cloid="0x3"))
    row = desk.reader.positions("main")["positions"][0]
    assert (row["size"], row["unrealized_pnl"]) == ("0.2", "20")
    assert desk.reader.positions("second") == {"positions": []}


def test_an_adopted_position_has_its_owner_and_a_listed_stop_its_price(desk: Desk) -> None:
    adopted = ev.PositionAdopted(
        at_ms=NOW_MS, account="main", coin="BTC", agent=AGENT, size=d("0.10"), opened_at_ms=NOW_MS
    )
    listed = OpenOrder(
        5,
        None,
        "BTC",
        Side.SELL,
        d(1),
        d(1),
        d(1),
        True,
        d(54000),
        "Stop Market",
        False,
        NOW_MS,
    )
    desk.add(read(position("BTC", "0.10")), adopted, ev.OrdersRead(at_ms=NOW_MS, account="main", orders=(listed,)))
    desk.add(read(position("BTC", "0.10"), at_ms=NOW_MS + 1))
    row = desk.reader.positions()["positions"][0]
    assert (row["owner"], row["stop_px"]) == ("agent-7", "54000")


def test_a_read_that_skipped_a_coin_keeps_what_was_known_of_it(desk: Desk) -> None:
    desk.add(read(position("BTC", "0.10"), position("ETH", "1")))
    desk.add(read(position("ETH", "2"), at_ms=NOW_MS + 1, skipped=("BTC",)))
    rows = desk.reader.positions()["positions"]
    assert [(row["symbol"], row["size"]) for row in rows] == [("BTC", "0.1"), ("ETH", "2")]


def test_the_journal_comes_newest_first_and_by_kind(desk: Desk) -> None:
    desk.add(received(KEY, "id-1"), refused(KEY, "SIDES"), refused(KEY, "X", "second"))
    rows = desk.reader.journal()["journal"]
    assert [row["seq"] for row in rows] == [3, 2, 1]
    assert rows[1] == {
        "seq": 2,
        "at": "2025-10-09T08:53:20.000Z",
        "kind": "ActionRefused",
        "account": "main",
        "key": KEY,
        "data": {"reason": "SIDES", "detail": "because", "part": "all"},
    }
    assert [row["seq"] for row in desk.reader.journal(kind="ActionReceived")["journal"]] == [1]
    assert [row["seq"] for row in desk.reader.journal(account="second")["journal"]] == [3]
    assert len(desk.reader.journal(limit=1)["journal"]) == 1


def test_events_are_resumed_after_a_seq(desk: Desk) -> None:
    desk.add(*(refused(KEY, str(n)) for n in range(5)))
    told = desk.reader.events(after=2, limit=2)
    assert [event["seq"] for event in told["events"]] == [3, 4]
    assert told["last_seq"] == 5
    assert desk.reader.events(after=5) == {"events": [], "last_seq": 5}


def test_frames_come_in_the_replay_format(desk: Desk) -> None:
    desk.ledger.commit([Frame(NOW_MS, "prod", "c", RAW)] * 150 + [Frame(NOW_MS, "prod", "c", b"\xff")], [])
    frames = list(desk.reader.frames())
    assert len(frames) == 151
    assert frames[0] == {"received_at": "2025-10-09T08:53:20.000Z", "source": "prod", "channel": "c", "frame": RAW}
    assert frames[-1]["frame_base64"] == "/w=="
    assert len(list(desk.reader.frames(after=149))) == 2


HUGE = 99_999_999_999_999_999_999
"""More than SQLite counts to."""


def test_a_number_beyond_all_rows_is_no_damage(desk: Desk) -> None:
    desk.add(received(KEY, "a"))
    assert len(desk.reader.actions(HUGE)["actions"]) == len(desk.reader.journal(HUGE)["journal"]) == 1
    assert desk.reader.orders(HUGE) == {"orders": []}
    assert len(desk.reader.events(0, HUGE)["events"]) == 1
    assert desk.reader.events(HUGE)["events"] == []
    assert len(desk.reader.history(["ActionReceived"], "", HUGE, HUGE)["events"]) == 1
    assert list(desk.reader.frames(HUGE)) == []


def test_status_tells_worker_channels_and_accounts(desk: Desk) -> None:
    def changed(channel: str, state: str) -> ev.Event:
        return ev.SourceChanged(
            at_ms=NOW_MS,
            system="fractrade",
            source="prod",
            channel=channel,
            state=state,
            agent_ids=(),
            code=None,
            detail="",
        )

    empty = desk.reader.status()
    assert (empty["worker"], empty["channels"]) == (None, [])
    assert empty["accounts"][0]["equity_usd"] is None
    desk.add(changed("agent:old", "open"), ev.ProcessStarted(at_ms=NOW_MS, clean=True, version="1", mode="dry_run"))
    desk.add(changed("agent:7", "closed"), changed("agent:7", "open"), read(position("BTC", "1")))
    desk.add(
        ev.Paused(at_ms=NOW_MS, account="main", by="cli"), ev.FlattenStarted(at_ms=NOW_MS, account="main", by="cli")
    )
    desk.add(ev.BreakerLatched(at_ms=NOW_MS, account="main", rule="daily_loss", value="-60", limit="50"))
    told = desk.reader.status()
    assert told["ledger"]["mode"] == "dry_run"
    assert told["ledger"]["last_seq"] == 8
    assert told["ledger"]["created_at"] == "2025-10-09T08:53:20.000Z"
    assert told["worker"]["stopped_at"] is None
    assert [(c["channel"], c["state"]) for c in told["channels"]] == [("agent:7", "open")]
    (account,) = told["accounts"]
    assert (account["account"], account["address"], account["equity_usd"], account["positions"]) == (
        "main",
        "0xaa",
        "1000.5",
        1,
    )
    assert (account["paused"], account["flattening"], account["latched"]) == (True, True, True)
    assert account["breakers"] == [{"rule": "daily_loss", "value": "-60", "limit": "50", "until": None}]
    desk.add(ev.Resumed(at_ms=NOW_MS, by="cli"), ev.FlattenDone(at_ms=NOW_MS, account="main"))
    desk.add(ev.BreakerReset(at_ms=NOW_MS, account="main", rule="daily_loss", by="cli"))
    desk.add(ev.ProcessStopped(at_ms=NOW_MS, reason="SIGTERM", unknown=1))
    told = desk.reader.status()
    (account,) = told["accounts"]
    assert (account["paused"], account["flattening"], account["latched"], account["breakers"]) == (
        False,
        False,
        False,
        [],
    )
    assert (told["worker"]["stop_reason"], told["worker"]["unknown_orders"]) == ("SIGTERM", 1)


def test_a_reader_works_when_no_worker_runs_and_after_a_kill(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "l.db")
    desk.add(received(KEY, "id-1"), refused(KEY, "SIDES"))
    desk.reader.close()
    desk.ledger.close()
    with LedgerReader(desk.path) as reader:
        assert reader.actions()["actions"][0]["reason"] == "SIDES"


def test_answers_are_the_same_across_the_move_of_the_index(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "l.db")
    count = INDEX_BATCH // 2 + 20
    for n in range(count):
        key = f"{n:032x}"
        desk.add(received(key, f"id-{n}"), planned(key, f"0x{n:x}"))
        if n % 7 == 0:
            desk.add(sent(f"r{n}", f"0x{n:x}"), filled(None, f"0x{n:x}"))
    rows = desk.reader.actions(limit=10_000)["actions"]
    assert [row["action_id"] for row in rows] == [f"id-{n}" for n in reversed(range(count))]
    assert {row["action_id"] for row in rows if row["outcome"] == "executed"} == {f"id-{n}" for n in range(0, count, 7)}
    assert all(len(row["legs"]) == 1 for row in rows)
    assert len(desk.reader.orders(limit=10_000)["orders"]) == count
    desk.reader.close()
    desk.ledger.close()
