"""Print what a worker of this project does, by the Halyrd-compatible stream it serves; a Halyrd agent's as well."""

import asyncio
import os

from executor.streams import HalyrdWS

ws = HalyrdWS("current", os.environ.get("WORKER_URL", "http://127.0.0.1:8787"))


@ws.on_trade()
async def on_trade(data):
    print(f"{data['side']} {data['pair']} for {data['size']} USD, pnl {data['pnl']}")


@ws.on_risk_veto()
def on_risk_veto(data):
    print(f"{data['rule']} said no: {data['reason']}")


async def main():
    async with ws:  # connected here; the program goes on beside it
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main())
