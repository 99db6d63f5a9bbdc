"""How single facts are said to people: times, sides, sizes, outcomes with their colours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from rich.text import Text

from executor.cli.output import clean

Row = Mapping[str, Any]

OUTCOMES = {
    "executed": "green",
    "partial": "yellow",
    "resting": "cyan",
    "pending": "blue",
    "refused": "magenta",
    "rejected": "red",
    "unknown": "bold red",
    "absent": "yellow",
    "pass": "green",
    "shrink": "yellow",
    "refuse": "magenta",
    "warn": "yellow",
    "fail": "red",
    "open": "green",
    "closed": "yellow",
    "connecting": "blue",
}

TYPES = {
    "EXECUTE_HYPERLIQUID_PERP_TRADE": "trade",
    "SET_HYPERLIQUID_PERP_STOP_LOSS": "stop",
    "SET_HYPERLIQUID_PERP_TAKE_PROFIT": "target",
}

UNRESOLVED = {
    "since": "unknown since",
    "sent_again_until": "sent again until",
    "absent_from": "absent if not found by",
    "next_try_by": "next try by",
}
"""How an order nobody knows the outcome of is being resolved (``executor.ledger.unresolved``)."""

_LONG = re.compile(r"\d+\.\d{9,}")

_ORDERS = {"entry": "entry {}", "exit": "exit of {}", "stop": "stop for {}", "target": "target for {}"}


def cell(value: Any, style: str = "") -> Text:
    """A value as table cell: control characters and line breaks made visible, nothing read as markup."""
    return Text("" if value is None else clean(value).replace("\n", "\\n"), style)


def coloured(word: str | None) -> Text:
    """An outcome, verdict or state in its colour."""
    return cell(word, OUTCOMES.get(word or "", ""))


def when(iso: str | None) -> str:
    """``2026-11-21T23:01:51.123Z`` as ``11-21 23:01:51``."""
    return "" if not iso else iso[5:19].replace("T", " ")


def short(text: Any) -> str:
    """Numbers in a text to eight decimals: a quotient of thirty says no more to a person, and ``--json`` has it all."""
    return _LONG.sub(
        lambda found: f"{Decimal(found[0]):.8f}".rstrip("0").rstrip("."), "" if text is None else str(text)
    )


def moment(iso: str | None) -> str:
    """The time of day to the millisecond."""
    return "" if not iso else iso[11:23]


def number(text: Any) -> Decimal:
    """A decimal string as number; zero for what is none."""
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)


def direction(size: Any) -> str:
    """LONG or SHORT for a signed size, flat for zero."""
    value = number(size)
    return "LONG" if value > 0 else "SHORT" if value < 0 else "flat"


def position(size: Any) -> str:
    """``LONG 0.01`` for a signed size."""
    text = short(size or "0").lstrip("-")
    return f"{direction(size)} {text}" if number(size) else "flat"


def opened(side: str | None) -> str:
    """The direction an order of this side opens."""
    return {"buy": "LONG", "sell": "SHORT"}.get(str(side).lower(), "")


def closed(side: str | None) -> str:
    """The direction of the position an order of this side closes."""
    return {"buy": "SHORT", "sell": "LONG"}.get(str(side).lower(), "")


def order(row: Row) -> str:
    """What an order is for: ``entry LONG``, ``stop for LONG``."""
    leg, side = str(row.get("leg", "")), row.get("side")
    return _ORDERS.get(leg, leg).format(opened(side) if leg == "entry" else closed(side)).strip()


def action_type(name: str | None) -> str:
    """The three actions in a word each."""
    return TYPES.get(name or "", name or "")


def leg(row: Row) -> str:
    """One leg of an action: ``entry 0.01/0.01 @ 100000``."""
    price = f" @ {row['avg_px']}" if row.get("avg_px") else ""
    return f"{row.get('leg')} {row.get('filled')}/{row.get('size')}{price}"


def gain(text: Any) -> Text:
    """A PnL, green above and red below zero."""
    value = number(text)
    return cell(text, "green" if value > 0 else "red" if value < 0 else "")


def facts(data: Mapping[str, Any]) -> str:
    """An event's facts as ``name=value``; what is empty is left out."""
    return "  ".join(f"{name}={_fact(value)}" for name, value in data.items() if value not in (None, "", [], {}))


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_fact(inner)}" for name, inner in value.items() if inner is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_fact, value)) + "]"
    return str(value)
