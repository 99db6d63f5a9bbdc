"""Print what a Fractrade agent does; each action once, however it comes."""

import os

from executor.streams import FractradeWS

ws = FractradeWS(
    os.environ["FRACTRADE_API_KEY"],
    os.environ["FRACTRADE_API_SECRET"],
    agents=os.environ["FRACTRADE_AGENT"],
    base_url=os.environ.get("FRACTRADE_URL", "wss://api.fractrade.xyz"),
)


@ws.on_trade()
def on_trade(data):
    print(f"{data['side']} {data['size']} {data['symbol']} at {data['leverage']}x")


@ws.on_stop_loss()
def on_stop_loss(data):
    print(f"stop of {data['symbol']} at {data['trigger_price']}")


if __name__ == "__main__":
    ws.run_forever()
