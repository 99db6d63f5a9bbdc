"""Half of what the agent trades: copy this file, change it, and name it in a route."""

from decimal import Decimal

from executor.api import Options, Trade, TradeIntent


class Half:
    class Options(Options):  # its keys below `with:` of a route
        factor: Decimal = Decimal("0.5")

    def __init__(self, options):
        self.options = options

    def on_action(self, action, view):
        if not isinstance(action, Trade):
            return []  # stops and targets stand where the agent says
        size = action.size * self.options.factor
        return [TradeIntent(coin=view.coin, side=action.side, size=size, leverage=action.leverage)]
