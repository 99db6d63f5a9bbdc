"""How the demo is shown: a line for each thing that happens, then tables, then a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from executor.cli import tables, words
from executor.cli.output import err, out, print_json, show
from executor.cli.reasons import meaning
from executor.cli.words import cell, when

Document = Mapping[str, Any]

FILLS: tuple[tables.Column, ...] = (
    ("at", lambda row: cell(when(row.get("at")), "dim")),
    ("account", lambda row: cell(row.get("account"))),
    ("symbol", lambda row: cell(row.get("symbol") or row.get("coin"), "bold")),
    ("side", lambda row: cell(row.get("side"))),
    ("size", lambda row: cell(row.get("size"))),
    ("price", lambda row: cell(row.get("px"))),
    ("fee USD", lambda row: cell(row.get("fee_usd"))),
    ("PnL USD", lambda row: words.gain(row.get("closed_pnl_usd") or row.get("closed_pnl"))),
    ("order", lambda row: cell(row.get("leg"))),
)

_PARTS = (
    ("actions", "Actions: what came in and what became of it", tables.ACTIONS),
    ("orders", "Orders: entries, exits, stops and targets", tables.ORDERS),
    ("fills", "Fills", FILLS),
    ("positions", "Positions at the end, with their PnL", tables.POSITIONS),
)


_STYLES = {
    "step": "bold yellow",
    "signal": "bold",
    "order": "cyan",
    "fill": "green",
    "good": "green",
    "refused": "magenta",
    "alarm": "bold red",
    "quiet": "dim",
}
"""Colours of ``app.story``'s styles."""


class DemoView:
    """The printing of demo and replay. For a program progress goes to stderr, and one document to stdout at the end."""

    def __init__(self, json_out: bool = False) -> None:
        self._json = json_out
        self._lines = err() if json_out else out()

    def line(self, text: str, style: str = "") -> None:
        """One line of progress, in the colour of its style."""
        self._lines.print(cell(text, _STYLES.get(style, "")))

    def tables(self, document: Document) -> None:
        """Actions, orders, fills and positions; as a program's document all of it, the summary too."""
        if self._json:
            print_json(document)
            return
        for name, title, columns in _PARTS:
            rows = document.get(name) or []
            show("", tables.Sheet(columns, rows, title) if rows else cell(f"{title}: none", "dim"))

    def summary(self, document: Document) -> None:
        """Counts, refusals with their reasons in plain words, and the PnL."""
        if not self._json:
            show("", *_summary(document.get("summary", document)))


def _summary(summary: Document) -> list[RenderableType]:
    hidden = ("pnl_usd", "complete")
    counts = {name: value for name, value in summary.items() if isinstance(value, int | str) and name not in hidden}
    parts: list[RenderableType] = [cell("Summary", "bold")]
    parts += [cell(f"  {name.replace('_', ' ')}: {value}") for name, value in counts.items()]
    parts += [told("malformed", row) for row in summary.get("malformed") or ()]
    parts += [told("refused", row) for row in summary.get("refusals") or ()]
    return [*parts, cell("  PnL: ").append_text(words.gain(summary.get("pnl_usd"))).append(" USD")]


def told(word: str, row: Document) -> Text:
    """``refused 2: MAX_ORDER_NOTIONAL — what that means``."""
    plain = meaning(row["reason"])
    text = f"  {word} {row.get('count', 1)}: {row['reason']}" + (f" — {plain}" if plain else "")
    return cell(text, "magenta")
