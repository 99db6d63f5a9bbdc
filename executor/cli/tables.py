"""Actions, orders, positions, journal and status as tables: plain dicts in (the ``--json`` documents), Rich out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from executor.cli import words
from executor.cli.output import WIDE
from executor.cli.words import Row, cell, coloured, when

Column = tuple[str, Callable[[Row], Text]]

RIGHT = {
    *("size", "filled", "avg px", "price", "entry", "mark", "PnL USD", "stop", "target", "lev", "seq", "equity USD"),
    *("open PnL USD", "closed PnL USD", "fees USD", "funding USD", "net USD", "fills", "volume USD"),
}
"""Columns of numbers."""

WHOLE = {
    "received",
    "planned",
    "at",
    "since",
    "symbol",
    "action",
    "outcome",
    "reason",
    "rule",
    "verdict",
    "event",
    "state",
}
"""Columns that are never folded; on a narrow terminal the others give way."""

SPARE = (
    *("cloid", "address", "class", "source", "legs", "price", "volume USD", "fills", "strategy", "agent", "judged"),
    "allowed",
)
"""Columns that a narrow terminal does without, in this order; ``--json`` and a wider one have them."""


def _plain(name: str, style: str = "") -> Callable[[Row], Text]:
    return lambda row: cell(row.get(name), style)


def _legs(row: Row) -> Text:
    return cell("; ".join(words.leg(leg) for leg in row.get("legs", ())))


def _owner(row: Row) -> Text:
    """The agent that holds it; several each with its part."""
    holders = row.get("holdings") or ()
    parts = ", ".join(f"{holder['agent']} {holder['size']}" for holder in holders) if len(holders) > 1 else ""
    name = row.get("owner") or parts
    return cell(name or "nobody of ours", "" if name else "yellow")


def _naked(row: Row) -> Text:
    seconds = row.get("unprotected_s")
    return cell(f"{seconds} s" if words.number(seconds) else "", "bold red")


def _price(row: Row) -> Text:
    trigger = row.get("trigger_px")
    return cell(f"at {trigger}" if trigger else row.get("limit_px"))


ACTIONS: Sequence[Column] = (
    ("received", lambda row: cell(when(row.get("received_at")), "dim")),
    ("account", _plain("account")),
    ("source", _plain("source")),
    ("agent", _plain("agent_id")),
    ("action", lambda row: cell(words.action_type(row.get("type")))),
    ("symbol", _plain("symbol", "bold")),
    ("outcome", lambda row: coloured(row.get("outcome"))),
    ("reason", _plain("reason", "magenta")),
    ("legs", _legs),
    ("action id", _plain("action_id", "dim")),
)

ORDERS: Sequence[Column] = (
    ("planned", lambda row: cell(when(row.get("planned_at")), "dim")),
    ("account", _plain("account")),
    ("symbol", _plain("symbol", "bold")),
    ("order", lambda row: cell(words.order(row))),
    ("size", _plain("size")),
    ("filled", _plain("filled")),
    ("avg px", _plain("avg_px")),
    ("price", _price),
    ("outcome", lambda row: coloured(row.get("outcome"))),
    ("reason", _plain("reason", "magenta")),
    ("cloid", _plain("cloid", "dim")),
)

POSITIONS: Sequence[Column] = (
    ("account", _plain("account")),
    ("symbol", _plain("symbol", "bold")),
    ("position", lambda row: cell(words.position(row.get("size")))),
    ("entry", _plain("entry_px")),
    ("mark", _plain("mark_px")),
    ("PnL USD", lambda row: words.gain(row.get("unrealized_pnl"))),
    ("lev", _plain("leverage")),
    ("owner", _owner),
    ("stop", _plain("stop_px")),
    ("target", _plain("target_px")),
    ("unprotected", _naked),
)

AGENTS: Sequence[Column] = (
    ("account", _plain("account")),
    ("agent", lambda row: cell(row.get("agent") or "nobody of ours", "" if row.get("agent") else "yellow")),
    ("strategy", _plain("strategy")),
    ("symbol", _plain("symbol", "bold")),
    ("holds", lambda row: cell(words.position(row.get("size")))),
    ("entry", _plain("entry_px")),
    ("open PnL USD", lambda row: words.gain(row.get("unrealized_pnl"))),
    ("closed PnL USD", lambda row: words.gain(row.get("realized_pnl"))),
    ("fees USD", _plain("fees")),
    ("funding USD", lambda row: words.gain(row.get("funding"))),
    ("net USD", lambda row: words.gain(row.get("net"))),
    ("fills", _plain("fills")),
    ("volume USD", _plain("volume")),
)

MIRROR: Sequence[Column] = (
    ("source", _plain("source")),
    ("agent", _plain("agent_id")),
    ("symbol", _plain("symbol", "bold")),
    ("holding", _plain("holding")),
    ("bought", _plain("bought")),
    ("entry SOL", _plain("entry_sol")),
    ("price SOL", _plain("price_sol")),
    ("value SOL", _plain("value_sol")),
    ("value USD", _plain("value_usd")),
    ("PnL SOL", lambda row: words.gain(row.get("profit_sol"))),
    ("PnL %", lambda row: words.gain(row.get("profit_pct"))),
    ("stop %", _plain("stop_pct")),
    ("DCA", _plain("dca_count")),
    ("TP", _plain("take_profits")),
    ("as of", lambda row: cell(when(row.get("as_of")), "dim")),
)

JOURNAL: Sequence[Column] = (
    ("seq", _plain("seq", "dim")),
    ("at", lambda row: cell(when(row.get("at")), "dim")),
    ("event", _plain("kind", "bold")),
    ("account", _plain("account")),
    ("facts", lambda row: cell(words.facts(row.get("data") or {}))),
)

CHANNELS: Sequence[Column] = (
    ("source", _plain("source")),
    ("channel", _plain("channel")),
    ("state", lambda row: coloured(row.get("state"))),
    ("since", lambda row: cell(when(row.get("at")), "dim")),
    ("detail", _plain("detail")),
    ("remedy", _plain("remedy")),
)


def _entries(row: Row) -> Text:
    """Whether entries go, and what stops them."""
    states = [word for word in ("paused", "flattening") if row.get(word)]
    if row.get("latched") and not states:
        states.append("flattened")
    states += [f"breaker {breaker['rule']}" for breaker in row.get("breakers", ())]
    unread = f"not read: {', '.join(row['missing'])}" if row.get("missing") else ""
    if states or not unread:
        return cell(", ".join([*states, *filter(None, [unread])]), "bold red") if states else cell("go", "green")
    return cell(f"go; {unread}", "bold yellow")


ACCOUNTS: Sequence[Column] = (
    ("account", _plain("account", "bold")),
    ("entries", _entries),
    ("equity USD", _plain("equity_usd")),
    ("positions", _plain("positions")),
    ("reconciled", lambda row: cell(when(row.get("reconciled_at")), "dim")),
    ("address", _plain("address", "dim")),
)


class Sheet:
    """Rows in columns, fitted to where they are shown: columns without any value are left out, spare ones as needed."""

    def __init__(self, columns: Sequence[Column], rows: Iterable[Row], title: str | None = None) -> None:
        lines = [[make(row) for _, make in columns] for row in rows]
        used = [index for index in range(len(columns)) if any(line[index].plain for line in lines)]
        self._names = [columns[index][0] for index in used]
        self._lines = [[line[index] for index in used] for line in lines]
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._fitted(console, options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._fitted(console, options))

    def _fitted(self, console: Console, options: ConsoleOptions) -> Table:
        left_out: set[str] = set()
        made = self._table(left_out, console.is_terminal)
        for name in SPARE:
            if Measurement.get(console, options.update(width=WIDE), made).maximum <= options.max_width:
                break
            left_out.add(name)
            made = self._table(left_out, console.is_terminal)
        return made

    def _table(self, left_out: Collection[str], lined: bool) -> Table:
        """On a terminal with a line below the heads."""
        shown = [index for index, name in enumerate(self._names) if name not in left_out]
        gap = (0, 1, 0, 0) if lined else (0, 2, 0, 0)
        made = Table(title=self._title, title_justify="left", title_style="bold", header_style="bold")
        made.box, made.padding, made.pad_edge = box.SIMPLE_HEAD if lined else None, gap, False
        for name in (self._names[index] for index in shown):
            side: JustifyMethod = "right" if name in RIGHT else "left"
            made.add_column(name, justify=side, overflow="fold", no_wrap=name in WHOLE)
        for line in self._lines:
            made.add_row(*(line[index] for index in shown))
        return made


STRATEGIES: Sequence[Column] = (
    ("strategy", _plain("strategy", "bold")),
    ("last failed", lambda row: cell(when(row.get("failed_at")), "dim")),
    ("on", _plain("fact")),
    ("why", _plain("detail")),
)

UNRESOLVED: Sequence[Column] = (
    ("account", _plain("account")),
    ("symbol", _plain("symbol", "bold")),
    ("order", _plain("leg")),
    ("reason", _plain("reason", "magenta")),
    *((title, lambda row, name=name: cell(when(row.get(name)), "dim")) for name, title in words.UNRESOLVED.items()),
    ("action id", _plain("action_id", "dim")),
    ("cloid", _plain("cloid", "dim")),
)


def _listed(name: str, columns: Sequence[Column], empty: str) -> Callable[[Mapping[str, Any]], list[RenderableType]]:
    def shown(document: Mapping[str, Any]) -> list[RenderableType]:
        rows = document[name]
        return [Sheet(columns, rows)] if rows else [cell(empty, "dim")]

    return shown


def status(document: Mapping[str, Any]) -> list[RenderableType]:
    """The ledger and the worker in a line each, then channels and accounts."""
    ledger = document["ledger"]
    text = f"{ledger['path']} · {ledger['mode']} on {ledger['network']} · {ledger['last_seq']} events"
    parts: list[RenderableType] = [_line("ledger", text), _line("worker", _worker(document.get("worker")))]
    budgets = (document.get("worker") or {}).get("budgets")
    if budgets:
        parts.append(_line("budgets", _budgets(budgets)))
    for title, columns in (("channels", CHANNELS), ("accounts", ACCOUNTS)):
        if document.get(title):
            parts += ["", Sheet(columns, document[title], title)]
    if document.get("strategies"):
        parts += ["", Sheet(STRATEGIES, document["strategies"], "strategies that failed: nothing was opened for them")]
    unresolved = [{**row, "account": a["account"]} for a in document["accounts"] for row in a.get("unresolved", ())]
    if unresolved:
        parts += ["", Sheet(UNRESOLVED, unresolved, "orders nobody knows the outcome of yet (times are the venue's)")]
    return parts


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"{label}  ", "bold"), clean_text(text))


def clean_text(text: str) -> str:
    """Text from the record as it may be shown."""
    return cell(text).plain


def _budgets(budgets: Mapping[str, Sequence[float]]) -> str:
    """What is used of what is allowed, by the names ``/metrics`` has them by."""
    return " · ".join(f"{name} {used:.0f}/{most:.0f}" for name, (used, most) in budgets.items())


def _worker(worker: Mapping[str, Any] | None) -> str:
    if worker is None:
        return "none ever ran with this ledger"
    started = f"{worker['mode']}, started {when(worker['started_at'])} UTC"
    if worker.get("ledger_failed"):
        why = worker["ledger_failed"]
        return f"{started}; running without a ledger: entries are stopped, exits go on unrecorded: {why}"
    if worker.get("running"):
        return f"{started}; running"
    if worker.get("stopped_at") is None:
        return f"{started}; ended without a word: the next start looks up what was out"
    unknown = worker.get("unknown_orders")
    return f"{started}, stopped {when(worker['stopped_at'])}" + (f"; {unknown} orders unknown" if unknown else "")


actions = _listed("actions", ACTIONS, "no action was received yet")
orders = _listed("orders", ORDERS, "no order was planned yet")
positions = _listed("positions", POSITIONS, "no position is open")
agents = _listed("agents", AGENTS, "no agent has traded yet")
mirror = _listed("positions", MIRROR, "no position of another system is mirrored")
journal = _listed("journal", JOURNAL, "nothing was recorded yet")

SHOWN = {
    "status": status,
    "actions": actions,
    "orders": orders,
    "positions": positions,
    "agents": agents,
    "mirror": mirror,
    "journal": journal,
}
"""How each reading command's document is shown."""
