"""The universe of markets, read at start and kept current in the background; only ever replaced by one that fits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from executor.errors import VenueAnswerOdd, VenueError
from executor.hyperliquid.meta import Universe, parse_meta
from executor.venue.rules import HyperliquidRules

log = logging.getLogger(__name__)

REFRESH_S = 600.0


class Metadata:
    """``rules`` are those of the newest universe that was read whole; ``failures`` counts refreshes that were not."""

    def __init__(self, read: Callable[[], Awaitable[object]], refresh_s: float = REFRESH_S) -> None:
        self.failures = 0
        self._read = read
        self._refresh_s = refresh_s
        self._rules: HyperliquidRules | None = None

    @property
    def rules(self) -> HyperliquidRules:
        """The venue's arithmetic; ``VenueAnswerOdd`` before ``load``."""
        if self._rules is None:
            raise VenueAnswerOdd("the venue's markets were not read yet", "start the venue first")
        return self._rules

    async def load(self) -> None:
        """Read ``meta``; raises ``VenueError`` and keeps what it had."""
        universe = parse_meta(await self._read())
        if self._rules is not None:
            _check_ids(self._rules.universe, universe)
        self._rules = HyperliquidRules(universe)

    async def run(self) -> None:
        """Refresh for ever; a refresh that fails is told and tried again next time."""
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self.load()
            except VenueError as problem:
                self.failures += 1
                log.warning("markets not refreshed: %s", problem)


def _check_ids(old: Universe, new: Universe) -> None:
    """Asset ids never change on the venue: an order with another coin's id would trade that coin."""
    for asset in old.assets:
        again = new.asset(asset.coin)
        if again is None or again.asset_id != asset.asset_id:
            raise VenueAnswerOdd(f"meta: {asset.coin} no longer has the asset id {asset.asset_id}")
