"""What stops entries and nothing else: the signer's own policy and the breakers, over restarts; and who hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

ADDRESS = "0x" + "a1" * 20
PATH = "/canary-monitor-5f2e7a90c1"


class Outside:
    """A monitor and a webhook elsewhere."""

    def __init__(self) -> None:
        self.beats = 0
        self.news: list[dict[str, Any]] = []

    async def beat(self, request: web.Request) -> web.Response:
        self.beats += 1
        return web.Response()

    async def told(self, request: web.Request) -> web.Response:
        self.news.append(await request.json())
        return web.Response()

    def titles(self) -> list[str]:
        return [one["title"] for one in self.news]


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    one, app = Outside(), web.Application()
    app.add_routes([web.get(PATH, one.beat), web.post(PATH, one.told)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"  # type: ignore[attr-defined]  # known only now
    yield one
    await runner.cleanup()


def account(**policy: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "address": ADDRESS, "signer_env": "HYPERLIQUID_PRIVATE_KEY", "signer_policy": policy}]


async def test_the_signer_refuses_what_the_rules_let_pass_and_no_restart_gives_the_day_again(rig):
    rig.configure(
        sources=[rig.source(after_gap="continue")],
        accounts=account(symbols=["BTC", "ETH"], per_trade_cap_usd=150_000, daily_cap_usd=200_000),
    )
    async with rig.inside():
        await rig.send(
            rig.trade("listed", "LONG", 1),
            rig.trade("unlisted", "LONG", 1, "SOL"),
            rig.trade("large", "LONG", 2),
        )
        await rig.settled("listed", "unlisted", "large")
        assert rig.outcome("listed") == "executed"
        assert [rig.reason(name) for name in ("unlisted", "large")] == ["SIGNER_ALLOWLIST", "SIGNER_PER_TRADE_CAP"]
    async with rig.inside():
        await rig.send(rig.trade("over", "LONG", 1), rig.trade("small", "LONG", 5, "ETH"))
        await rig.settled("over", "small")
        assert rig.reason("over") == "SIGNER_DAILY_CAP"
        assert rig.outcome("small") == "executed"
        await rig.send(rig.trade("close", "SHORT", 4))  # all of the agent's book
        await rig.settled("close")
    assert rig.size() == 0
    assert [event["rule"] for event in rig.events("SignerRefused")] == ["allowlist", "per_trade_cap", "daily_cap"]
    assert {row["asset"] for row in (body["action"] for body in rig.sent("updateLeverage"))} <= {0, 1}
    code, story = await rig.command("explain", "over")
    assert code == 0
    assert "SignerRefused" in story
    assert "SIGNER_DAILY_CAP" in story


def priced(frame: dict[str, Any], px: str) -> dict[str, Any]:
    """The frame with the price its agent saw."""
    frame["config"]["metadata"] = {"price": px}
    return frame


async def test_a_quote_far_from_the_signals_price_or_too_thin_opens_nothing_and_closes_everything(rig):
    rig.configure(execution={"quote_check": {"max_divergence_bps": 100, "min_depth_pct": 100}})
    async with rig.inside():
        await rig.send(priced(rig.trade("near", "LONG", 1), "100500"))
        await rig.settled("near")
        assert rig.outcome("near") == "executed"
        await rig.send(
            priced(rig.trade("far", "LONG", 1), "90000"), priced(rig.trade("thin", "LONG", 9, "ETH"), "4000")
        )
        await rig.settled("far", "thin")
        assert (rig.reason("far"), rig.outcome("thin")) == ("QUOTE_DIVERGENCE", "executed")
        rig.exchange.market.set_quote("ETH", "3999", "4001", size="8.99")
        await rig.send(priced(rig.trade("thinner", "LONG", 9, "ETH"), "4000"))
        await rig.settled("thinner")
        assert rig.reason("thinner") == "QUOTE_DEPTH"
        code, told = await rig.command("status", "--json")
        budgets = orjson.loads(told)["worker"]["budgets"]  # of the worker that runs
        assert (code, budgets["ip_weight"][1], budgets["sockets"][1]) == (0, 1200, 10)
        rig.exchange.market.set_quote("ETH", "3999", "4001")
        await rig.send(
            priced(rig.trade("out", "SHORT", 2), "1"), priced(rig.trade("out of ETH", "SHORT", 18, "ETH"), "1")
        )
        await rig.settled("out", "out of ETH")
        await rig.until(lambda: rig.size() == 0 and rig.size("ETH") == 0, within_s=30)
    found = [(event["coin"], event["reason"], event["reference_px"]) for event in rig.events("QuoteRejected")]
    assert sorted(found) == [("BTC", "QUOTE_DIVERGENCE", "90000"), ("ETH", "QUOTE_DEPTH", "4000")]
    code, story = await rig.command("explain", "far")
    assert code == 0
    assert "the quote was not believed" in story
    assert "bps from the signal's 90000" in " ".join(story.split())


async def test_a_breaker_holds_over_a_restart_until_it_is_reset_and_exits_go_on(rig, outside):
    rig.environ["NEWS"] = outside.url
    rig.configure(
        sources=[rig.source(after_gap="continue")],
        risk=[
            {"rule": "max_order_notional", "max_usd": 250_000},
            {"rule": "max_position_notional", "max_usd": 500_000},
            {"rule": "daily_loss", "max_usd": 500_000},
            {"rule": "drawdown", "max_usd": 1_000},
            {"rule": "consecutive_losses", "max": 1},
        ],
        notify=[{"type": "webhook", "url_env": "NEWS"}],
    )
    async with rig.inside():
        await rig.send(rig.trade("one", "LONG", 1), rig.trade("two", "LONG", 5, "ETH"))
        await rig.settled("one", "two")
        rig.market.set_quote("BTC", "97990", "98010")
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.settled("close")
        assert rig.size() == 0
        await rig.until(lambda: len(rig.events("FillSeen")) >= 3)
        await rig.send(rig.trade("after", "LONG", 1))
        await rig.settled("after")
        assert rig.reason("after") == "DRAWDOWN"
    async with rig.inside() as runtime:
        state = runtime.worker.desks["main"].state
        assert set(state.breakers) == {"drawdown", "consecutive_losses"}
        assert state.breakers["drawdown"] is None  # it has no end of its own
        assert state.losses_in_a_row == 1
        await rig.send(rig.trade("still", "LONG", 1), rig.trade("out", "SHORT", 5, "ETH"))
        await rig.settled("still", "out")
        assert rig.reason("still") == "DRAWDOWN_LATCHED"
        assert rig.size("ETH") == 0
        runtime.worker.command("reset", None, "test", "drawdown")
        await rig.send(rig.trade("row", "LONG", 1))
        await rig.settled("row")
        assert rig.reason("row") == "CONSECUTIVE_LOSSES_LATCHED"
        runtime.worker.command("reset", None, "test", "consecutive_losses")
        await rig.send(rig.trade("again", "LONG", 1))
        await rig.settled("again")
        assert rig.outcome("again") == "executed"
    assert outside.titles() == ["BREAKER drawdown", "BREAKER consecutive_losses"]
    assert outside.news[0]["level"] == "warning"
    assert PATH.encode() not in rig.ledger_path.read_bytes()


async def test_all_that_is_earned_adds_up_to_the_equity_funding_paid_while_away_included(rig):
    rig.configure(sources=[rig.source(after_gap="continue")])
    async with rig.inside():
        await rig.send(rig.trade("one", "LONG", 1), rig.trade("two", "SHORT", 5, "ETH"))
        await rig.settled("one", "two")
        rig.market.set_quote("ETH", "4099", "4101")
        await rig.send(rig.trade("some", "LONG", 2, "ETH"))
        await rig.settled("some")
    rig.exchange.service.state.last_funding_hour -= 1
    paid = rig.exchange.service.state.fundings[ADDRESS]
    await rig.until(lambda: len(paid) == 2)
    for row in paid:
        row["time"] = rig.exchange.service.now()  # the last full hour was before the record began
    async with rig.inside() as runtime:
        await rig.until(lambda: len(rig.events("FundingSeen")) == 2)
        rig.market.set_quote("BTC", "100990", "101010")
        await rig.send(rig.trade("rest", "SHORT", 1), rig.trade("flat", "LONG", 3, "ETH"))
        await rig.settled("rest", "flat")
        state = runtime.worker.desks["main"].state
        await rig.until(lambda: len(rig.events("FillSeen")) == 5)
        fact = await runtime.venue.account(ADDRESS)
        assert fact.positions == ()
        assert fact.equity_usd - 1_000_000 == state.earnings.realized_usd == state.day.realized_usd
        assert state.open_trades == {}


def _looks(runtime: Any) -> list[int]:
    """How often the heartbeat looked from now on whether all is well."""
    count, ask = [0], runtime.unwell

    def counted() -> str:
        count[0] += 1
        return str(ask())

    runtime._heartbeat._unwell = counted
    return count


async def test_the_sign_of_life_stops_with_the_last_channel_and_comes_back_with_it(rig, outside):
    rig.environ["ALIVE"] = outside.url
    rig.configure(heartbeat={"url_env": "ALIVE", "every_s": 0.1})
    async with rig.inside() as runtime:
        await rig.until(lambda: outside.beats >= 3)
        assert runtime.unwell() == ""
        rig.sim.refuse_with = 503
        await rig.sim.cut()
        await rig.until(lambda: runtime.unwell() == "no channel is open")
        looks = _looks(runtime)
        await rig.until(lambda: looks[0] >= 2)  # a sign under way when the channel closed has arrived
        stopped = outside.beats
        await rig.until(lambda: looks[0] >= 7)
        assert outside.beats == stopped
        rig.sim.refuse_with = None
        await rig.until(lambda: outside.beats >= stopped + 2, 30)


async def test_a_worker_that_is_of_no_use_says_so(rig):
    async with rig.inside() as runtime:
        state = runtime.worker.desks["main"].state
        read_ms, state.account_read_ms = state.account_read_ms, 1
        assert runtime.unwell() == "account main could not be read"
        state.account_read_ms, state.reconciled = read_ms, False
        assert runtime.unwell() == "account main could not be read"
        state.reconciled = True
        assert runtime.unwell() == ""


CAPS = [{"rule": name, "max_usd": 500_000} for name in ("max_order_notional", "max_position_notional", "daily_loss")]
HANGS = """
import threading

from executor.api import Verdict


class Hangs:
    name, watches = "hangs", ()

    @classmethod
    def from_options(cls, options):
        return cls()

    def check(self, proposal, exposure):
        if proposal.coin == "ETH":
            threading.Event().wait(5)
        return Verdict(self.name, "pass")
"""


async def test_a_rule_of_a_plugin_that_hangs_refuses_entries_and_holds_up_no_exit(rig):
    (rig.folder / "hangs.py").write_text(HANGS)
    rig.configure(risk=[*CAPS, {"rule": "hangs.py:Hangs"}])
    async with rig.inside():
        await rig.send(rig.trade("in", "LONG", 1))
        await rig.settled("in")
        await rig.send(rig.trade("hung", "LONG", 1, "ETH"))
        await rig.settled("hung")
        await rig.send(rig.trade("next", "LONG", 1), rig.trade("out", "SHORT", 2))
        await rig.settled("next", "out")
        await rig.until(lambda: rig.size() == 0)
        assert (rig.reason("hung"), rig.reason("next"), rig.outcome("out")) == (
            "RULE_FAILED",
            "RULE_FAILED",
            "executed",
        )
