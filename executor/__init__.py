"""Turns the signals of AI trading agents into Hyperliquid orders: exactly once, protected, explained."""

__version__ = "0.1.0"
