"""What the exchange may say, mangled: frames and answers are read, or counted as odd; nothing is raised or ordered."""

from __future__ import annotations

import asyncio
import json
import os
from decimal import Decimal

import pytest
from little_worker import judged, settle, working
from mangle import HEAVY, Mangler
from story import T0

from executor.core.facts import Filled, RawReply, Resting
from executor.core.source_events import Origin
from executor.errors import VenueError
from executor.hyperliquid.answers import classify
from executor.hyperliquid.meta import parse_meta
from executor.ports import FeedNews, FillsNews, Lane, OrdersNews
from executor.sources.fractrade_wire import decode
from executor.testing import META, ManualClock
from executor.venue import envelope
from executor.venue.adapter import HyperliquidVenue
from executor.venue.clock_offset import VenueClock
from executor.venue.reads import Reads

SEED = int(os.environ.get("FUZZ_SEED", "20261122"))
FULL = pytest.mark.full
ME = "0x" + "ab" * 20
CLOID = "0x" + "f7" * 16

FILL = {
    "coin": "BTC", "px": "60001.5", "sz": "0.001", "side": "B", "time": T0, "startPosition": "0.0", "dir": "Open Long",
    "closedPnl": "0.0", "hash": "0x" + "0" * 64, "oid": 7, "crossed": True, "fee": "0.01", "tid": 5, "feeToken": "USDC",
    "twapId": None, "cloid": CLOID,
}  # fmt: skip
ORDER = {
    "coin": "BTC", "side": "A", "limitPx": "59000.0", "sz": "0.001", "oid": 8, "timestamp": T0, "origSz": "0.001",
    "cloid": CLOID, "reduceOnly": True, "isTrigger": True, "triggerPx": "59500", "triggerCondition": "N/A",
    "children": [], "isPositionTpsl": False, "orderType": "Stop Market", "tif": None,
}  # fmt: skip
STATUS = {"order": ORDER, "status": "open", "statusTimestamp": T0}
LEVELS = [[{"px": "59999", "sz": "1", "n": 1}], [{"px": "60001", "sz": "2", "n": 3}]]
FILLED = {"filled": {"totalSz": "0.001", "avgPx": "60001", "oid": 7}}
OK = {"status": "ok", "response": {"type": "order", "data": {"statuses": [FILLED, {"resting": {"oid": 8}}]}}}
ERR = {"status": "err", "response": "Invalid nonce: duplicate nonce 7"}

FRAMES = tuple(
    json.dumps({"channel": channel, "data": data})
    for channel, data in (
        ("bbo", {"coin": "BTC", "time": T0, "bbo": [LEVELS[0][0], LEVELS[1][0]]}),
        ("activeAssetCtx", {"coin": "BTC", "ctx": {"markPx": "60000.5", "oraclePx": "60000", "midPx": None}}),
        ("userFills", {"user": ME, "fills": [FILL, {**FILL, "tid": 6, "side": "A"}], "isSnapshot": True}),
        ("userFills", {"user": ME, "fills": [FILL]}),
        ("orderUpdates", [STATUS, {**STATUS, "status": "filled"}]),
        ("subscriptionResponse", {"method": "subscribe", "subscription": {"type": "userFills", "user": ME}}),
        ("post", {"id": 1, "response": {"type": "action", "payload": OK}}),
        ("post", {"id": 1, "response": {"type": "action", "payload": ERR}}),
        ("post", {"id": 1, "response": {"type": "error", "payload": "429 Too Many Requests: null"}}),
        ("error", "too many pending post requests id=1"),
        ("pong", None),
    )
)

MARGIN = {"accountValue": "1000", "totalNtlPos": "0", "totalRawUsd": "1000", "totalMarginUsed": "0"}
HELD = {
    "coin": "BTC", "szi": "0.001", "entryPx": "60000", "leverage": {"type": "cross", "value": 3}, "liquidationPx": "9",
    "marginUsed": "20", "unrealizedPnl": "0.1", "positionValue": "60", "returnOnEquity": "0", "maxLeverage": 40,
}  # fmt: skip
ACCOUNT = {
    "marginSummary": MARGIN, "crossMarginSummary": MARGIN, "withdrawable": "1000", "time": T0,
    "assetPositions": [{"type": "oneWay", "position": HELD}],
}  # fmt: skip


