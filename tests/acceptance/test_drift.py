"""What drifts between the exchange and us: lost pushes, lies, manual trades, orders of others, reads that fail."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from executor.core.types import Side
from executor.execution import reading
from executor.hyperliquid import limits
from executor.paper.faults import Fault
from executor.paper.server import Reply
from executor.paper.sockets import Connection
from executor.venue.signer import Signer

SECOND = "0x" + "b2" * 20
SECOND_KEY = "0x" + "7e57ab1e" * 8


async def _open(rig, size=1.0, name="open", side="LONG", **more):
    await rig.send(rig.trade(name, side, size, **more))
    await rig.settled(name, within_s=20)


async def _stop(rig, px=95_000, name="stop"):
    await rig.send(rig.protect("STOP_LOSS", name, "SELL", px))
    await rig.until(lambda: [Decimal(row["triggerPx"]) for row in rig.stops()] == [px], 20)


def _mute(monkeypatch, *channels):
    """From now on the exchange drops what it would push on these channels; its heartbeats go on."""
    send = Connection.send

    def some(self, message, now_ms):
        if message.get("channel") not in channels or "isSnapshot" in (message.get("data") or {}):
            send(self, message, now_ms)

    monkeypatch.setattr(Connection, "send", some)


def _causes(rig):
    return [row["cause"] for row in rig.events("DifferenceFound")]


def _agrees(rig, runtime, account="main"):
    state = runtime.worker.desks[account].state
    return state.position("BTC").size == rig.size() and not state.exits


def _account(rig, name="main"):
    rows = rig.read(lambda reader: reader.status()["accounts"], [])
    return next((row for row in rows if row["account"] == name), {})


def _second(rig, fund=1_000_000):
    rig.exchange.fund(SECOND, fund)
    rig.exchange.approve_agent(SECOND, Signer.from_key_text(SECOND_KEY, mainnet=False).address, "second")
    rig.environ["SECOND_KEY"] = SECOND_KEY


# -- lost news ----------------------------------------------------------------------------------------------------


async def test_silent_drop_of_fills_while_heartbeats_go_on_is_found_by_rest(rig, monkeypatch):
    """Lean.TradeStation#94: connected, alive, and nothing of the stop that fired is told."""
    monkeypatch.setattr(reading, "EVERY_S", 0.5)
    async with rig.inside() as runtime:
        await _open(rig)
        await _stop(rig)
        await rig.until(lambda: rig.outcome("stop") == "resting")
        _mute(monkeypatch, "userFills", "orderUpdates")
        rig.market.set_quote("BTC", 94_900, 94_920)
        await rig.until(lambda: rig.size() == 0 and _agrees(rig, runtime), 20)
        await rig.until(lambda: "stop fired" in _causes(rig), 20)
        rig.market.set_quote("BTC", 99_990, 100_010)
        await rig.until(lambda: runtime.venue.quotes["BTC"].ask == 100_010)
        await _open(rig, name="again")
        assert rig.size() == 1


