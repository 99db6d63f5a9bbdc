"""Worker and exchange in processes of their own, the signal system here: for faults that end or stop a process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import forked
import orjson

from executor.clock import SystemClock, iso
from executor.errors import LedgerError
from executor.faults import VARIABLE
from executor.ledger.reader import LedgerReader
from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.venue.signer import Signer

ADDRESS = "0x" + "a1" * 20
KEY = "0x" + "5ec2e7" * 10 + "c0de"
AGENT = "agent-uuid"
COINS = ("BTC", "ETH", "ATOM", "DYDX", "SOL", "AVAX", "BNB", "APE", "OP", "LTC", "ARB", "INJ", "SUI")
FINAL = ("executed", "partial", "resting", "refused", "rejected", "absent")
LIMIT_S = 30.0
"""How long anything may take on a busy machine that normally takes a second."""


class Venue:
    """The exchange's process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self.url = ""

    async def start(self) -> None:
        script = str(Path(__file__).with_name("exchange_process.py"))
        self._process = await create_subprocess_exec(
            sys.executable,
            script,
            str(self._folder / "exchange.db"),
            "0",
            ADDRESS,
            stdin=PIPE,
            stdout=PIPE,
            limit=2**26,
        )
        self.url = (await self._answer())["url"]
        await self.ask("approve", master=ADDRESS, agent=Signer.from_key_text(KEY, mainnet=False).address)
        for coin in COINS:
            await self.ask("quote", coin=coin, bid="99.9", ask="100.1")

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    async def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), LIMIT_S)
        return orjson.loads(line)

    async def ask(self, do: str, **fields: Any) -> Any:
        """One command and its answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        async with self._turn:
            self._process.stdin.write(orjson.dumps({"do": do, **fields}) + b"\n")
            return (await self._answer())["answer"]

    async def record(self) -> Record:
        """What the exchange knows of the account."""
        return Record(await self.ask("record", user=ADDRESS))


class Record:
    """The exchange's own record, read."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.reached: list[dict[str, Any]] = told["reached"]

    def size(self, coin: str) -> Decimal:
        rows = [row["position"] for row in self.told["positions"]["assetPositions"]]
        return sum((Decimal(row["szi"]) for row in rows if row["coin"] == coin), Decimal(0))

    def triggers(self, coin: str) -> list[tuple[str, Decimal, Decimal]]:
        """Armed stops and targets: kind, trigger price, size."""
        words = {"Stop Market": "stop", "Take Profit Market": "target"}
        return sorted(
            (words[row["orderType"]], Decimal(row["triggerPx"]), Decimal(row["sz"]))
            for row in self.told["open"]
            if row["coin"] == coin
        )

    def doubled(self) -> list[str]:
        """Cloids under which the exchange accepted more than one order."""
        oids: dict[str, set[int]] = {}
        for row in self.told["orders"]:
            if row["order"]["cloid"] and not row["status"].lower().endswith("rejected"):
                oids.setdefault(row["order"]["cloid"], set()).add(row["order"]["oid"])
        return [name for name, some in oids.items() if len(some) > 1]

    def reused_nonces(self) -> list[int]:
        """Nonces under which two different requests came; the same bytes may come again."""
        first: dict[int, dict[str, Any]] = {}
        return [row["nonce"] for row in self.reached if first.setdefault(row["nonce"], row) != row]


