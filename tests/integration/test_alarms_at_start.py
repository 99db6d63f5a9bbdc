"""What a worker's first record tells is counted too: the server that shows it begins after it."""

from __future__ import annotations

from decimal import Decimal

import aiohttp
from coincurve import PrivateKey
from story import RULES

from executor import config, plugins
from executor.app import compose
from executor.app.identity import Trader
from executor.app.runtime import Runtime
from executor.app.web import start_server
from executor.core import events as ev
from executor.core.intake import IntakeState
from executor.core.position import Holding, Position
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.execution.restore import save
from executor.testing import ManualClock
from executor.venue.adapter import HyperliquidVenue
from executor.venue.signer import Signer


class Readable(HyperliquidVenue):
    """A venue whose coins are known."""

    rules = RULES  # type: ignore[assignment]  # read at its start otherwise


async def test_a_position_that_nobody_would_close_is_counted_as_an_alarm_once(tmp_path):
    text = "version: 1\naccounts: [{name: a}]\nserver: {port: 0}\n"
    loaded = config.load_text(text, tmp_path / "c.yaml", [], {}, plugins)
    clock = ManualClock()
    (account,) = loaded.config.accounts
    who = {"a": Trader(account, "0x" + "a" * 40, Signer(PrivateKey(b"\x01" * 32), mainnet=False))}
    runtime = Runtime(loaded, who, clock=clock)
    runtime.ledger = compose.open_ledger(loaded, who, clock)
    held = Position("BTC", Decimal(1), holdings=[Holding(Agent("fractrade", "alice"), Decimal(1))])
    save(runtime.ledger, IntakeState(), [DeskState("a", {"BTC": held})])
    runtime.venue = Readable("custom", "http://127.0.0.1:9", clock)
    runtime.worker = compose.worker(loaded, who, runtime.venue, runtime.ledger, clock)
    runtime._take_over()
    lost = ev.AlarmRaised(at_ms=clock.now_ms(), account="a", code="LIQUIDATED", text="told by a first read")
    runtime.worker._announce([lost], None)  # desks read and act while the server is being started
    server = await start_server(runtime)
    url = f"http://127.0.0.1:{server._listener.sockets[0].getsockname()[1]}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    await server.close()
    runtime.ledger.close()
    assert [line for line in lines if "UNROUTED" in line] == ['executor_alarms_total{account="a",reason="UNROUTED"} 1']
    assert 'executor_alarms_total{account="a",reason="LIQUIDATED"} 1' in lines
