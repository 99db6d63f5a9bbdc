"""The rules' reason codes, each with one plain sentence that says what to do."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "MAX_ORDER_NOTIONAL": "The order is larger than max_order_notional allows: send less, raise max_usd, or shrink.",
    "MAX_POSITION_NOTIONAL": "The coin's position could exceed max_position_notional: close some or raise max_usd.",
    "MAX_GROSS_EXPOSURE": "All positions together could exceed max_gross_exposure: close something or raise max_usd.",
    "MAX_OPEN_POSITIONS": "As many coins are open as max_open_positions allows: close one or raise max.",
    "MAX_LEVERAGE": "The leverage is above max_leverage: lower it in the signal, raise max, or let the rule shrink it.",
    "SYMBOL_DENIED": "The coin is in the deny list of the symbols rule: take it out to trade it.",
    "SYMBOL_NOT_ALLOWED": "The coin is not in the allow list of the symbols rule: add it to trade it.",
    "SIDE_NOT_ALLOWED": "The sides rule does not allow this direction: add it to its allow list to trade it.",
    "COOLDOWN": "The coin's last entry is too recent for the cooldown rule: wait, or lower per_symbol_s.",
    "ORDER_RATE": "There were too many entries for the order_rate rule: wait, or raise max.",
    "DAILY_LOSS": "The day has lost its limit: entries are stopped until 00:00 UTC; exits and stops go on.",
    "DAILY_LOSS_LATCHED": "The day lost its limit earlier: entries are stopped until 00:00 UTC; exits and stops go on.",
    "DRAWDOWN": "The account fell from its highest by the limit: look why, then `executor reset drawdown`.",
    "DRAWDOWN_LATCHED": "The account fell from its highest earlier: look why, then `executor reset drawdown`.",
    "CONSECUTIVE_LOSSES": "Too many losses in a row: wait for its end, or `executor reset consecutive_losses`.",
    "CONSECUTIVE_LOSSES_LATCHED": "There were too many losses: wait, or `executor reset consecutive_losses`.",
    "CONSECUTIVE_FAILURES": "Too many entries in a row failed: see orders, then `executor reset consecutive_failures`.",
    "CONSECUTIVE_FAILURES_LATCHED": "Too many entries had failed: wait, or `executor reset consecutive_failures`.",
    "MAX_NET_EXPOSURE": "Longs less shorts could exceed max_net_exposure: close something or raise max_usd.",
    "MAX_SAME_DIRECTION": "As many coins go in this direction as max_same_direction allows: close one or raise max.",
    "MARGIN_RESERVE": "Too little of the equity would stay free of margin: close something, send less, or deposit.",
    "LIQUIDATION_DISTANCE": "The entry or an open position is too near to liquidation: lower the leverage, or reduce.",
    "OUT_OF_SCHEDULE": "The schedule rule lets no entries go at this time: wait, or widen its windows.",
    "KILL_FILE": "The kill_file exists: remove it to let entries go again; exits and stops go on.",
    "STOP_REQUIRED": "The entry brings no stop and the coin has none: send a stop with it, or drop require_stop.",
}
