"""How `demo --all` is shown: a line for each thing that happens, then what it came to for each system."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from executor.cli import tables, words
from executor.cli.demo_view import DemoView, Document, told
from executor.cli.output import print_json, show
from executor.cli.words import Row, cell


def _positions(row: Row) -> Text:
    return cell(", ".join(f"{words.position(one['size'])} {one['symbol']}" for one in row["positions"]) or "none")


def _count(name: str) -> tables.Column:
    return name, lambda row: cell(row[name])


SYSTEMS: tuple[tables.Column, ...] = (
    ("system", lambda row: cell(row["system"], "bold")),
    ("strategy", lambda row: cell(row["strategy"])),
    *map(_count, ("signals", "orders", "fills", "malformed")),
    ("refused", lambda row: cell(sum(one["count"] for one in row["refusals"]))),
    ("PnL USD", lambda row: words.gain(row["pnl_usd"])),
    ("positions", _positions),
)

TRAPS: tuple[tables.Column, ...] = (
    ("system", lambda row: cell(row["system"], "bold")),
    ("", lambda row: cell("✓ survived", "green") if row["survived"] else cell("✗ not seen", "bold red")),
    ("trap", lambda row: cell(row["trap"])),
)


class AllView(DemoView):
    """The printing of ``demo --all``; for a program the same one document as of ``demo``, with ``systems``."""

    def tables(self, document: Document) -> None:
        """Positions, then a row for each system and each trap."""
        if self._json:
            print_json(document)
            return
        show("", tables.Sheet(tables.POSITIONS, document["positions"], "Positions at the end, with their PnL"))
        show("", tables.Sheet(SYSTEMS, document["systems"], "What each system came to"))
        traps = [{"system": one["system"], **trap} for one in document["systems"] for trap in one["traps"]]
        show("", tables.Sheet(TRAPS, traps, "Traps that were set"))

    def summary(self, document: Document) -> None:
        """Refusals with their reasons in plain words, and the whole in a line."""
        if self._json:
            return
        parts: list[RenderableType] = [cell("Summary", "bold")]
        for one in document["systems"]:
            parts += [told(f"{one['system']}: refused", row) for row in one["refusals"]]
        whole = document["summary"]
        line = f"  traps survived: {whole['survived']} of {whole['traps']} · orders: {whole['orders']} · PnL: "
        show("", *parts, cell(line).append_text(words.gain(whole["pnl_usd"])).append(" USD"))
