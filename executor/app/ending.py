"""The worker's last moments: no new entries, what is in flight is finished, and what is left is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from executor.execution import naming
from executor.execution.desk import Desk

log = structlog.get_logger("executor.run")

POLL_S = 0.05


async def finish_orders(desks: Sequence[Desk], limit_s: float) -> None:
    """Wait at most so long for what is in flight; then say what still is, and what has no stop."""
    for desk in desks:
        desk.entries_open = False
    try:
        async with asyncio.timeout(limit_s):
            while not all(desk.at_rest() for desk in desks):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        _tell_unfinished(desks)
    for desk in desks:
        for coin, position in desk.state.positions.items():
            if position.unprotected_since_ms is not None:
                log.error("left without a stop", action="unprotected", account=desk.settings.account, coin=coin)


def _tell_unfinished(desks: Sequence[Desk]) -> None:
    """One line for each order, and one for an account where only something urgent waits to leave."""
    for desk in desks:
        account, out = desk.settings.account, [leg for leg in desk.state.live.values() if leg.in_flight]
        for leg in out:
            log.error("an order is still out at shutdown", action="shutdown_unfinished", **naming.order(account, leg))
        if not out and not desk.at_rest():
            log.error(
                "something urgent still waits to leave at shutdown, or for its answer",
                action="shutdown_unfinished",
                account=account,
            )
