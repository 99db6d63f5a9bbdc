"""How a log line names an order: its action as the sender named it, its account, its cloid (contract.md, the end)."""

from __future__ import annotations

from collections import OrderedDict

from executor.core import events as ev
from executor.core.state import Leg

KEPT = 10_000
"""How many action ids are remembered by their keys."""

_ids: OrderedDict[str, str] = OrderedDict()
"""Of the whole process: a key is derived from the id, so it never means two."""


def remember(event: ev.Event) -> None:
    """Learn the sender's id of an action that was received."""
    if isinstance(event, ev.ActionReceived) and event.key is not None:
        _ids[event.key] = event.action_id
        if len(_ids) > KEPT:
            _ids.popitem(last=False)


def action_id(key: str | None) -> str | None:
    """The sender's id where this process heard it, else the derived key, which `executor explain` takes as well."""
    return _ids.get(key or "", key)


def order(account: str, leg: Leg) -> dict[str, str | None]:
    """The three names of one order."""
    return {"action_id": action_id(leg.key), "account": account, "cloid": leg.cloid}
