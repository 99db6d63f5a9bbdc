"""Every check of the doctor can fail, and says what to do then."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from executor.app.doctor import checks
from executor.app.doctor_sources import handshakes
from executor.app.identity import traders
from executor.app.locking import hold
from executor.errors import ConfigError
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.paper.state import StateFile
from executor.ports import ChannelState
from executor.testing import ScriptedExchange
from executor.venue.signer import Signer

EXECUTOR = str(Path(sys.executable).with_name("executor"))
ADDRESS = "0x" + "a1" * 20
OTHER_KEY = "0x" + "42" * 32
OTHER = Signer.from_key_text(OTHER_KEY, mainnet=False).address
DAY_MS = 86_400_000


@pytest.fixture
def doctor(rig, monkeypatch):
    """All checks on the rig's configuration; its own environment, its own locks."""
    monkeypatch.setenv("EXECUTOR_LOCK_DIR", rig.environ["EXECUTOR_LOCK_DIR"])

    async def look():
        return await checks(rig.loaded())

    return look


def level(found, name):
    """The worst level among the checks of this name."""
    levels = {check.level for check in found if check.name.startswith(name)}
    return next((word for word in ("fail", "warn", "pass") if word in levels), None)


def the(found, wanted, name):
    """The one check of this name and level, which must say what to do."""
    (check,) = [check for check in found if check.level == wanted and check.name.startswith(name)]
    assert check.remedy, check
    return check


def failed(found, name):
    """The one check that failed, and that no other did."""
    assert {check.name for check in found if check.level == "fail"} == {the(found, "fail", name).name}, found
    return the(found, "fail", name)


# -- all well ---------------------------------------------------------------------------------------------------


async def test_with_everything_in_place_nothing_fails(rig, doctor):
    found = await doctor()
    assert not [check for check in found if check.level != "pass"]
    names = {check.name.split()[0] for check in found}
    assert names >= {
        "config", "secret", "signer", "account", "collateral", "positions", "orders", "clock", "budget", "venue",
        "channel", "ledger", "locks",
    }  # fmt: skip
    assert not rig.sim.clients
    assert not rig.exchange.reached
    assert not rig.ledger_path.exists()


async def test_the_report_is_a_document_and_its_exit_code_the_verdict(rig):
    async def run(*args):
        command = [EXECUTOR, "doctor", "-c", str(rig.folder / "config.yaml"), *args]
        return await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, env=rig.environ, timeout=30, check=False
        )

    well = await run("--json")
    assert (well.returncode, json.loads(well.stdout)["ok"]) == (0, True)
    rig.sim.refuse_with = 403
    ill = await run()
    assert ill.returncode == 1
    assert "FORBIDDEN" in ill.stdout
    assert "remedy:" in ill.stdout
    (rig.folder / "config.yaml").write_text("versoin: 1")
    bad = await run("--json")
    assert bad.returncode == 1
    (check,) = json.loads(bad.stdout)["checks"]
    assert (check["name"], check["level"]) == ("config", "fail")
    assert "did you mean 'version'?" in check["text"]


def on_the_tape(rig):
    """Dry-run on the bundled tape; the configuration as it is written."""
    rig.configure(mode="dry_run", hyperliquid={"network": "mainnet", "api_url": None})
    text = (rig.folder / "config.yaml").read_text()
    document = json.loads(text) | {"paper": {"feed": "tape"}}
    (rig.folder / "config.yaml").write_text(json.dumps(document))
    del rig.environ["HYPERLIQUID_PRIVATE_KEY"]
    return document


async def test_the_paper_exchanges_memory_is_usable_or_fails(rig, doctor):
    on_the_tape(rig)
    state = rig.folder / "var" / "paper.db"
    assert level(await doctor(), "paper state") == "pass", "it is made at the first start"
    assert not state.exists()
    state.parent.mkdir(exist_ok=True)
    state.write_bytes(b"no database " * 100)
    assert "paper.db" in failed(await doctor(), "paper state").text
    state.unlink()
    StateFile(state).close()
    assert level(await doctor(), "paper state") == "pass"


