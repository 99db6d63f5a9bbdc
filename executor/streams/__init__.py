"""Clients for people who only want a feed, each in ten lines: handlers by decorator, reconnecting by itself.

``FractradeWS``, ``NexgentWebSocket``, ``HalyrdWS`` and ``AgentExchangeWS`` share one style; see docs/streams.md.
"""

from executor.streams.client import AuthenticationError, StreamClient
from executor.streams.fractrade import FractradeWS
from executor.streams.halyrd import HalyrdWS
from executor.streams.nexgent import NexgentWebSocket
from executor.streams.tradeready import AgentExchangeWS

__all__ = [
    "AgentExchangeWS",
    "AuthenticationError",
    "FractradeWS",
    "HalyrdWS",
    "NexgentWebSocket",
    "StreamClient",
]
