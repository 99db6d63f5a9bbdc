"""A whole worker on loopback: signal system and exchange here, the worker in a process of its own, or in this one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import forked
import orjson
import pytest
from aiohttp import ClientSession

from executor import config, plugins
from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.clock import SystemClock, iso
from executor.core.identity import CLOID_TAG, action_key, cloid
from executor.core.types import ActionType, Side
from executor.errors import LedgerError
from executor.hyperliquid import wire
from executor.ledger.reader import LedgerReader
from executor.paper.faults import Fault
from executor.paper.feeds import ManualMarket
from executor.paper.server import Options, PaperExchange, Reply
from executor.ports import SignedRequest
from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.venue.envelope import exchange_body
from executor.venue.signer import Signer

ADDRESS = "0x" + "a1" * 20
KEY = "0x" + "5ec2e7" * 10 + "c0de"
AGENT = "agent-uuid"
OTHER_KEY = "0x" + "0badf00d" * 8
SECRETS = {
    "FRACTRADE_API_KEY": "canary-key-7f3a91",
    "FRACTRADE_API_SECRET": "canary-secret-b2 8&d0",
    "FRACTRADE_USER_TOKEN": "canary-token-44e1c6",
    "HYPERLIQUID_PRIVATE_KEY": KEY,
}
CANARIES = ("canary-key-7f3a91", "canary-secret-b2", "canary-token-44e1c6", KEY[2:].lower(), OTHER_KEY[2:])
"""What occurs nowhere else, so that finding it in anything the worker says or writes is a leak."""

RULES = (
    {"rule": "max_order_notional", "max_usd": 250_000},
    {"rule": "max_position_notional", "max_usd": 500_000},
    {"rule": "max_leverage", "max": 5, "on_breach": "shrink"},
    {"rule": "daily_loss", "max_usd": 50_000},
)

QUOTES = {"BTC": ("99990", "100010"), "ETH": ("3999", "4001"), "SOL": ("199.9", "200.1"), "AVAX": ("39.99", "40.01")}


class Exchange(PaperExchange):
    """A paper exchange that remembers every action that reached it, answered or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reached: list[dict[str, Any]] = []

    async def _exchange(self, body: object, ip: str) -> Reply:
        if isinstance(body, dict):
            self.reached.append(body)
        return await super()._exchange(body, ip)