async def test_in_dry_run_no_account_is_looked_at(rig, doctor):
    document = on_the_tape(rig)
    found = await doctor()
    assert level(found, "signer") == level(found, "account") == level(found, "market data") == "pass"
    assert any("not needed in dry-run" in check.text for check in found)
    assert not rig.ledger_path.parent.exists()
    document["paper"]["tape"] = str(rig.folder / "config.yaml")
    (rig.folder / "config.yaml").write_text(json.dumps(document))
    assert "no recorded market" in failed(await doctor(), "market data").text


# -- secrets ----------------------------------------------------------------------------------------------------


async def test_a_key_that_is_not_there(rig, doctor):
    del rig.environ["HYPERLIQUID_PRIVATE_KEY"]
    assert "HYPERLIQUID_PRIVATE_KEY" in failed(await doctor(), "signer key main").text


async def test_a_key_that_is_none(rig, doctor):
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = "hunter2hunter2"
    check = failed(await doctor(), "signer key main")
    assert "hunter2" not in check.text + check.remedy


@pytest.mark.parametrize("reference", [{"api_key_file": "nowhere"}, {"api_key_cmd": "false"}])
async def test_a_secret_that_cannot_be_read(rig, doctor, reference):
    rig.configure(sources=[rig.source(**reference)])
    found = await doctor()
    assert the(found, "fail", "secret fractrade.api_key")
    assert level(found, "source fractrade") == "fail"


async def test_a_server_open_to_others_without_a_token(rig, doctor):
    rig.configure(server={"enabled": True, "host": "0.0.0.0", "port": 0, "token_env": "NO_SUCH_TOKEN"})
    assert "NO_SUCH_TOKEN" in failed(await doctor(), "secret server.token").text


async def test_localhost_is_this_machine_however_it_is_written(rig, doctor):
    rig.configure(server={"enabled": True, "host": "LocalHost", "port": 0, "token_env": "NO_SUCH_TOKEN"})
    assert level(await doctor(), "secret server.token") == "pass"


# -- account ----------------------------------------------------------------------------------------------------


async def test_a_signer_nobody_approved(rig, doctor):
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = OTHER_KEY
    assert "no approved agent" in failed(await doctor(), "signer main").text


async def test_an_agent_of_another_account(rig, doctor):
    master = "0x" + "b2" * 20
    rig.exchange.fund(master, 100)
    rig.exchange.approve_agent(master, OTHER, "elsewhere")
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = OTHER_KEY
    assert master in failed(await doctor(), "agent main").text


async def test_an_address_that_is_the_agents_own(rig, doctor):
    rig.configure(accounts=[{"name": "main", "address": traders(rig.loaded())["main"].signer.address}])
    check = failed(await doctor(), "account main")
    assert "agent's address" in check.text
    assert ADDRESS in check.remedy


async def test_an_address_the_venue_does_not_know(rig, doctor):
    rig.configure(accounts=[{"name": "main", "address": "0x" + "c3" * 20}])
    assert "does not know" in failed(await doctor(), "account main").text


async def test_an_agent_about_to_expire_is_a_warning(rig, doctor):
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = OTHER_KEY
    rig.exchange.approve_agent(ADDRESS, OTHER, "soon", rig.clock.now_ms() + 5 * DAY_MS)
    assert "4 more days" in the(await doctor(), "warn", "agent main").text


async def test_what_the_worker_would_meet_is_a_warning(rig, doctor):
    rig.market.set_quote("BTC", "99990", "100010")
    found = await doctor()
    assert level(found, "positions") == level(found, "orders") == "pass"
    async with rig.inside():
        await rig.send(rig.trade("entry", "LONG", 0.1))
        await rig.settled("entry")
    assert "ours: BTC 0.1" in next(check.text for check in await doctor() if check.name == "positions main")
    rig.ledger_path.unlink()
    assert "BTC 0.1" in the(await doctor(), "warn", "positions main").text


def scripted(reads):
    """A venue with one account in order, but for these reads."""
    usual = {
        "userRole": lambda q: (
            {"role": "user"} if q["user"] == ADDRESS else {"role": "agent", "data": {"user": ADDRESS}}
        ),
        "extraAgents": lambda q: [],
        "userAbstraction": lambda q: "disabled",
        "clearinghouseState": lambda q: _money("1000"),
        "frontendOpenOrders": lambda q: [],
        "userRateLimit": lambda q: {"cumVlm": "0", "nRequestsUsed": 10, "nRequestsCap": 10_000},
    }
    return {**usual, **reads}