async def test_drop_during_fill_is_made_up_for_after_the_reconnect(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        await _stop(rig)
        await rig.until(lambda: rig.events("LegRested"), 20)  # else its own answer is cut
        for px in (94_900, 94_000):
            rig.exchange.cut_sockets()
            rig.market.set_quote("BTC", px, px + 20)
        await rig.until(lambda: rig.size() == 0 and _agrees(rig, runtime), 20)
        await rig.until(lambda: "stop fired" in _causes(rig), 20)
        assert len(rig.events("FillSeen")) == len({(f["fill"]["tid"]) for f in rig.events("FillSeen")})


async def test_manual_trade_midway_is_classed_and_the_exit_takes_what_is_left(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        await _stop(rig)
        await rig.by_hand("BTC", Side.SELL, "0.4", "99000")
        await rig.until(lambda: "manual trade" in _causes(rig), 20)
        await rig.until(lambda: [row["sz"] for row in rig.stops()] == ["0.6"], 20)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [] and _agrees(rig, runtime), 20)


async def test_a_stop_of_ours_that_somebody_cancels_is_classed_and_placed_again(rig, monkeypatch):
    monkeypatch.setattr(reading, "EVERY_S", 0.5)
    async with rig.inside():
        await _open(rig)
        await _stop(rig)
        await rig.until(lambda: rig.outcome("stop") == "resting")
        [row] = rig.stops()
        await _cancel_by_hand(rig, row["oid"])
        await rig.until(lambda: "canceled elsewhere" in _causes(rig), 20)
        await rig.until(lambda: rig.stops() and rig.stops()[0]["oid"] != row["oid"], 20)


async def _cancel_by_hand(rig, oid):
    from aiohttp import ClientSession

    from executor.hyperliquid import wire
    from executor.ports import SignedRequest
    from executor.venue.envelope import exchange_body

    other = Signer.from_key_text("0x" + "0badf00d" * 8, mainnet=False)
    rig.exchange.approve_agent(rig.address, other.address, "by hand")
    asset_id = rig.exchange.service.state.markets["BTC"].asset.asset_id
    action, nonce = wire.cancel_action([(asset_id, oid)]), rig.clock.now_ms()
    request = SignedRequest(action, nonce, other.sign(action, nonce, None, None), None, None)
    async with ClientSession() as session:
        answer = await session.post(f"{rig.exchange.url}/exchange", data=exchange_body(request))
        assert answer.status == 200


async def test_an_order_of_others_is_classed_once_and_left_alone(rig, monkeypatch):
    monkeypatch.setattr(reading, "EVERY_S", 0.3)
    async with rig.inside():
        await _open(rig)
        await _stop(rig)
        await rig.by_hand("BTC", Side.SELL, "0.2", "90000", trigger="92000")
        await rig.until(lambda: "foreign order" in _causes(rig), 20)
        await rig.send(rig.protect("STOP_LOSS", "newer", "SELL", 96_000))
        await rig.until(lambda: sorted(Decimal(row["triggerPx"]) for row in rig.stops()) == [92_000, 96_000], 20)
        assert _causes(rig).count("foreign order") == 1


# -- foreign positions by policy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["place_default", "flatten"])
async def test_a_foreign_position_is_adopted_protected_and_never_added_to(rig, policy):
    rig.configure(
        accounts=[
            {
                "name": "main",
                "address": rig.address,
                "signer_env": "HYPERLIQUID_PRIVATE_KEY",
                "foreign_positions": "adopt",
            }
        ],
        protection={"policy": policy, "require": "signalled", "after_s": 1},
    )
    await rig.by_hand("BTC", Side.BUY, "0.5", "101000")
    async with rig.inside():
        await _open(rig)
        assert rig.reason("open") == "SYMBOL_OWNED"
        if policy == "flatten":
            await rig.until(lambda: rig.size() == 0 and rig.resting() == [], 20)
        else:
            await rig.until(lambda: [row["sz"] for row in rig.stops()] == ["0.5"], 20)
            await rig.by_hand("BTC", Side.SELL, "0.5", "99000")
            await rig.until(lambda: rig.size() == 0 and rig.resting() == [], 20)


# -- lies and lost answers --------------------------------------------------------------------------------------------


def _lies(rig, times=1):
    """The exchange answers the next order as filled, and does nothing (go-trader#756)."""
    told, honest = [], rig.exchange._exchange

    async def exchange(body, ip):
        orders = body["action"].get("orders") if isinstance(body, dict) else None
        if not orders or len(told) >= times:
            return await honest(body, ip)
        told.append(body)
        rows = [{"filled": {"totalSz": row["s"], "avgPx": row["p"], "oid": 990 + len(told)}} for row in orders]
        return Reply(200, orjson.dumps({"status": "ok", "response": {"type": "order", "data": {"statuses": rows}}}))

    rig.exchange._exchange = exchange
    return told


async def test_lying_fill_of_an_entry_is_not_believed_for_long(rig, monkeypatch):
    monkeypatch.setattr("executor.core.reconcile.CLAIM_MS", 1_000)
    async with rig.inside() as runtime:
        _lies(rig)
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(lambda: "unconfirmed fill" in _causes(rig), 20)
        assert any(row["code"] == "FILL_UNCONFIRMED" for row in rig.events("AlarmRaised"))
        assert _agrees(rig, runtime)
        await _open(rig, name="next")
        assert rig.size() == 1


async def test_lying_fill_of_an_exit_goes_again_until_flat(rig, monkeypatch):
    monkeypatch.setattr("executor.core.reconcile.CLAIM_MS", 1_000)
    async with rig.inside() as runtime:
        await _open(rig)
        told = _lies(rig)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: told and rig.size() == 0 and _agrees(rig, runtime), 20)
        assert len(told) == 1


