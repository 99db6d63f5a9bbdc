"""Who takes part, in which environment, started how.

One environment for each set of packages: coincurve in a shared one would flatter the SDK.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOME = ROOT / ".bench"
SDK = "hyperliquid-python-sdk==0.24.0"
COINCURVE = "coincurve==21.0.0"
SIGNER = "0x" + "42" * 32
EXECUTOR = ".venv/bin/executor run --live -c {config}"

CONFIG = """\
version: 1
mode: live
sources:
  - name: fractrade
    type: fractrade
    url: {signal_url}
    api_key_env: BENCH_API_KEY
    api_secret_env: BENCH_API_SECRET
    agents: [{agent_id}]
    server_execution: execute
accounts:
  - {{name: main, address: "{address}", signer_env: BENCH_SIGNER, margin_mode: isolated, default_leverage: 3}}
routes:
  - {{source: fractrade, agents: ["*"], strategy: follow, accounts: [main]}}
hyperliquid: {{network: custom, api_url: "{exchange_url}"}}
risk:
  - {{rule: max_order_notional, max_usd: 100000}}
  - {{rule: max_position_notional, max_usd: 100000}}
  - {{rule: max_leverage, max: 5}}
  - {{rule: daily_loss, max_usd: 100000}}
protection: {{require: signalled, policy: alert}}
ledger: {{path: ledger.db, durability: {durability}}}
server: {{port: {server_port}}}
"""


@dataclass(frozen=True)
class Contestant:
    """``packages`` empty means this project's own environment; ``call`` is the SDK's, ``durability`` is ours."""

    name: str
    packages: tuple[str, ...] = ()
    call: str = ""
    durability: str = ""

    @property
    def agent_id(self) -> str:
        return "bench-" + self.name.replace("+", "-")


ALL = (
    Contestant("executor-normal", durability="normal"),
    Contestant("executor-full", durability="full"),
    Contestant("sdk-market_open", (SDK,), "market_open"),
    Contestant("sdk-market_open+coincurve", (SDK, COINCURVE), "market_open"),
    Contestant("sdk-order+coincurve", (SDK, COINCURVE), "order"),
)
DEFAULT = ("executor-normal", "executor-full", "sdk-market_open")


def start(
    contestant: Contestant, signal_url: str, exchange_url: str, executor: str
) -> tuple[subprocess.Popen[bytes], Path]:
    """The running contestant and its log file."""
    folder = HOME / "runs" / contestant.name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("ledger.db*"):
        old.unlink()
    command = _sdk(contestant) if contestant.packages else _ours(contestant, folder, signal_url, exchange_url, executor)
    env = {
        **os.environ,
        "BENCH_SIGNER": SIGNER,
        "BENCH_API_KEY": "key",
        "BENCH_API_SECRET": "secret",
        "BENCH_EXCHANGE_URL": exchange_url,
        "BENCH_SIGNAL_URL": f"{signal_url}/ws/actions/{contestant.agent_id}",
        "BENCH_CALL": contestant.call,
    }
    log = folder / "log.txt"
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT), log


def _sdk(contestant: Contestant) -> list[str]:
    return [str(environment(contestant.packages)), str(HERE / "sdk_script.py")]


def _ours(contestant: Contestant, folder: Path, signal_url: str, exchange_url: str, executor: str) -> list[str]:
    config = folder / "config.yaml"
    config.write_text(
        CONFIG.format(
            signal_url=signal_url,
            exchange_url=exchange_url,
            agent_id=contestant.agent_id,
            address=_address(),
            durability=contestant.durability,
            server_port=_free_port(),
        )
    )
    return shlex.split(executor.format(config=config))


def _address() -> str:
    from coincurve import PrivateKey

    from executor.hyperliquid.signing import address_of

    return address_of(PrivateKey(bytes.fromhex(SIGNER[2:])))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(packages: tuple[str, ...]) -> Path:
    """The Python of an environment that holds these packages; made once."""
    folder = HOME / "environments" / hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    python = folder / "bin" / "python"
    stamp = folder / ".complete"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qqq", *packages], check=True)
        stamp.touch()
    has_coincurve = (
        subprocess.run([str(python), "-c", "import coincurve"], capture_output=True, check=False).returncode == 0
    )
    if has_coincurve is not (COINCURVE in packages):
        raise SystemExit(
            f"bench: {folder} {'has' if has_coincurve else 'lacks'} coincurve, which would make the run unfair"
        )
    return python