def _money(usd):
    summary = {"accountValue": usd, "totalNtlPos": "0", "totalRawUsd": usd, "totalMarginUsed": "0"}
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": "0",
        "withdrawable": usd,
        "assetPositions": [],
        "time": 1_800_000_000_000,
    }


ORDER = {
    "coin": "BTC", "side": "B", "limitPx": "1", "sz": "1", "origSz": "1", "oid": 7, "timestamp": 1, "isTrigger": False,
    "triggerPx": "0", "triggerCondition": "N/A", "children": [], "isPositionTpsl": False, "reduceOnly": False,
    "orderType": "Limit", "tif": "Gtc", "cloid": None,
}  # fmt: skip

VENUE_TROUBLE = {
    "portfolio margin": ("userAbstraction", "portfolioMargin", "fail", "account mode main"),
    "no money": ("clearinghouseState", _money("0"), "fail", "collateral main"),
    "little money": ("clearinghouseState", _money("5"), "warn", "collateral main"),
    "no requests left": (
        "userRateLimit",
        {"cumVlm": "0", "nRequestsUsed": 10_000, "nRequestsCap": 10_000},
        "fail",
        "budget main",
    ),
    "few requests left": (
        "userRateLimit",
        {"cumVlm": "0", "nRequestsUsed": 9_500, "nRequestsCap": 10_000},
        "warn",
        "budget main",
    ),
    "an order of another": ("frontendOpenOrders", [ORDER], "warn", "orders main"),
    "an answer that is none": ("userRole", 7, "fail", "venue"),
}


@pytest.mark.parametrize("trouble", VENUE_TROUBLE)
async def test_what_the_venue_says_of_the_account(rig, doctor, trouble):
    kind, answer, wanted, name = VENUE_TROUBLE[trouble]
    async with ScriptedExchange(rig.clock.now_ms) as venue:
        venue.reads.update(scripted({kind: lambda query: answer}))
        rig.configure(hyperliquid={"network": "custom", "api_url": venue.url})
        assert the(await doctor(), wanted, name)


@pytest.mark.parametrize(("off_ms", "wanted"), [(0, "pass"), (5_000, "warn"), (-90_000, "fail")])
async def test_a_clock_that_is_off(rig, doctor, off_ms, wanted):
    async with ScriptedExchange(lambda: rig.clock.now_ms() + off_ms) as venue:
        venue.reads.update(scripted({}))
        rig.configure(hyperliquid={"network": "custom", "api_url": venue.url})
        assert level(await doctor(), "clock") == wanted


async def test_a_venue_that_is_not_there(rig, doctor):
    rig.configure(hyperliquid={"network": "custom", "api_url": "http://127.0.0.1:9"})
    assert "127.0.0.1:9" in failed(await doctor(), "venue").text


async def test_a_venue_whose_websocket_stays_shut_is_a_warning(rig, doctor):
    async with ScriptedExchange(rig.clock.now_ms) as venue:
        venue.reads.update(scripted({}))
        venue.on_connect = 503
        rig.configure(hyperliquid={"network": "custom", "api_url": venue.url})
        assert "websocket" in the(await doctor(), "warn", "venue").text


# -- sources ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "said"), [(401, "UNAUTHORIZED"), (403, "FORBIDDEN"), (503, "SERVER_UNAVAILABLE")])
async def test_a_source_that_refuses_the_handshake(rig, doctor, status, said):
    rig.sim.refuse_with = status
    assert said in failed(await doctor(), "channel fractrade/agent").text


async def test_a_source_that_closes_with_1008_after_the_handshake(rig, doctor):
    rig.sim._max_connections = 0
    check = failed(await doctor(), "channel fractrade/agent")
    assert "POLICY_VIOLATION" in check.text
    assert "10 connections" in check.remedy


async def test_a_source_that_is_not_there(rig, doctor):
    rig.configure(sources=[rig.source(url="ws://127.0.0.1:9")])
    assert "UNREACHABLE" in failed(await doctor(), "channel fractrade/agent").text