async def _meta(reads: Reads) -> object:
    return parse_meta(await reads.meta())


READS = {
    "account": (lambda reads: reads.account(ME), ACCOUNT),
    "open_orders": (lambda reads: reads.open_orders(ME), [ORDER, {**ORDER, "children": [ORDER]}]),
    "fills_since": (lambda reads: reads.fills_since(ME, T0), [FILL, FILL]),
    "order_status": (lambda reads: reads.order_status(ME, CLOID), {"status": "order", "order": STATUS}),
    "leverage": (
        lambda reads: reads.leverage(ME, "BTC"),
        {"coin": "BTC", "leverage": {"type": "isolated", "value": 5}},
    ),
    "book": (lambda reads: reads.book("BTC", Lane.CLOSE), {"coin": "BTC", "time": T0, "levels": LEVELS}),
    "time": (lambda reads: reads.exchange_time("BTC"), {"coin": "BTC", "time": T0, "levels": LEVELS}),
    "meta": (_meta, META),
    "rate_limit": (lambda reads: reads.rate_limit(ME), {"cumVlm": "0.0", "nRequestsUsed": 1, "nRequestsCap": 10_000}),
    "fees": (lambda reads: reads.fees(ME), {"userCrossRate": "0.00045", "userAddRate": "0.00015"}),
    "role": (lambda reads: reads.role(ME), {"role": "agent", "data": {"user": ME}}),
    "agents": (lambda reads: reads.agents(ME), [{"address": ME, "name": "n", "validUntil": T0}]),
    "mode": (lambda reads: reads.account_mode(ME), {"a": "default"}),
    "spot": (lambda reads: reads.spot_state(ME), {"balances": [{"coin": "USDC", "total": "9.5", "hold": "7.5"}]}),
}


@pytest.fixture
def venue():
    made = HyperliquidVenue("custom", "http://127.0.0.1:1", ManualClock(T0))
    made._quotes._use("BTC")
    return made


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=FULL)])
async def test_mangled_frames_of_the_exchange_are_read_or_counted_and_change_nothing_else(venue, count):
    """``on_raw`` raises for a mistake of ours only, and that would cost the socket that carries the exits."""
    news: list[object] = []
    venue.follow(ME, news.append)
    socket, posts = venue._socket, venue._transport._posts
    for number, raw in enumerate(Mangler(SEED, FRAMES).many(count)):
        answer = posts._out[1] = asyncio.get_running_loop().create_future()
        try:
            socket.on_raw(raw)
            if answer.done():
                for resend in (False, True):
                    assert len(classify(answer.result(), 2, resend=resend)) == 2
        except Exception as error:
            raise AssertionError(f"seed {SEED}, frame {number}: {raw[:500]!r}") from error
    assert {type(one) for one in news} <= {FillsNews, OrdersNews, FeedNews}
    assert any(isinstance(one, FillsNews) for one in news)
    assert count / 3 < socket.odd_frames < count
    assert set(venue.quotes) <= {"BTC"}


async def test_frames_that_are_large_or_deep_are_counted(venue):
    for make in HEAVY:
        for frame in FRAMES:
            venue._socket.on_raw(make(frame.encode()))
    assert venue._socket.odd_frames > len(FRAMES)


def _signal(kind: str, side: str, **position: object) -> str:
    held = {"asset": "BTC", "size": 2, "side": side, **position}
    body = {
        "action_id": kind[:9],
        "action_type": kind,
        "agent_id": "a",
        "config": {"position": held},
        "status": "PENDING",
    }
    return json.dumps(body)


