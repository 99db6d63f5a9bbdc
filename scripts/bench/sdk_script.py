"""The script a user writes first: read Fractrade's agent channel, call the official SDK. Has its own environment."""

from __future__ import annotations

import json
import os

import websocket
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.types import Cloid

exchange = Exchange(Account.from_key(os.environ["BENCH_SIGNER"]), os.environ["BENCH_EXCHANGE_URL"])
channel = websocket.create_connection(os.environ["BENCH_SIGNAL_URL"])
use_market_open = os.environ["BENCH_CALL"] == "market_open"

while message := channel.recv():
    position = json.loads(message)["config"]["position"]
    is_buy = position["side"] == "LONG"
    if use_market_open:
        exchange.market_open(position["asset"], is_buy, position["size"])
    else:
        px = 70_000.0 if is_buy else 60_000.0
        cloid = Cloid.from_int(1)
        exchange.order(position["asset"], is_buy, position["size"], px, {"limit": {"tif": "Ioc"}}, cloid=cloid)