NOTING = """
import asyncio
from executor.api import ChannelState, Options

class Noting:
    class Options(Options):
        pass

    def __init__(self, name):
        self.name = name

    @classmethod
    def build(cls, name, options, context):
        for _ in range(2):
            context.note("c", "this account has several agents")
        return cls(name)

    def channels(self):
        return (ChannelState("c", "open"),)

    async def run(self, emit):
        await asyncio.Event().wait()
"""


async def test_what_a_source_has_to_say_to_people_is_a_warning(rig, doctor):
    (rig.folder / "noting.py").write_text(NOTING)
    rig.configure(sources=[{"name": "one", "type": "noting.py:Noting", "server_execution": "skip"}], routes=[])
    assert the(await doctor(), "warn", "note c").text == "this account has several agents"


async def test_a_source_without_a_channel(rig, doctor):
    rig.configure(sources=[rig.source(agents=[])])
    assert "executor demo" in failed(await doctor(), "sources").remedy


async def test_a_source_without_its_credentials(rig, doctor):
    del rig.environ["FRACTRADE_API_SECRET"]
    assert "api_secret" in failed(await doctor(), "source fractrade").text


class Broken:
    """A source of a stranger."""

    name = "strange"

    def __init__(self, error):
        self.error = error

    def channels(self):
        return (ChannelState("one", "open"),)

    async def run(self, emit):
        raise self.error


@pytest.mark.parametrize("error", [ConfigError("its file is missing"), RuntimeError("boom")])
async def test_a_source_that_breaks(error):
    found = await handshakes(Broken(error))
    assert str(error) in the(found, "fail", "source strange").text


# -- this machine -----------------------------------------------------------------------------------------------


def a_ledger(rig, mode="live", network="custom", address=ADDRESS):
    stamp = Stamp(mode, network, {"main": address})
    SqliteLedger(rig.ledger_path, stamp=stamp, durability="normal", now_ms=1).close()


@pytest.mark.parametrize(
    "stamp",
    [{"mode": "dry_run"}, {"network": "mainnet"}, {"address": "0x" + "d4" * 20}],
    ids=lambda stamp: next(iter(stamp)),
)
async def test_a_ledger_of_something_else(rig, doctor, stamp):
    a_ledger(rig, **stamp)
    before = rig.ledger_path.read_bytes()
    assert next(iter(stamp)) in failed(await doctor(), "ledger").text
    assert rig.ledger_path.read_bytes() == before


async def test_a_ledger_of_a_newer_version(rig, doctor):
    a_ledger(rig)
    with sqlite3.connect(rig.ledger_path) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    assert "newer version" in failed(await doctor(), "ledger").text


async def test_a_file_that_is_no_ledger(rig, doctor):
    rig.ledger_path.parent.mkdir()
    rig.ledger_path.write_bytes(b"junk" * 500)
    rig.ledger_path.chmod(0o600)
    assert failed(await doctor(), "ledger")


async def test_a_ledger_that_cannot_be_made(rig, doctor):
    (rig.folder / "var").write_text("a file where a folder is needed")
    assert "cannot be made" in failed(await doctor(), "ledger").text


async def test_another_worker_holds_the_locks_and_its_channels_are_left_alone(rig, doctor):
    loaded = rig.loaded()
    with hold(loaded, traders(loaded)):
        found = await doctor()
    assert str(os.getpid()) in failed(found, "locks").text
    assert level(found, "sources") == "warn"
    assert rig.sim.handshakes == 0


@pytest.mark.parametrize("file", [".env", "key.txt", "var/live.db"])
async def test_a_private_file_that_others_may_read(rig, doctor, file):
    a_ledger(rig)
    path = rig.folder / file
    if not path.exists():
        path.write_text(rig.environ["HYPERLIQUID_PRIVATE_KEY"] if file == "key.txt" else "")
    rig.configure(accounts=[{"name": "main", "address": ADDRESS, "signer_file": "key.txt"}] if file == "key.txt" else [
        {"name": "main", "address": ADDRESS}
    ])  # fmt: skip
    path.chmod(0o600)
    assert not [check for check in await doctor() if check.level == "fail"]
    path.chmod(0o644)
    assert "chmod 600" in failed(await doctor(), f"file mode {path.name}").remedy
    path.unlink()


async def test_a_port_that_is_taken(rig, doctor):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rig.configure(server={"enabled": True, "host": "127.0.0.1", "port": port})
        assert failed(await doctor(), f"port {port}")
