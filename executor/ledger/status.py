"""How the worker and its accounts stand, from the newest event of each kind that replaces the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.clock import iso
from executor.core import events as ev
from executor.ledger.views import Document, number
from executor.ports import Stored

Latest = Mapping[tuple[str, str, str], Stored]
"""By (kind, account, part); '' where an event concerns no single account, or no part of it (index.py)."""


def ledger_status(path: str, meta: Mapping[str, str], last_seq: int, frames: int, latest: Latest) -> Document:
    """The ledger, the worker that last used it, and its channels."""
    created_at_ms = int(meta.get("created_at_ms", 0))
    return {
        "ledger": {
            "path": path,
            "mode": meta.get("mode"),
            "network": meta.get("network"),
            "created_at": iso(created_at_ms) if created_at_ms else None,
            "clean": meta.get("clean") == "1",
            "last_seq": last_seq,
            "frames": frames,
        },
        "worker": _worker(latest),
        "channels": _channels(latest),
        "strategies": _failing(latest),
    }


def account_status(account: str, address: str | None, latest: Latest) -> Document:
    """One account: paused, flattening, breakers, money. A command without an account counts for each."""
    reconciled, missing = latest.get(("Reconciled", account, "")), _missing(latest, account)
    since = max(_seq(latest, "ProcessStarted", ""), missing.seq if missing is not None else 0)
    return {
        "account": account,
        "address": address,
        "reconciled": reconciled is not None and reconciled.seq > since,
        "reconciled_at": iso(reconciled.event.at_ms) if reconciled is not None else None,
        "missing": list(getattr(missing.event, "missing", ())) if missing is not None else [],
        "missing_why": getattr(missing.event, "text", None) if missing is not None else None,
        "paused": _seq(latest, "Paused", account) > _seq(latest, "Resumed", account),
        "flattening": _seq(latest, "FlattenStarted", account) > _seq(latest, "FlattenDone", account),
        "latched": _seq(latest, "FlattenStarted", account) > _seq(latest, "Resumed", account),
        "breakers": _breakers(latest, account),
        **_money(latest, account),
    }


def _missing(latest: Latest, account: str) -> Stored | None:
    """The newest read of the account that lacked something, unless a later one was complete or a worker started."""
    failed = latest.get(("ReconcileFailed", account, ""))
    later = max(_seq(latest, kind, account) for kind in ("Reconciled", "ProcessStarted"))
    return failed if failed is not None and failed.seq > later else None


def _seq(latest: Latest, kind: str, account: str) -> int:
    found = (latest.get((kind, name, "")) for name in (account, ""))
    return max((item.seq for item in found if item is not None), default=0)


def _breakers(latest: Latest, account: str) -> list[Document]:
    rows = []
    for (kind, name, rule), item in sorted(latest.items()):
        reset = latest.get(("BreakerReset", name, rule))
        if kind != "BreakerLatched" or name not in (account, "") or (reset is not None and reset.seq > item.seq):
            continue
        event: Any = item.event
        until = iso(event.until_ms) if event.until_ms is not None else None
        rows.append({"rule": rule, "value": event.value, "limit": event.limit, "until": until})
    return rows


def _money(latest: Latest, account: str) -> Document:
    reads = [latest.get(("AccountRead", account, part)) for part in ("", "partial")]
    newest = max((item for item in reads if item is not None), key=lambda item: item.seq, default=None)
    if newest is None or not isinstance(newest.event, ev.AccountRead):
        return {
            "equity_usd": None,
            "withdrawable_usd": None,
            "margin_used_usd": None,
            "positions": None,
            "read_at": None,
        }
    fact = newest.event.fact
    return {
        "equity_usd": number(fact.equity_usd),
        "withdrawable_usd": number(fact.withdrawable_usd),
        "margin_used_usd": number(fact.margin_used_usd),
        "positions": sum(1 for position in fact.positions if position.size != 0),
        "read_at": iso(newest.event.at_ms),
    }


def _worker(latest: Latest) -> Document | None:
    """The worker that last started; ``stopped_at`` stays empty while it runs, and after it was killed."""
    started = latest.get(("ProcessStarted", "", ""))
    if started is None or not isinstance(started.event, ev.ProcessStarted):
        return None
    stopped = latest.get(("ProcessStopped", "", ""))
    ended = stopped.event if stopped is not None and stopped.seq > started.seq else None
    return {
        "version": started.event.version,
        "mode": started.event.mode,
        "started_at": iso(started.event.at_ms),
        "after_clean_stop": started.event.clean,
        "stopped_at": iso(ended.at_ms) if ended is not None else None,
        "stop_reason": ended.reason if isinstance(ended, ev.ProcessStopped) else None,
        "unknown_orders": ended.unknown if isinstance(ended, ev.ProcessStopped) else None,
    }


def _channels(latest: Latest) -> list[Document]:
    """What each channel last did since that worker started; all are closed once it stopped."""
    started, stopped = latest.get(("ProcessStarted", "", "")), latest.get(("ProcessStopped", "", ""))
    since = started.seq if started is not None else 0
    over = stopped is not None and stopped.seq > since
    changed = [
        item.event for (kind, _, _), item in sorted(latest.items()) if kind == "SourceChanged" and item.seq > since
    ]
    return [
        {
            "source": e.source,
            "channel": e.channel,
            "state": "closed" if over and e.state == "open" else e.state,
            "at": iso(e.at_ms),
            "code": e.code,
            "detail": e.detail,
            "remedy": e.remedy,
        }
        for e in changed
        if isinstance(e, ev.SourceChanged)
    ]


def _failing(latest: Latest) -> list[Document]:
    """Strategies that failed on a fact since that worker started, each with its newest failure."""
    started = latest.get(("ProcessStarted", "", ""))
    since = started.seq if started is not None else 0
    failed = [
        item.event for (kind, _, _), item in sorted(latest.items()) if kind == "StrategyFailed" and item.seq > since
    ]
    return [
        {"strategy": e.via, "failed_at": iso(e.at_ms), "fact": e.fact, "detail": e.text}
        for e in failed
        if isinstance(e, ev.StrategyFailed)
    ]
