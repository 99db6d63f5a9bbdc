"""``FractradeWS``: the actions of Fractrade's agents (seed 000), whichever of its shapes they come in.

Facts: signal-protocols.md section 1. A frame that is no action reaches ``on_error``, never a handler of actions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from pydantic import SecretStr

from executor.backoff import Server
from executor.clock import chance, iso
from executor.core.source_events import Action, Malformed, Origin
from executor.core.types import ActionType
from executor.sources.connection import Connection
from executor.sources.fractrade import FractradeOptions, endpoints
from executor.sources.fractrade_wire import SYSTEM, decode
from executor.sources.seen import Seen, once
from executor.streams.client import BACKOFF, Frame, StreamClient
from executor.streams.handlers import Handler, log

_SECRETS = ("api_key", "api_secret", "user_token")


class FractradeWS(StreamClient):
    """The actions of agents by id, of a user, or of the executor channel; each action is told once.

    ``api_key`` and ``api_secret`` open agents' channels, ``user_token`` the other two.
    """

    def __init__(
        self,
        api_key: str | None = None,
        api_secret: str | None = None,
        agents: str | Sequence[str] = (),
        base_url: str = "wss://api.fractrade.xyz",
        *,
        user_id: str | None = None,
        user_token: str | None = None,
        executor_channel: bool = False,
    ) -> None:
        super().__init__()
        listed = (agents,) if isinstance(agents, str) else tuple(agents)
        options = FractradeOptions(url=base_url, agents=listed, user_id=user_id, executor_channel=executor_channel)
        given = zip(_SECRETS, (api_key, api_secret, user_token), strict=True)
        self._endpoints = endpoints(options, {name: SecretStr(value) for name, value in given if value})
        self._seen = Seen()

    def on_action(self, action_type: str | None = None) -> Callable[[Handler], Handler]:
        """Every action, or those of one type (``EXECUTE_HYPERLIQUID_PERP_TRADE``, ...)."""
        return self._handlers.on(("action", None if action_type is None else ActionType(action_type.upper())))

    def on_trade(self) -> Callable[[Handler], Handler]:
        """``symbol``, ``side`` (``buy``, ``sell``), ``size``, ``leverage``, ``reduce_only``."""
        return self._handlers.on(("action", ActionType.TRADE))

    def on_stop_loss(self) -> Callable[[Handler], Handler]:
        """``symbol``, ``side`` (the closing one), ``size``, ``trigger_price``."""
        return self._handlers.on(("action", ActionType.STOP_LOSS))

    def on_take_profit(self) -> Callable[[Handler], Handler]:
        """``symbol``, ``side`` (the closing one), ``size``, ``trigger_price``."""
        return self._handlers.on(("action", ActionType.TAKE_PROFIT))

    def _connect(self) -> Sequence[Connection]:
        server = Server()
        return [Connection(one, self.clock, chance, server=server, policy=BACKOFF) for one in self._endpoints]

    def _heard(self, _: Connection, frame: Frame, raw: str | bytes) -> None:
        action = decode(raw, Origin(SYSTEM, SYSTEM, "stream", self.clock.now_ms()))
        if isinstance(action, Malformed):
            log.warning("a frame that is no action: %s %s", action.reason, action.detail)
            self._tell(
                "error", {"reason": action.reason, "field": action.field, "detail": action.detail, "data": frame}
            )
        elif self._seen.fresh(once(action.key)):
            for topic in (("action", None), ("action", action.type)):
                self._tell(topic, told(action, frame))


def told(action: Action, frame: Frame) -> Frame:
    """What handlers get: one set of names whatever the shape, numbers as text, and the frame itself as ``data``."""
    return {
        "action_type": action.type.value,
        "action_id": action.action_id,
        "agent_id": action.agent.agent_id,
        "symbol": action.symbol,
        "side": action.side.value,
        "size": str(action.size),
        "leverage": _text(action.leverage),
        "reduce_only": action.reduce_only,
        "trigger_price": _text(action.trigger_px),
        "server_execution": action.server_execution,
        "status": action.status,
        "created_at": None if action.stamped_at_ms is None else iso(action.stamped_at_ms),
        "channel": "actions",
        "data": frame,
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)