@pytest.mark.parametrize("count", [1_000, pytest.param(15_000, marks=FULL)])
async def test_mangled_pushes_about_a_position_with_its_stop_open_nothing_and_break_nothing(tmp_path, venue, count):
    async with working(tmp_path) as worker:
        for raw in (
            _signal("EXECUTE_HYPERLIQUID_PERP_TRADE", "LONG"),
            _signal("SET_HYPERLIQUID_PERP_STOP_LOSS", "SELL", trigger_price=90),
        ):
            worker.emit(raw, decode(raw, Origin("fractrade", "src", "agent:a", T0)))
            await settle(worker)
        entry, stop = worker.venue.placed
        assert (entry["r"], stop["r"]) == (False, True)
        venue.follow(ME, lambda told: worker.news("main", told))
        ours = tuple(frame.replace(CLOID, row["c"]) for frame in FRAMES[2:6] for row in (entry, stop))
        for number, raw in enumerate(Mangler(SEED, ours).many(count)):
            try:
                venue._socket.on_raw(raw)
                worker.tick()
                await settle(worker)
            except Exception as error:
                raise AssertionError(f"seed {SEED}, frame {number}: {raw[:500]!r}") from error
            assert all(row["r"] for row in worker.venue.placed[1:]), f"seed {SEED}, frame {number}: {raw[:500]!r}"
        judged(worker, 2)


class Answers:
    """``ask`` of ``Reads``: one body after another, as HTTP would bring it."""

    def __init__(self) -> None:
        self.raw, self.status = b"", 200

    async def __call__(self, kind, lane, fields):
        reply = envelope.http_reply(self.status, self.raw)
        if reply.error:
            raise VenueError(reply.error)
        return reply.body


@pytest.mark.parametrize("kind", READS)
@pytest.mark.parametrize("count", [150, pytest.param(1_500, marks=FULL)])
async def test_mangled_answers_to_reads_are_read_or_said_to_be_odd(kind, count):
    read, good = READS[kind]
    answers = Answers()
    reads = Reads(answers, VenueClock(ManualClock(T0)))
    wrong = 0
    for number, raw in enumerate(Mangler(SEED, (json.dumps(good),), heavy=0.002).many(count)):
        answers.raw = raw
        try:
            await read(reads)
        except VenueError:
            wrong += 1
        except Exception as error:
            raise AssertionError(f"{kind}, seed {SEED}, answer {number}: {raw[:500]!r}") from error
    assert wrong > count / 5


def said(body, legs, at):
    """What a body says of one order that it took: read here a second time, by hand."""
    assert body["status"] == "ok"
    records = body["response"]["data"]["statuses"]
    assert len(records) == legs
    [(word, told)] = records[at].items()
    if word == "resting":
        return Resting(told["oid"])
    assert word == "filled"
    assert Decimal(told["totalSz"]) > 0
    assert Decimal(told["avgPx"]) > 0
    return Filled(told["oid"], Decimal(told["totalSz"]), Decimal(told["avgPx"]))


@pytest.mark.parametrize("count", [1_000, pytest.param(20_000, marks=FULL)])
def test_mangled_answers_to_orders_never_claim_more_than_they_say(count):
    """Whatever the bytes, there is one answer for each order; accepted is only what can be read as that."""
    claimed = 0
    for number, raw in enumerate(Mangler(SEED, (json.dumps(OK), json.dumps(ERR))).many(count)):
        for status in (200, 429, 502):
            reply = envelope.http_reply(status, raw)
            assert isinstance(reply, RawReply)
            for legs in (1, 2):
                answers = classify(reply, legs, resend=bool(number % 2))
                assert len(answers) == legs
                if status != 200:
                    assert {type(one).__name__ for one in answers} == {"Unknown"}
                for at, one in enumerate(answers):
                    if isinstance(one, Filled | Resting):
                        claimed += 1
                        assert one == said(reply.body, legs, at), f"seed {SEED}, answer {number}: {raw[:500]!r}"
    assert claimed > count / 20
