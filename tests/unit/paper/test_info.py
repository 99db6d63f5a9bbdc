"""Every answer of /info has the recorded venue's keys and kinds of value; misshapen requests are unprocessable."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.paper import info
from executor.paper.feeds import default_meta
from executor.paper.gate import Request, Unprocessable
from executor.paper.model import Rules, Tick
from executor.paper.service import Service

RECORDED = Path(__file__).parents[2] / "data" / "hyperliquid"
USER, OTHER = "0x" + "a1" * 20, "0x" + "b2" * 20
NOW = 1_763_000_000_000
D = Decimal


class StoppedClock:
    def now_ms(self) -> int:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


def order(sz: str, px: str, tif: str = "Ioc", buy: bool = True, asset: int = 1) -> dict[str, Any]:
    return {"a": asset, "b": buy, "p": px, "s": sz, "r": False, "t": {"limit": {"tif": tif}}}


def trigger(sz: str, px: str, at: str, tpsl: str) -> dict[str, Any]:
    kind = {"trigger": {"isMarket": True, "triggerPx": at, "tpsl": tpsl}}
    return {"a": 1, "b": False, "p": px, "s": sz, "r": True, "t": kind}


@pytest.fixture
def service() -> Service:
    """One user with a position, a fill, a bracket that rests, a refused order; another in isolated mode."""
    it = Service(default_meta(), StoppedClock())
    for user in (USER, OTHER):
        it.fund_new(user, 10_000)
    for coin, px in (("ETH", 2000), ("BTC", 100_000)):
        levels = [((D(px - d), D(10)), (D(px - 2 * d), D(5))) for d in (1, -1)]
        it.on_market(Tick(coin, levels[0], levels[1], D(px), D(px)))
    act(it, USER, [order("1", "2001")])
    act(it, USER, [order("1", "1000")])
    act(it, USER, [order("1", "1950", "Gtc"), trigger("1", "1710", "1900", "sl")], "normalTpsl")
    it.execute(Request({"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 5}, NOW + 90, (OTHER,)))
    act(it, OTHER, [order("1", "2001")])
    return it


def act(service: Service, user: str, orders: list[dict[str, Any]], grouping: str = "na") -> None:
    act.nonce += 1
    action = {"type": "order", "orders": orders, "grouping": grouping}
    answer = service.execute(Request(action, act.nonce, (user,)))
    assert answer["status"] == "ok"


act.nonce = NOW


def ask(service: Service, kind: str, **fields: Any) -> Any:
    return info.answer(service, {"type": kind, **fields})


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())["response"]


def kind_of(value: Any) -> str:
    """What a value is on the wire: a decimal string is not any string."""
    if isinstance(value, str):
        try:
            D(value)
        except ArithmeticError:
            return "text"
        return "decimal"
    return type(value).__name__


def check_shape(ours: Any, theirs: Any, optional: frozenset[str] = frozenset(), at: str = "") -> None:
    """Every recorded key is there with the recorded kind of value (null is a kind of its own)."""
    if isinstance(theirs, dict):
        missing = theirs.keys() - ours.keys() - optional
        assert not missing, f"{at}: {missing}"
        for key in theirs.keys() & ours.keys():
            check_shape(ours[key], theirs[key], optional, f"{at}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), at
        if ours and theirs:
            check_shape(ours[0], theirs[0], optional, f"{at}[0]")
    elif theirs is not None and ours is not None:
        assert kind_of(ours) == kind_of(theirs), f"{at}: {ours!r} against {theirs!r}"


OLD = frozenset({"maxTradeSzs"})
"""Gone from positions since the recording (hyperliquid.md section 1.2)."""


@pytest.mark.parametrize(
    ("name", "kind", "fields", "newer"),
    [
        ("get_user_state", "clearinghouseState", {"user": USER}, {"time", "crossMaintenanceMarginUsed"}),
        ("historical_orders", "historicalOrders", {"user": USER}, set()),
        ("get_frontend_open_orders", "frontendOpenOrders", {"user": USER}, {"cloid"}),
        ("get_user_fills", "userFills", {"user": USER}, {"tid", "feeToken", "twapId"}),
        ("get_l2_snapshot", "l2Book", {"coin": "ETH"}, set()),
        ("get_info", "meta", {}, {"marginTables", "collateralToken"}),
    ],
)
def test_our_answers_have_the_recorded_shape(service, name, kind, fields, newer):
    ours, theirs = ask(service, kind, **fields), recorded(name)
    check_shape(ours, theirs, OLD)
    mine, golden = (rows[0] if isinstance(rows, list) else rows for rows in (ours, theirs))
    assert mine.keys() - golden.keys() == newer


def test_positions_have_exactly_the_documented_keys(service):
    [row] = ask(service, "clearinghouseState", user=USER)["assetPositions"]
    assert row["type"] == "oneWay"
    assert set(row["position"]) == {
        "coin", "szi", "leverage", "entryPx", "positionValue", "unrealizedPnl", "returnOnEquity", "liquidationPx",
        "marginUsed", "maxLeverage", "cumFunding",
    }  # fmt: skip
    assert set(row["position"]["leverage"]) == {"type", "value"}
    [isolated] = ask(service, "clearinghouseState", user=OTHER)["assetPositions"]
    assert set(isolated["position"]["leverage"]) == {"type", "value", "rawUsd"}


def test_a_resting_bracket_shows_its_child_nested_and_as_a_row(service):
    rows = ask(service, "frontendOpenOrders", user=USER, dex="")
    child, parent = rows
    assert parent["children"] == [child]
    assert (child["orderType"], child["triggerCondition"], child["tif"]) == ("Stop Market", "Price below 1900", None)
    assert (parent["orderType"], parent["triggerCondition"], parent["triggerPx"]) == ("Limit", "N/A", "0.0")
    plain = ask(service, "openOrders", user=USER)
    assert "triggerPx" not in plain[0]
    assert plain[0]["reduceOnly"] is True
    assert "reduceOnly" not in plain[1]


def test_one_order_is_found_by_oid_but_not_by_another_user(service):
    oid = ask(service, "openOrders", user=USER)[1]["oid"]
    assert ask(service, "orderStatus", user=USER, oid=oid)["order"]["status"] == "open"
    assert ask(service, "orderStatus", user=OTHER, oid=oid) == {"status": "unknownOid"}
    assert ask(service, "orderStatus", user=USER, oid="0x" + "0" * 32) == {"status": "unknownOid"}


def test_a_node_may_be_behind_the_block_where_so_ruled(service):
    service.state.rules = Rules(order_status_lag_ms=1000)
    oid = ask(service, "openOrders", user=USER)[1]["oid"]
    assert ask(service, "orderStatus", user=USER, oid=oid) == {"status": "unknownOid"}
    service.state.orders[oid].placed_ms -= 1000
    assert ask(service, "orderStatus", user=USER, oid=oid)["status"] == "order"


def test_an_unknown_address_has_empty_answers(service):
    nobody = "0x" + "00" * 20
    state = ask(service, "clearinghouseState", user=nobody)
    assert state["assetPositions"] == []
    assert state["marginSummary"]["accountValue"] == "0.0"
    for kind in ("openOrders", "frontendOpenOrders", "userFills", "historicalOrders", "extraAgents"):
        assert ask(service, kind, user=nobody) == []
    assert ask(service, "userRole", user=nobody) == {"role": "missing"}
    assert ask(service, "subAccounts", user=nobody) is None


def test_books_can_be_put_together_and_unknown_coins_are_null(service):
    assert ask(service, "l2Book", coin="ETH", nSigFigs=5, mantissa=2)["levels"][0][0]["px"] == "1999.0"
    book = ask(service, "l2Book", coin="ETH", nSigFigs=3, mantissa=None)
    assert [lv["px"] for lv in book["levels"][0]] == ["1990.0", "1950.0"]
    assert [lv["px"] for lv in book["levels"][1]] == ["2010.0"]
    assert ask(service, "l2Book", coin="eth") is None


def test_fills_are_newest_first_or_by_time_and_can_be_put_together(service):
    act(service, USER, [order("12", "1998", buy=False)])
    newest = ask(service, "userFills", user=USER)
    assert [f["sz"] for f in newest] == ["2.0", "10.0", "1.0"]
    by_time = ask(service, "userFillsByTime", user=USER, startTime=NOW, endTime=None, aggregateByTime=True)
    assert [f["sz"] for f in by_time] == ["1.0", "12.0"]
    assert D(by_time[1]["px"]) == D("1998.83333333")
    assert ask(service, "userFillsByTime", user=USER, startTime=NOW + 1) == []
    reverse = ask(service, "userFillsByTime", user=USER, startTime=0, endTime=NOW, reversed=True)
    assert reverse == newest


def test_the_sdks_start_up_questions_are_answered(service):
    spot = ask(service, "spotMeta")
    assert {t["index"] for t in spot["tokens"]} >= {i for u in spot["universe"] for i in u["tokens"]}
    assert len(ask(service, "spotMetaAndAssetCtxs")[1]) == len(spot["universe"])
    assert ask(service, "perpDexs") == [None]
    meta, ctxs = ask(service, "metaAndAssetCtxs")
    assert len(meta["universe"]) == len(ctxs)
    assert set(ctxs[1]) == {
        "funding", "openInterest", "prevDayPx", "dayNtlVlm", "premium", "oraclePx", "markPx", "midPx", "impactPxs",
        "dayBaseVlm",
    }  # fmt: skip
    assert ctxs[5]["midPx"] is None
    assert ask(service, "allMids") == {"BTC": "100000.0", "ETH": "2000.0"}


def test_small_questions_have_their_documented_shape(service):
    assert ask(service, "exchangeStatus") == {"time": NOW, "specialStatuses": None}
    assert ask(service, "userAbstraction", user=USER) == "default"
    assert ask(service, "userDexAbstraction", user=USER) is None
    assert ask(service, "spotClearinghouseState", user=USER) == {"balances": []}
    limits = ask(service, "userRateLimit", user=USER)
    assert (limits["cumVlm"], limits["nRequestsCap"], limits["nRequestsUsed"]) == ("2001.0", 12_001, 4)
    assert limits["nRequestsSurplus"] == 0, "of what was reserved, and nothing can be"
    fees = ask(service, "userFees", user=USER)
    assert (fees["userCrossRate"], fees["userAddRate"]) == ("0.00045", "0.00015")
    assert [p[0] for p in ask(service, "portfolio", user=USER)][:2] == ["day", "week"]
    asset = ask(service, "activeAssetData", user=OTHER, coin="ETH")
    assert (asset["leverage"]["type"], asset["leverage"]["value"], len(asset["maxTradeSzs"])) == ("isolated", 5, 2)
    assert ask(service, "recentTrades", coin="ETH")[0]["coin"] == "ETH"
    assert ask(service, "fundingHistory", coin="ETH", startTime=NOW - 7_200_000)[0]["fundingRate"] == "0.0000125"
    assert ask(service, "fundingHistory", coin="NOPE", startTime=0) == []
    candle = ask(service, "candleSnapshot", req={"coin": "ETH", "interval": "1m", "startTime": NOW - 60_000})[0]
    assert set(candle) == {"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"}


@pytest.mark.parametrize(
    "request_",
    [
        None, [], {}, {"type": 7}, {"type": "nonsense"}, {"type": "openOrders"}, {"type": "openOrders", "user": "0x12"},
        {"type": "orderStatus", "user": USER}, {"type": "orderStatus", "user": USER, "oid": "12"},
        {"type": "orderStatus", "user": USER, "oid": True}, {"type": "l2Book"}, {"type": "meta", "dex": "xyz"},
        {"type": "l2Book", "coin": "ETH", "nSigFigs": 9}, {"type": "userFillsByTime", "user": USER, "startTime": "x"},
        {"type": "candleSnapshot", "req": None}, {"type": "activeAssetData", "user": USER, "coin": "NOPE"},
        {"type": "candleSnapshot", "req": {"coin": "ETH", "interval": "7m", "startTime": 0}},
        {"type": "candleSnapshot", "req": {"coin": "ETH", "interval": [], "startTime": 0}},
        {"type": "l2Book", "coin": "ETH", "nSigFigs": 5.0}, {"type": "l2Book", "coin": "ETH", "mantissa": 2},
        {"type": "l2Book", "coin": "ETH", "nSigFigs": 4, "mantissa": 5},
    ],
)  # fmt: skip
def test_misshapen_requests_are_unprocessable(service, request_):
    with pytest.raises(Unprocessable):
        info.answer(service, request_)
