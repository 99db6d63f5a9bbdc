"""Draws docs/demo.svg from one real run of the demo; see ``scripts/demo_picture``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"
WIDTH = 132
FIRST_LINES = 26
LEFT_OUT = ("Orders: ", "Fills")
ENVIRONMENT = {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def main() -> None:
    """Run, cut, draw."""
    command = [sys.executable, "-m", "executor", "demo"]
    run = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=True, timeout=90)
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    for line in excerpt(run.stdout):
        console.print(Text.from_ansi(line), soft_wrap=True)
    drawn = console.export_svg(title="scripts/demo", unique_id="demo")
    # the reader's own fixed-width font will do: a picture fetches nothing
    PICTURE.write_text(re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name}: {PICTURE.stat().st_size // 1024} kB\n")


def excerpt(output: str) -> list[str]:
    """The beginning as it happens, then the tables of actions and positions, and the summary."""
    lines = [line for line in output.splitlines() if "duplicate on" not in line]
    end = next(i for i, line in enumerate(lines) if "Actions: " in line)
    return [*lines[:FIRST_LINES], "…", "", *without(lines[end:])]


def without(lines: list[str]) -> list[str]:
    """The tables that are shown: each begins with its title and ends with an empty line."""
    kept, skipping = [], False
    titles = ("Actions: ", "Orders: ", "Fills", "Positions ", "Summary")
    for line in lines:
        plain = Text.from_ansi(line).plain.strip()
        if plain.startswith(titles):
            skipping = plain.startswith(LEFT_OUT)
        if not skipping:
            kept.append(line)
    return kept


if __name__ == "__main__":
    main()