class Apart:
    """One exchange process, one simulator here, and the lives of one worker."""

    def __init__(self, folder: Path, venue: Venue, sim: FractradeSimulator) -> None:
        self.folder, self.venue, self.sim = folder, venue, sim
        self.clock = SystemClock()
        self.ledger_path = folder / "var" / "live.db"
        self.fault = folder / "fault"
        self.lives: list[Process] = []
        self.environ = {
            "FRACTRADE_API_KEY": "key",
            "FRACTRADE_API_SECRET": "secret",
            "HYPERLIQUID_PRIVATE_KEY": KEY,
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(folder),
            "EXECUTOR_LOCK_DIR": str(folder / "locks"),
            "PYTHONASYNCIODEBUG": "0",
            VARIABLE: f"@{self.fault}",
        }
        self.configure()

    def configure(self, **blocks: Any) -> None:
        """Write ``config.yaml``."""
        source = {"name": "fractrade", "type": "fractrade", "url": self.sim.url, "agents": [AGENT]}
        document = {
            "version": 1,
            "mode": "live",
            "sources": [{**source, "server_execution": "execute", "after_gap": "continue"}],
            "accounts": [{"name": "main", "address": ADDRESS, "signer_env": "HYPERLIQUID_PRIVATE_KEY"}],
            "routes": [{"source": "fractrade", "agents": ["*"], "strategy": "follow", "accounts": ["main"]}],
            "hyperliquid": {"network": "custom", "api_url": self.venue.url},
            "risk": [
                {"rule": "max_order_notional", "max_usd": 5_000},
                {"rule": "max_position_notional", "max_usd": 5_000},
                {"rule": "max_leverage", "max": 5, "on_breach": "shrink"},
                {"rule": "daily_loss", "max_usd": 50_000},
            ],
            "execution": {"shutdown_s": 3, "reply_timeout_s": 1},
            "protection": {"policy": "alert", "require": "signalled"},
            "ledger": {"path": str(self.ledger_path)},
            "server": {"enabled": False},
            "logging": {"level": "INFO", "format": "json"},
            **blocks,
        }
        (self.folder / "config.yaml").write_bytes(orjson.dumps(document))

    # -- the worker ---------------------------------------------------------------------------------------------

    async def spawn(self, *, listening: bool = True) -> Process:
        """A worker as a user starts it; waits until it listens."""
        with (self.folder / f"worker-{len(self.lives)}.log").open("wb") as log:
            words = ("run", "--live", "-c", "config.yaml")
            life = await forked.start(words, log=log, env=self.environ, cwd=self.folder)
        self.lives.append(life)
        if listening:
            await self.until(lambda: self.sim.clients or life.returncode is not None)
            assert life.returncode is None, self.log()
            rows = self.read(lambda reader: reader.journal(limit=1, kind="ProcessStarted")["journal"], [])
            await forked.outlast(rows[0]["at"] if rows else None, self.clock.now_ms())
        return life

    async def died(self, within_s: float = LIMIT_S) -> int:
        """Wait for the newest worker's end; its exit code."""
        try:
            code = await asyncio.wait_for(self.lives[-1].wait(), within_s)
        except TimeoutError:
            raise AssertionError(f"the worker did not end\n{self.last_words()}") from None
        await self.sim.wait_disconnected()
        return code

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.lives[-1].send_signal(how)
        return await self.died()

    async def close(self) -> None:
        for life in self.lives:
            if life.returncode is None:
                life.kill()
                await life.wait()

    def arm(self, text: str) -> None:
        """What shall happen to the running worker, counted from now; empty for nothing more."""
        fresh = self.fault.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(self.fault)

    def log(self) -> str:
        return (self.folder / f"worker-{len(self.lives) - 1}.log").read_text("utf-8", "replace")

    def last_words(self) -> str:
        rows = self.read(lambda reader: reader.journal(limit=40)["journal"], [])
        return "\n".join([*map(str, reversed(rows)), self.log()[-4000:] if self.lives else ""])

    async def command(self, name: str) -> dict[str, Any]:
        """pause, resume or flatten over the worker's socket, as ``executor`` does it."""
        reader, writer = await asyncio.open_unix_connection(str(self.ledger_path.with_suffix(".sock")))
        writer.write(orjson.dumps({"command": name, "account": None, "rule": None}) + b"\n")
        line = await reader.readline()
        writer.close()
        return orjson.loads(line) if line else {}

    # -- signals ------------------------------------------------------------------------------------------------

    def trade(self, name: str, coin: str, side: str, size: object, **more: Any) -> dict[str, Any]:
        position = {"asset": coin, "size": size, "side": side, "leverage": 5, "exchange": "hyperliquid"}
        return {
            "action_id": name,
            "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
            "agent_id": AGENT,
            "config": {"position": position},
            "created_at": iso(self.clock.now_ms()),
            "status": "PENDING",
            **more,
        }

    def protect(self, kind: str, name: str, coin: str, side: str, trigger: object, size: object) -> dict[str, Any]:
        """``kind`` is STOP_LOSS or TAKE_PROFIT; ``side`` the closing order's."""
        frame = self.trade(name, coin, side, size)
        frame["action_type"] = f"SET_HYPERLIQUID_PERP_{kind}"
        frame["config"]["position"] |= {"trigger_price": trigger, "reduce_only": True}
        return frame

    async def send(self, *frames: dict[str, Any]) -> None:
        for frame in frames:
            await self.sim.publish(orjson.dumps(frame).decode(), ("agent",))

    # -- what became of it --------------------------------------------------------------------------------------

    async def until(self, true: Callable[[], object], within_s: float = LIMIT_S) -> None:
        async def asked() -> object:
            return true()

        await self.until_told(asked, within_s)

    async def until_told(self, true: Callable[[], Awaitable[object]], within_s: float = LIMIT_S) -> None:
        loop = asyncio.get_running_loop()
        deadline_s, pause_s = loop.time() + within_s, 0.02
        while not await true():
            if loop.time() > deadline_s:
                raise AssertionError(f"it did not come true in {within_s} s\n{self.last_words()}")
            await asyncio.sleep(pause_s)
            pause_s = min(0.2, pause_s * 1.3)

    def read(self, ask: Callable[[LedgerReader], Any], default: Any = None) -> Any:
        try:
            with LedgerReader(self.ledger_path) as reader:
                return ask(reader)
        except LedgerError:
            return default

    def actions(self) -> list[dict[str, Any]]:
        return self.read(lambda reader: reader.actions(limit=1000)["actions"], [])

    def outcomes(self) -> dict[str, str]:
        return {row["action_id"]: row["outcome"] for row in self.actions()}

    async def settled(self, *names: str) -> None:
        await self.until(lambda: all(self.outcomes().get(name) in FINAL for name in names))


@asynccontextmanager
async def apart(folder: Path) -> AsyncIterator[Apart]:
    """Exchange and simulator up, no worker yet; nothing is left behind."""
    venue = Venue(folder)
    try:
        await venue.start()
        async with FractradeSimulator(credentials=Credentials("key", "secret", "token")) as sim:
            one = Apart(folder, venue, sim)
            try:
                yield one
            finally:
                await one.close()
    finally:
        await venue.close()