class Rig:
    """One signal system, one exchange, one worker's folder, and what they did."""

    def __init__(self, folder: Path, exchange: Exchange, sim: FractradeSimulator) -> None:
        self.folder, self.exchange, self.sim = folder, exchange, sim
        self.address = ADDRESS
        self.clock = SystemClock()
        self.market = exchange.market
        self.ledger_path = folder / "var" / "live.db"
        self.workers: list[asyncio.subprocess.Process | forked.Forked] = []
        self.environ = {
            **SECRETS,
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(folder),
            "EXECUTOR_LOCK_DIR": str(folder / "locks"),
            "PYTHONASYNCIODEBUG": "0",
        }
        self.configure()

    # -- the configuration --------------------------------------------------------------------------------------

    def configure(self, **blocks: Any) -> None:
        """Write ``config.yaml``: these top-level blocks instead of, or merged into, the usual ones."""
        document: dict[str, Any] = {
            "version": 1,
            "mode": "live",
            "sources": [self.source()],
            "accounts": [{"name": "main", "address": ADDRESS, "signer_env": "HYPERLIQUID_PRIVATE_KEY"}],
            "routes": [{"source": "fractrade", "agents": ["*"], "strategy": "follow", "accounts": ["main"]}],
            "hyperliquid": {"network": "custom", "api_url": self.exchange.url},
            "risk": list(RULES),
            "execution": {"shutdown_s": 3, "reply_timeout_s": 2},
            "protection": {"policy": "alert", "require": "signalled"},
            "ledger": {"path": str(self.ledger_path)},
            "server": {"enabled": False},
            "logging": {"level": "DEBUG", "format": "json"},
        }
        for name, block in blocks.items():
            document[name] = {**document.get(name, {}), **block} if isinstance(block, dict) else block
        (self.folder / "config.yaml").write_bytes(orjson.dumps(document))

    def source(self, **changed: Any) -> dict[str, Any]:
        """The Fractrade source: one agent channel unless told otherwise."""
        usual = {
            "name": "fractrade",
            "type": "fractrade",
            "url": self.sim.url,
            "agents": [AGENT],
            "server_execution": "execute",
        }
        return {**usual, **changed}

    def loaded(self) -> config.Loaded:
        """The configuration as the worker will read it."""
        return config.load(self.folder / "config.yaml", [], self.environ, plugins)

    # -- the worker ---------------------------------------------------------------------------------------------

    async def spawn(self, *, channels: int = 1, by_exec: bool = False) -> asyncio.subprocess.Process | forked.Forked:
        """Start a worker in its own process; with channels > 0, wait until it listens on so many."""
        begin = forked.start_by_exec if by_exec else forked.start
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            words = ("run", "--live", "-c", str(self.folder / "config.yaml"))
            worker = await begin(words, log=log, env=self.environ, cwd=self.folder)
        self.workers.append(worker)
        if channels:
            await self.until(lambda: len(self.sim.clients) >= channels or worker.returncode is not None, 20)
            assert worker.returncode is None, self.log()
            await forked.outlast(self._started_at(), self.clock.now_ms())
        return worker

    def _started_at(self) -> str | None:
        rows = self.read(lambda reader: reader.journal(limit=1, kind="ProcessStarted")["journal"], [])
        return rows[0]["at"] if rows else None

    async def stop(self, how: signal.Signals = signal.SIGTERM, within_s: float = 15) -> int:
        """End the newest worker and return its exit code."""
        worker = self.workers[-1]
        if worker.returncode is None:
            worker.send_signal(how)
        code = await asyncio.wait_for(worker.wait(), within_s)
        await self.sim.wait_disconnected()
        return code

    def log(self) -> str:
        """What the newest worker said."""
        return (self.folder / f"worker-{len(self.workers) - 1}.log").read_text("utf-8", "replace")

    @asynccontextmanager
    async def inside(self, *, channels: int = 1) -> AsyncIterator[Runtime]:
        """The worker in this process, for what needs no process of its own."""
        loaded = self.loaded()
        async with Runtime(loaded, traders(loaded)) as runtime:
            runtime.listen()
            await self.until(lambda: runtime.ready() and len(self.sim.clients) >= channels, 10)
            yield runtime

    def leaks(self) -> list[str]:
        """Files of the worker (ledger, logs, sockets' folder) in which a secret or a signature can be read."""
        found = []
        for path in self.folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                found += [f"{path.name}: {word}" for word in CANARIES if word.encode() in data.lower()]
                found += [f"{path.name}: a signature"] if path.suffix == ".log" and b'"signature"' in data else []
        return found

    async def close(self) -> None:
        """Leave no process behind, and no secret in anything the worker wrote, whatever happened to it."""
        for worker in self.workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()

    async def command(self, *words: str) -> tuple[int, str]:
        """Run another command of the program on this configuration; its exit code and all it said."""
        words = (*words, "-c", str(self.folder / "config.yaml"))
        done = await asyncio.to_thread(forked.run, words, env=self.environ, cwd=self.folder, merged=True)
        return done.returncode, done.stdout

    # -- signals ------------------------------------------------------------------------------------------------

    def now(self) -> str:
        """This moment as a stamp."""
        return iso(self.clock.now_ms())

    def trade(self, action_id: str, side: str, size: object, asset: str = "BTC", **more: Any) -> dict[str, Any]:
        """The seed's own example frame, stamped now."""
        position = {"asset": asset, "size": size, "side": side, "leverage": 10, "exchange": "hyperliquid"}
        return {
            "action_id": action_id,
            "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
            "agent_id": AGENT,
            "config": {"position": position},
            "created_at": self.now(),
            "status": "PENDING",
            **more,
        }

    def protect(
        self, kind: str, action_id: str, side: str, trigger: object, size: object = 1, asset: str = "BTC"
    ) -> Any:
        """A stop or a target in the flat shape; ``side`` is the closing order's."""
        frame = self.trade(action_id, side, size, asset)
        frame["action_type"] = f"SET_HYPERLIQUID_PERP_{kind}"
        frame["config"]["position"] |= {"trigger_price": trigger, "reduce_only": True}
        return frame

    async def send(self, *frames: dict[str, Any] | str | bytes, channels: tuple[str, ...] = ("agent",)) -> None:
        """Publish frames as they are, in order."""
        for frame in frames:
            raw = orjson.dumps(frame).decode() if isinstance(frame, dict) else frame
            await self.sim.publish(raw, channels)

    # -- what became of it --------------------------------------------------------------------------------------

    async def until(self, true: Callable[[], object], within_s: float = 10) -> None:
        """Wait for something to come true; fails with the worker's last words."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while True:
            asked_s = loop.time()
            if true():
                return
            if asked_s > deadline_s:
                raise AssertionError(f"it did not come true in {within_s} s\n{self._last_words()}")
            # the exchange lives in this loop too: a question that takes long is asked less often
            await asyncio.sleep(max(0.02, 4 * (loop.time() - asked_s)))

    def _last_words(self) -> str:
        """For the reader of a failed test."""
        rows = self.read(lambda reader: reader.journal(limit=25)["journal"], [])
        return "\n".join([*map(str, reversed(rows)), self.log()[-3000:] if self.workers else ""])

    def read(self, ask: Callable[[LedgerReader], Any], default: Any = None) -> Any:
        """Ask the ledger as the command line does; the default while there is none yet."""
        try:
            with LedgerReader(self.ledger_path) as reader:
                return ask(reader)
        except LedgerError:
            return default

    def actions(self) -> dict[str, dict[str, Any]]:
        """Every action's row by its id."""
        rows = self.read(lambda reader: reader.actions(limit=1000)["actions"], [])
        return {row["action_id"]: row for row in rows}

    def outcome(self, action_id: str) -> str | None:
        """What became of one action."""
        return self.actions().get(action_id, {}).get("outcome")

    def reason(self, action_id: str) -> str | None:
        """Why."""
        return self.actions().get(action_id, {}).get("reason")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Every recorded event of a kind, oldest first."""
        rows = self.read(lambda reader: reader.journal(limit=10_000, kind=kind)["journal"], [])
        return [{**row["data"], "key": row["key"], "seq": row["seq"]} for row in reversed(rows)]

    async def settled(self, *action_ids: str, within_s: float = 10) -> None:
        """Wait until these actions have a final outcome."""
        final = ("executed", "partial", "resting", "refused", "rejected", "absent")

        def all_final() -> bool:
            rows = self.actions()
            return all(one in rows and rows[one]["outcome"] in final for one in action_ids)

        await self.until(all_final, within_s)

    # -- what the exchange knows ----------------------------------------------------------------------------------

    def size(self, coin: str = "BTC") -> Decimal:
        """The account's signed position on the exchange."""
        position = self.exchange.service.state.accounts[ADDRESS].positions.get(coin)
        return Decimal(0) if position is None else position.szi

    def orders(self, ours: bool = True) -> list[Any]:
        """Every order the account ever had there, oldest first."""
        known = self.exchange.service.state.history.get(ADDRESS, {}).values()
        return [order for order in known if not ours or (order.cloid or "").startswith(CLOID_TAG)]

    def orders_named(self, name: str) -> list[Any]:
        """Those with one cloid."""
        return [order for order in self.orders() if order.cloid == name]

    def resting(self, coin: str = "BTC") -> list[dict[str, Any]]:
        """Open orders as the venue lists them."""
        from executor.paper import info

        rows = info.answer(self.exchange.service, {"type": "frontendOpenOrders", "user": ADDRESS})
        assert isinstance(rows, list)
        return [row for row in rows if row["coin"] == coin]

    def fills(self, coin: str | None = None) -> list[dict[str, Any]]:
        """Every fill of the account."""
        return [fill for fill in self.exchange.service.state.fills[ADDRESS] if coin in (None, fill["coin"])]

    def sent(self, kind: str = "order") -> list[dict[str, Any]]:
        """Every action of a kind that reached the exchange, resends included."""
        return [body for body in self.exchange.reached if body["action"]["type"] == kind]

    def entry_name(self, action_id: str, leg: str = "entry", attempt: int = 1) -> str:
        """The cloid an action's order must have: derived, the same on every machine."""
        key = action_key("fractrade", action_id, AGENT, ActionType.TRADE, None, "BTC", Side.BUY, False, None)
        assert key is not None
        return cloid("custom", ADDRESS, key, leg, attempt)

    def stops(self, coin: str = "BTC") -> list[dict[str, Any]]:
        """Resting stops."""
        return [row for row in self.resting(coin) if row["orderType"] == "Stop Market"]

    def targets(self, coin: str = "BTC") -> list[dict[str, Any]]:
        """Resting targets."""
        return [row for row in self.resting(coin) if row["orderType"] == "Take Profit Market"]

    async def by_hand(self, coin: str, side: Side, size: str, px: str, trigger: str | None = None) -> Any:
        """An order somebody places on the account beside us, with another API wallet."""
        other = Signer.from_key_text(OTHER_KEY, mainnet=False)
        self.exchange.approve_agent(ADDRESS, other.address, "by hand")
        asset_id = self.exchange.service.state.markets[coin].asset.asset_id
        if trigger is None:
            row = wire.limit_order(asset_id, side, Decimal(px), Decimal(size), tif="Ioc")
        else:
            row = wire.trigger_order(asset_id, side, Decimal(px), Decimal(size), trigger_px=Decimal(trigger), tpsl="sl")
        action, nonce = wire.order_action([row]), self.clock.now_ms()
        request = SignedRequest(action, nonce, other.sign(action, nonce, None, None), None, None)
        async with ClientSession() as session:
            answer = await session.post(f"{self.exchange.url}/exchange", data=exchange_body(request))
            return await answer.json()

    def arm(self, *faults: Fault) -> None:
        """Script what goes wrong at the exchange."""
        self.exchange.faults.arm(*faults)


