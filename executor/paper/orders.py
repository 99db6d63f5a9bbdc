"""The life of an order record: created, its status changed and announced, retired after the venue's 2000.

The only place that writes ``Order.status`` and ``Order.phase``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from executor.hyperliquid.limits import ORDERS_REMEMBERED
from executor.paper import views
from executor.paper.model import Order, Phase, State

SYSTEM_CANCELS = frozenset({"selfTradeCanceled", "liquidatedCanceled", "marginCanceled"})
"""Cancels that also come as ``userEvents.nonUserCancel`` (hyperliquid.md section 4.5)."""


def create(state: State, draft: Order, **changes: Any) -> Order:
    """Gives a draft its oid and puts it on record."""
    order = replace(draft, oid=state.next_oid, placed_ms=state.now_ms, status_ms=state.now_ms, **changes)
    state.next_oid += 1
    state.orders[order.oid] = order
    state.history[order.user][order.oid] = order
    state.out.orders[order.oid] = order
    _retire(state, order.user)
    return order


def _retire(state: State, user: str) -> None:
    """Forgets the oldest finished order beyond the retention."""
    own = state.history[user]
    if len(own) <= ORDERS_REMEMBERED:
        return
    oldest = next((oid for oid, order in own.items() if not order.live), None)
    if oldest is not None:
        del own[oldest], state.orders[oldest]
        state.out.retired.add(oldest)


def announce(state: State, order: Order, status: str, quiet: bool = False) -> None:
    """Sets a status and tells the user's channels (unless ``quiet``)."""
    order.status, order.status_ms, order.status_sz = status, state.now_ms, order.sz
    touch(state, order)
    if quiet:
        return
    row = {"order": views.open_order(order), "status": status, "statusTimestamp": state.now_ms}
    state.out.order_updates[order.user].append(row)
    state.out.order_history[order.user].append(views.history_row(state, order))


def touch(state: State, order: Order) -> None:
    """Marks an order as changed, for whoever saves or shows it."""
    state.out.orders[order.oid] = order
    state.out.users.add(order.user)
    state.out.coins.add(order.coin)


def note_partial(state: State, order: Order) -> None:
    """Tells of a partial fill of a resting order: ``open`` with less ``sz``, its record unchanged (SDK issue 141)."""
    touch(state, order)
    if order.phase is Phase.BOOK and state.rules.partial_open_updates:
        row = {"order": views.open_order(order), "status": "open", "statusTimestamp": state.now_ms}
        state.out.order_updates[order.user].append(row)


def rest(state: State, order: Order) -> None:
    """Puts an order on the book."""
    order.phase = Phase.BOOK
    state.markets[order.coin].book.add(order)
    announce(state, order, "open")


def arm(state: State, order: Order) -> None:
    """Lets a trigger wait for the mark price."""
    order.phase = Phase.ARMED
    state.armed[order.coin][order.oid] = order
    announce(state, order, "open")


def trigger(state: State, order: Order) -> None:
    """Takes a trigger the mark has reached to work, under its own oid."""
    state.armed[order.coin].pop(order.oid, None)
    order.phase = Phase.DORMANT
    announce(state, order, "triggered")


def finish(state: State, order: Order, status: str, quiet: bool = False) -> None:
    """Ends an order; a book entry leaves the book, a filled or canceled order takes its relatives along."""
    if order.phase is Phase.BOOK:
        state.markets[order.coin].book.remove(order)
    state.armed[order.coin].pop(order.oid, None)
    order.phase = Phase.DONE
    announce(state, order, status, quiet)
    if status in SYSTEM_CANCELS:
        state.out.system_cancels[order.user].append({"coin": order.coin, "oid": order.oid})
    _relatives(state, order, status)


def _relatives(state: State, order: Order, status: str) -> None:
    """Children of a fully filled parent wake up, those of a canceled one go; a filled child ends its sibling.

    A parent canceled for margin after a partial fill still places its children (hyperliquid.md section 6.4).
    """
    wakes = status == "filled" and order.filled_sz == order.orig_sz
    wakes = wakes or (status == "marginCanceled" and order.filled_sz > 0)
    for child in _dormant(state, order):
        arm(state, child) if wakes else finish(state, child, "canceled")
    if status == "filled" and order.sz == 0:
        for sibling in (state.orders.get(oid) for oid in order.siblings):
            if sibling is not None and sibling.live:
                finish(state, sibling, "siblingFilledCanceled")


def _dormant(state: State, order: Order) -> list[Order]:
    children = (state.orders.get(oid) for oid in order.children)
    return [c for c in children if c is not None and c.phase is Phase.DORMANT]
