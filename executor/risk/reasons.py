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
    "KILL_FILE": "The kill_file exists: remove it to let entries go again; exits and stops go on.",
    "STOP_REQUIRED": "The entry brings no stop and the coin has none: send a stop with it, or drop require_stop.",
}