async def test_sl_answer_garbled_is_exactly_one_live_stop(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        rig.arm(Fault("garbage", match="order"))
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.until(lambda: rig.outcome("stop") == "resting", 20)
        await rig.until(lambda: not runtime.worker.desks["main"].uncertain_legs(), 20)
        assert len(rig.stops()) == 1
        assert len({body["nonce"] for body in rig.sent()}) == 2


async def test_local_timeout_remote_accept_is_one_order(rig):
    rig.configure(execution={"reply_timeout_s": 0.3})
    async with rig.inside():
        rig.arm(Fault("delay_answer", match="order", delay_ms=2_500))
        await _open(rig)
        assert (rig.outcome("open"), rig.size()) == ("executed", 1)
        await rig.until(lambda: not rig.events("LegUnknown") or rig.outcome("open") == "executed", 20)
    assert len(rig.orders_named(rig.entry_name("open"))) == 1
    again = [body for body in rig.sent() if body["nonce"] == rig.sent()[0]["nonce"]]
    assert all(body == again[0] for body in again)  # whatever went again were the same bytes


@pytest.mark.parametrize("became", ["resting", "filled", "rejected"])
@pytest.mark.parametrize("fault", ["drop_answer", pytest.param("http_502_after", marks=pytest.mark.full)])
async def test_ex_accept_then_drop_is_one_order_whatever_became_of_it(rig, fault, became):
    if became == "rejected":  # an account without the money for it
        _second(rig, fund=5)
        rig.configure(accounts=[{"name": "main", "address": SECOND, "signer_env": "SECOND_KEY"}])
    async with rig.inside() as runtime:
        if became == "resting":
            await _open(rig)
        rig.arm(Fault(fault, match="order"))
        name = "stop" if became == "resting" else "open"
        frame = rig.protect("STOP_LOSS", name, "SELL", 95_000) if name == "stop" else rig.trade(name, "LONG", 1)
        await rig.send(frame)
        await rig.settled(name, within_s=25)
        await rig.until(lambda: not runtime.worker.desks["main"].uncertain_legs(), 25)
        assert (
            rig.outcome(name) in {"resting": ("resting",), "filled": ("executed",), "rejected": ("rejected",)}[became]
        )
        assert rig.size() == (0 if became == "rejected" else 1)
        assert len(rig.stops()) == (1 if became == "resting" else 0)


# -- an account that cannot be read -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "named"),
    [("userFillsByTime", "fills"), ("frontendOpenOrders", "open orders"), ("clearinghouseState", "positions")],
)
async def test_it_takes_no_entry_while_a_part_of_the_account_is_missing_and_says_which(rig, part, named):
    rig.configure(execution={"entry_ttl_s": 2})
    rig.arm(Fault("http_502", on="info", match=part, times=0))
    await rig.spawn()
    await rig.until(lambda: _account(rig).get("missing") == [named], 20)
    assert _account(rig)["reconciled"] is False
    await rig.send(rig.trade("open", "LONG", 1))
    if part != "clearinghouseState":
        await rig.settled("open", within_s=20)
        assert (rig.outcome("open"), rig.reason("open")) == ("refused", "NOT_RECONCILED")
    assert rig.sent() == []
    rig.exchange.faults.clear()
    await rig.until(lambda: _account(rig)["reconciled"] and not _account(rig)["missing"], 20)
    await _open(rig, name="then")
    assert rig.outcome("then") == "executed"
    assert await rig.stop() == 0
    assert "reconcile_failed" in rig.log()
    assert named in rig.log()


async def test_readyz_says_what_is_missing(rig):
    from executor.app.identity import traders
    from executor.app.runtime import Runtime
    from executor.app.web import readiness

    rig.arm(Fault("http_502", on="info", match="userFillsByTime", times=0))
    loaded = rig.loaded()
    async with Runtime(loaded, traders(loaded)) as runtime:
        await rig.until(lambda: readiness(runtime).missing == {"main": ("fills",)}, 20)
        assert not readiness(runtime).ready
        rig.exchange.faults.clear()
        await rig.until(lambda: readiness(runtime).accounts == {"main": True}, 20)
        assert readiness(runtime).missing == {}


# -- an unknown order is its own account's and coin's -----------------------------------------------------------------


async def test_an_unresolved_order_blocks_new_risk_on_its_own_coin_and_account_alone(rig, monkeypatch):
    """Lost on its way, and closed by its agent meanwhile: it is only looked up, until it can be called absent."""
    monkeypatch.setattr(limits, "IP_WEIGHT_PER_MINUTE", 12_000)  # two accounts' start takes most of a minute's reads
    _second(rig)
    rig.configure(
        accounts=[
            {"name": "main", "address": rig.address, "signer_env": "HYPERLIQUID_PRIVATE_KEY"},
            {"name": "second", "address": SECOND, "signer_env": "SECOND_KEY"},
        ],
        routes=[
            {"source": "fractrade", "agents": ["agent-uuid"], "strategy": "follow", "accounts": ["main"]},
            {"source": "fractrade", "agents": ["other"], "strategy": "follow", "accounts": ["second"]},
        ],
        sources=[rig.source(agents=["agent-uuid", "other"])],
        execution={"order_expiry_s": 4, "reply_timeout_s": 0.5},
    )
    async with rig.inside(channels=2) as runtime:
        rig.arm(Fault("drop_request", match="order", times=0))
        await rig.send(rig.trade("lost", "LONG", 1))
        await rig.until(rig.sent)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.events("ExitOwed"))
        rig.exchange.faults.clear()
        await rig.until(lambda: [row["action_id"] for row in _account(rig).get("unresolved", [])] == ["lost"], 10)
        [row] = _account(rig)["unresolved"]
        assert row["absent_from"] is not None
        assert row["next_try_by"] is not None
        await rig.send(rig.trade("again", "LONG", 1), rig.trade("eth", "LONG", 1, "ETH"))
        await rig.send(rig.trade("theirs", "LONG", 1, agent_id="other"))
        await rig.until(lambda: rig.outcome("eth") == rig.outcome("theirs") == "executed", 10)
        if runtime.worker.desks["main"].state.has_unknown("BTC"):
            assert rig.outcome("again") == "pending"
        await rig.until(lambda: rig.outcome("lost") == "absent", 20)
        await rig.until(lambda: "expired" in _causes(rig), 20)
        await rig.settled("again", within_s=20)
        assert rig.outcome("again") == "executed"
    assert rig.size() == 1
