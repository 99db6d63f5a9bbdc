"""A price cache that fills itself in the background, from TradeReady: the rest of the program only reads it."""

import os
import threading

from executor.streams import AgentExchangeWS

ws = AgentExchangeWS(os.environ["AGENTEXCHANGE_API_KEY"], os.environ.get("AGENTEXCHANGE_WS_URL", "ws://localhost:8000"))
prices = {}


@ws.on_ticker("all")
def on_price(data):
    prices[data["symbol"]] = data["price"]


@ws.on_order_update()
async def on_order(data):
    print(f"{data['order_id']}: {data['status']}")


def start():
    threading.Thread(target=ws.run_forever, daemon=True).start()
