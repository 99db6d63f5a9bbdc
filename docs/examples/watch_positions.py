"""Print a Nexgent agent's positions at each change: subclass and override, as on Nexgent's own page."""

import os

from executor.streams import NexgentWebSocket


class Positions(NexgentWebSocket):
    async def on_positions_update(self, positions):
        for position in positions:
            print(f"{position['tokenSymbol']}: {position.get('profitLossPercent', 0):+.1f}%")


ws = Positions(os.environ["NEXGENT_URL"], os.environ["NEXGENT_TOKEN"], os.environ["NEXGENT_AGENT"], batch_s=0.1)

if __name__ == "__main__":
    ws.run_forever()
