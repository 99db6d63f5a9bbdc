"""Copy the filled orders of a TradeReady account onto perps (``BTCUSDT`` becomes ``BTC``)."""

from __future__ import annotations

from strategies.copied import CopiedTrades


class TradeReadyCopy(CopiedTrades):
    """A filled buy opens or adds, a filled sell closes its share of what was copied, never more.

    What an order executed before it was cancelled counts as filled; a part of one that still works does not yet. See
    ``CopiedTrades.Options`` for sizes, symbols and stops.
    """

    class Options(CopiedTrades.Options):
        """As ``CopiedTrades``."""
