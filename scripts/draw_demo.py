"""Draws docs/demo.svg and docs/explain.svg from real runs on this machine; see ``scripts/demo_picture``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 132
FIRST_LINES = 26
TITLES = ("Actions: ", "Orders: ", "Fills", "Positions ", "Summary")
LEFT_OUT = ("Orders: ", "Fills")
ENVIRONMENT = {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
ACTION = {
    "action_id": "an-entry",
    "agent_id": "demo-agent",
    "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
    "status": "PENDING",
    "created_at": "2026-11-21T12:00:00Z",
    "config": {"position": {"asset": "ETH", "side": "LONG", "size": 0.5, "leverage": 3, "exchange": "hyperliquid"}},
}
FRAME = {"source": "fractrade", "channel": "agent:demo-agent", "received_at": "2026-11-21T12:00:00.1Z"}


def main() -> None:
    """Run, cut, draw."""
    draw("demo", "scripts/demo", excerpt(executor("demo")))
    draw("explain", "executor explain an-entry", explained())


def executor(*words: str, cwd: str | None = None) -> str:
    """The output of a command, as on a terminal with colours."""
    command = [sys.executable, "-m", "executor", *words]
    run = subprocess.run(
        command, cwd=cwd, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=True, timeout=90
    )
    return run.stdout


def draw(name: str, title: str, lines: list[str]) -> None:
    """The lines as a picture of a terminal."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line))
    drawn = console.export_svg(title=title, unique_id=name)
    # the reader's own fixed-width font will do: a picture fetches nothing
    (DOCS / f"{name}.svg").write_text(re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")
    sys.stdout.write(f"docs/{name}.svg: {len(drawn) // 1024} kB\n")


def excerpt(output: str) -> list[str]:
    """The beginning as it happens, then the tables of actions and positions, and the summary."""
    lines = [line for line in output.splitlines() if "duplicate on" not in line]
    end = next(i for i, line in enumerate(lines) if "Actions: " in line)
    return [*lines[:FIRST_LINES], "…", "", *without(lines[end:])]


def without(lines: list[str]) -> list[str]:
    """The tables that are shown: each begins with its title."""
    kept, skipping = [], False
    for line in lines:
        plain = Text.from_ansi(line).plain.strip()
        if plain.startswith(TITLES):
            skipping = plain.startswith(LEFT_OUT)
        if not skipping:
            kept.append(line)
    return kept


def explained() -> list[str]:
    """One recorded entry, replayed into the paper exchange and explained."""
    with tempfile.TemporaryDirectory() as folder:
        executor("init", cwd=folder)
        frame = json.dumps(FRAME | {"frame": json.dumps(ACTION)})
        (Path(folder) / "frames.jsonl").write_text(frame + "\n", encoding="utf-8")
        shrinks = ("--set", "risk.max_order_notional.on_breach=shrink")
        executor("replay", "frames.jsonl", "--set", "paper.feed=tape", *shrinks, cwd=folder)
        told = executor("explain", "an-entry", "--set", "ledger.path=var/replay-frames.db", cwd=folder)
    return told.splitlines()


if __name__ == "__main__":
    main()
