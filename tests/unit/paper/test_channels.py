"""Subscriptions: defaults in the ack, refusals, and what each channel says (hyperliquid.md section 4)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper import channels
from executor.paper.channels import CHANNELS, Cadence, UnknownCoin
from executor.paper.feeds import default_meta
from executor.paper.gate import Request, Unprocessable
from executor.paper.model import Tick
from executor.paper.service import Service

USER = "0x" + "a1" * 20
NOW = 1_763_000_000_000
D = Decimal


class StoppedClock:
    def now_ms(self) -> int:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def service() -> Service:
    it = Service(default_meta(), StoppedClock())
    it.fund_new(USER, 10_000)
    it.on_market(Tick("ETH", ((D(1999), D(9)),), ((D(2001), D(9)),), D(2000), D(2000)))
    return it


def sub(service: Service, kind: str, **fields):
    return channels.normalised(service, {"type": kind, **fields})


def snapshot(service: Service, kind: str, **fields):
    return CHANNELS[kind].snapshot(service, sub(service, kind, **fields))


def news(service: Service, pushes, kind: str, **fields):
    return list(CHANNELS[kind].news(service, sub(service, kind, **fields), pushes))


def trade(service: Service):
    """Opens a position; what was pushed."""
    heard = []
    service.listeners.append(heard.append)
    wire = {"a": 1, "b": True, "p": "2001", "s": "1", "r": False, "t": {"limit": {"tif": "Ioc"}}}
    service.execute(Request({"type": "order", "orders": [wire], "grouping": "na"}, NOW, (USER,)))
    return heard[-1]


def test_the_ack_fills_in_defaults(service):
    assert sub(service, "l2Book", coin="ETH") == {
        "type": "l2Book", "coin": "ETH", "nSigFigs": None, "mantissa": None, "fast": False,
    }  # fmt: skip
    assert sub(service, "userFills", user=USER.upper().replace("0X", "0x"))["user"] == USER


@pytest.mark.parametrize(
    "wanted",
    [
        None, {}, {"type": "nonsense"}, {"type": "bbo"}, {"type": "candle", "coin": "ETH", "interval": "7m"},
        {"type": "userFills", "user": "0xa1"}, {"type": "openOrders", "user": USER, "dex": "xyz"},
        {"type": "userFills", "user": USER, "aggregateByTime": []}, {"type": "l2Book", "coin": "ETH", "fast": 2**70},
    ],
)  # fmt: skip
def test_misshapen_subscriptions_are_invalid(service, wanted):
    with pytest.raises(Unprocessable):
        channels.normalised(service, wanted)


@pytest.mark.parametrize("wanted", [{"type": "bbo", "coin": "eth"}, {"type": "l2Book", "coin": "ETH", "nSigFigs": 9}])
def test_an_unknown_coin_or_odd_grouping_cuts_the_socket(service, wanted):
    with pytest.raises(UnknownCoin):
        channels.normalised(service, wanted)


def test_user_events_come_one_kind_a_message_under_the_channel_user(service):
    pushes = trade(service)
    pushes.fundings[USER].append({"time": 1})
    pushes.liquidations[USER].append({"lid": 1})
    pushes.system_cancels[USER].append({"coin": "ETH", "oid": 1})
    kinds = [list(data) for data in news(service, pushes, "userEvents", user=USER)]
    assert kinds == [["fills"], ["funding"], ["liquidation"], ["nonUserCancel"]]
    assert channels.frame(sub(service, "userEvents", user=USER), {})["channel"] == "user"


def test_history_channels_mark_their_snapshot_and_not_their_news(service):
    pushes = trade(service)
    for kind, rows in (("userFills", "fills"), ("userHistoricalOrders", "orderHistory")):
        first = snapshot(service, kind, user=USER)
        assert (first["isSnapshot"], len(first[rows])) == (True, 1)
        [later] = news(service, pushes, kind, user=USER)
        assert "isSnapshot" not in later
        assert later[rows] == first[rows]
    assert snapshot(service, "userFundings", user=USER)["fundings"] == []


def test_order_updates_carry_no_user_and_say_the_status(service):
    [rows] = news(service, trade(service), "orderUpdates", user=USER)
    assert rows[0]["status"] == "filled"
    assert "user" not in rows[0]
    assert CHANNELS["orderUpdates"].snapshot is None


@pytest.mark.parametrize("kind", ["clearinghouseState", "openOrders", "spotState", "webData2", "webData3"])
def test_state_channels_send_the_whole_state_when_the_account_changed(service, kind):
    pushes = trade(service)
    assert news(service, pushes, kind, user=USER) == [snapshot(service, kind, user=USER)]
    assert news(service, pushes, kind, user="0x" + "00" * 20) == []


def test_public_channels_describe_the_coin(service):
    pushes = trade(service)
    assert snapshot(service, "bbo", coin="ETH")["bbo"][0] == {"px": "1999.0", "sz": "9.0", "n": 1}
    assert snapshot(service, "bbo", coin="SOL")["bbo"] == [None, None]
    assert len(snapshot(service, "l2Book", coin="ETH")["levels"]) == 2
    assert snapshot(service, "l2Book", coin="ETH", fast=True)["fast"] is True
    assert snapshot(service, "activeAssetCtx", coin="ETH")["ctx"]["markPx"] == "2000.0"
    assert snapshot(service, "allMids") == {"mids": {"ETH": "2000.0"}}
    assert news(service, pushes, "trades", coin="ETH") == [snapshot(service, "trades", coin="ETH")]
    assert news(service, pushes, "candle", coin="ETH", interval="1m")[0]["c"] == "2000.0"
    assert snapshot(service, "candle", coin="SOL", interval="1m") is None
    assert snapshot(service, "activeAssetData", user=USER, coin="ETH")["coin"] == "ETH"


def test_books_come_slowly_unless_fast_and_quotes_have_no_period(service):
    cadence = Cadence()
    assert channels.period_ms(sub(service, "l2Book", coin="ETH"), cadence) == 5400
    assert channels.period_ms(sub(service, "l2Book", coin="ETH", fast=True), cadence) == 540
    assert channels.period_ms(sub(service, "bbo", coin="ETH"), cadence) is None