@asynccontextmanager
async def a_rig(folder: Path, latency_ms: int) -> AsyncIterator[Rig]:
    """A rig; its exchange has quotes, a funded account and an approved agent."""
    accepted = Credentials(
        SECRETS["FRACTRADE_API_KEY"], SECRETS["FRACTRADE_API_SECRET"], SECRETS["FRACTRADE_USER_TOKEN"]
    )
    async with AsyncExitStack() as stack:
        options = Options(latency_ms=latency_ms, ip_limit=False)
        exchange = Exchange(ManualMarket(), fund={ADDRESS: 1_000_000}, options=options)
        await stack.enter_async_context(exchange)
        for coin, (bid, ask) in QUOTES.items():
            exchange.market.set_quote(coin, bid, ask)
        exchange.approve_agent(ADDRESS, Signer.from_key_text(KEY, mainnet=False).address, "worker")
        sim = await stack.enter_async_context(FractradeSimulator(credentials=accepted))
        rig = Rig(folder, exchange, sim)
        stack.push_async_callback(rig.close)
        yield rig
        await rig.close()
        assert rig.leaks() == []


@pytest.fixture
async def rig(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A rig whose exchange takes 20 ms to commit; ``parametrize("rig", [200], indirect=True)`` changes it."""
    async with a_rig(tmp_path, getattr(request, "param", 20)) as one:
        yield one


@pytest.fixture
async def follower(tmp_path: Path) -> AsyncIterator[Rig]:
    """A second rig beside the first, with an exchange and a worker of its own."""
    folder = tmp_path / "follower"
    folder.mkdir()
    async with a_rig(folder, 20) as one:
        yield one
