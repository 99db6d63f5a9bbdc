"""A worker copies another worker's trades, process to process, by nothing but the stream and lists that one serves."""

from __future__ import annotations

import socket
from decimal import Decimal

from aiohttp import ClientSession

WITHIN_S = 30


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def about(rig, size):
    """Until so much BTC is held: copied by value, so within a percent."""
    wanted = Decimal(size)
    await rig.until(lambda: abs(rig.size() - wanted) <= abs(wanted) / 100, WITHIN_S)


async def both(rig, follower, size):
    await rig.until(lambda: rig.size() == Decimal(size), WITHIN_S)
    await about(follower, size)


async def listening(follower, times):
    def opened():
        return len([one for one in follower.events("SourceChanged") if one["state"] == "open"]) >= times

    await follower.until(opened, WITHIN_S)


async def asked(session, path):
    async with session.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_a_second_worker_copies_the_first_ones_trades_long_and_short_and_over_a_stop_of_its_own(rig, follower):
    port = free_port()
    rig.configure(server={"enabled": True, "port": port})
    source = {"name": "leader", "type": "halyrd", "url": f"http://127.0.0.1:{port}", "poll_s": 0.5}
    route = {"source": "leader", "agents": ["*"], "strategy": "halyrd_copy", "accounts": ["main"]}
    follower.configure(sources=[source], routes=[route])
    await rig.spawn()
    await follower.spawn(channels=0)
    await listening(follower, 1)

    await rig.send(rig.trade("open", "LONG", "0.2"))
    await both(rig, follower, "0.2")
    await rig.send(rig.trade("less", "SHORT", "0.1"))
    await both(rig, follower, "0.1")
    await rig.send(rig.trade("flip", "SHORT", "0.3"))
    await both(rig, follower, "-0.2")

    assert await follower.stop() == 0  # what is closed while it is away, it closes when it is back
    await rig.send(rig.trade("cover", "LONG", "0.2"))
    await rig.until(lambda: rig.size() == 0, WITHIN_S)
    await follower.spawn(channels=0)
    await both(rig, follower, 0)
    await listening(follower, 2)

    await rig.send(rig.trade("again", "SHORT", "0.1"))
    await both(rig, follower, "-0.1")
    await rig.send(rig.trade("done", "LONG", "0.1"))
    await both(rig, follower, 0)
    await rig.send(rig.trade("huge", "LONG", "25"))
    await rig.settled("huge", within_s=WITHIN_S)
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        (block,) = await asked(session, "/agents/current/risk/blocks")
        assert (block["layer"], block["rule"], block["code"]) == ("policy", "max_order_notional", "MAX_ORDER_NOTIONAL")
        assert (await asked(session, f"/agents/main/orders/{block['order_ref']}"))["action_id"] == "huge"
        assert (await asked(session, f"/agents/main/journal/{block['journal_ref']}"))["kind"] == "RISK_VETO"
        (loss,) = await asked(session, "/agents/main/risk/objectives")
        assert (loss["rule"], loss["limit"], loss["latched"]) == ("daily_drawdown", 0.05, False)
        assert 0 < loss["headroom_pct"] < 100
    assert await follower.stop() == 0
    assert await rig.stop() == 0
    assert len(follower.fills("BTC")) == len(rig.fills("BTC")), "each once"
