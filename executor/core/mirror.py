"""An action's mirror image: what a strategy that trades against an agent is shown, and trades.

The agent's book is mirrored with it, so that all that follows holds as it stands: what shrinks the agent's book is an
exit of our opposite position, for our share of it. Where the agent stops a loss, the one against it takes its profit.
"""

from __future__ import annotations

from dataclasses import replace

from executor.core.events import ActionReceived
from executor.core.types import ActionType

_OTHER: dict[str, ActionType] = {
    ActionType.TRADE: ActionType.TRADE,
    ActionType.STOP_LOSS: ActionType.TAKE_PROFIT,
    ActionType.TAKE_PROFIT: ActionType.STOP_LOSS,
}


def mirrored(received: ActionReceived) -> ActionReceived:
    """The same action with the other side, the negative book, a stop for a target and a target for a stop."""
    return replace(
        received,
        side=received.side.opposite,
        action_type=_OTHER[received.action_type],
        book_before=-received.book_before,
        book_after=-received.book_after,
    )
