"""One coin's position, the virtual positions of the agents that share it, and what each earned: plain values.

The venue nets: an account has one position per coin. Several agents may hold it together, on one side: what each holds
always adds up to what the venue shows, with what nobody of ours opened. ``virtual`` carries them on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from executor.core.types import ZERO, Agent


@dataclass(slots=True)
class Watch:
    """Since when something that should have a stop has none, and whether and when the policy acted on it."""

    since_ms: int | None = None
    acted: bool = False
    acted_at_ms: int = 0


@dataclass(slots=True)
class Holding:
    """One agent's virtual position: its part of what the account holds of a coin.

    ``size`` is signed and in base units, ``entry_px`` the average its own executions opened it at, ``opened_at_ms`` the
    stamp of the action that opened it.
    """

    agent: Agent | None
    size: Decimal = ZERO
    entry_px: Decimal = ZERO
    opened_at_ms: int = 0
    watch: Watch = field(default_factory=Watch)


@dataclass(slots=True)
class Position:
    """One coin's position: the venue's signed ``size``, and who of ours holds it.

    ``read_at_ms`` is the venue's time of the newest read it is based on, ``filled_at_ms`` that of the newest fill.
    ``ahead`` is what agents' exits closed of entries that nobody has told of yet (signed as it was executed).
    While agents hold more than there is and nothing explains it yet, ``excess_since_ms`` says since when, and
    ``strange`` how much of it fills of others took, on average at ``strange_px``. ``watch`` is of what nobody of ours
    opened.
    """

    coin: str
    size: Decimal = ZERO
    entry_px: Decimal = ZERO
    leverage: int | None = None
    is_cross: bool = False
    liquidation_px: Decimal | None = None
    unrealized_pnl_usd: Decimal = ZERO
    read_at_ms: int = 0
    filled_at_ms: int = 0
    holdings: list[Holding] = field(default_factory=list)
    ahead: list[Holding] = field(default_factory=list)
    excess_since_ms: int = 0
    strange: Decimal = ZERO
    strange_px: Decimal = ZERO
    watch: Watch = field(default_factory=Watch)

    @property
    def owned(self) -> Decimal:
        """What our agents hold together (signed)."""
        return sum((holding.size for holding in self.holdings), ZERO)

    @property
    def excess(self) -> Decimal:
        """What our agents hold beyond what is there (positive): all of it where that is on the other side."""
        known = self.known
        return max(abs(known) - abs(self.size), ZERO) if known * self.size > 0 else abs(known)

    @property
    def known(self) -> Decimal:
        """What our orders made of it (signed): what agents hold, less what was closed ahead of its entry."""
        return sum((one.size for one in self.ahead), self.owned)

    @property
    def foreign(self) -> Decimal:
        """What of it nobody of ours opened (signed)."""
        known = self.known
        return self.size - known if abs(self.size) > abs(known) else ZERO

    @property
    def owner(self) -> Agent | None:
        """The one agent that holds all that is ours; ``None`` where nobody does, or several do."""
        return self.holdings[0].agent if len(self.holdings) == 1 else None

    @property
    def unprotected_since_ms(self) -> int | None:
        """Since when some part of it that should have a stop has none."""
        watches = [self.watch, *(holding.watch for holding in self.holdings)]
        return min((watch.since_ms for watch in watches if watch.since_ms is not None), default=None)

    def held_by(self, agent: Agent | None) -> Decimal:
        """An agent's virtual position (signed)."""
        holding = self.holding(agent)
        return ZERO if holding is None else holding.size

    def part_of(self, agent: Agent | None) -> Decimal:
        """What an order or wish of this agent can be of (signed): its part, or the whole where it names nobody."""
        return self.size if agent is None else self.held_by(agent)

    def holding(self, agent: Agent | None) -> Holding | None:
        """An agent's part; ``None`` where it has none."""
        return next((holding for holding in self.holdings if holding.agent == agent), None)


@dataclass(slots=True)
class Earned:
    """What one agent earned with one coin on this account since the ledger began; ``agent`` is ``None`` for others.

    ``realized_usd`` is before fees, against the agent's own entry price; ``funding_usd`` above zero was received.
    ``unpriced`` (signed as it was held, opened at ``unpriced_px``) left by the venue's word, and its fill is to come.
    """

    agent: Agent | None
    realized_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    fills: int = 0
    volume_usd: Decimal = ZERO
    unpriced: Decimal = ZERO
    unpriced_px: Decimal = ZERO

    @property
    def net_usd(self) -> Decimal:
        """Realised, less fees, with funding."""
        return self.realized_usd - self.fees_usd + self.funding_usd


@dataclass(slots=True)
class Executed:
    """What one agent's own stops and targets of a coin closed on this account since its book was flat.

    ``closed`` is so much of its book (positive, its units), ``left`` the share (0 to 1) of the rest that is still there
    since its newest frame. ``flat_ms`` is when its newest frame came that found nothing left.
    """

    agent: Agent
    closed: Decimal = ZERO
    left: Decimal = Decimal(1)
    flat_ms: int = 0


@dataclass(slots=True)
class Hour:
    """Who held how much of a coin when the hour ``number`` (since the epoch) began: funding is paid on that."""

    number: int
    held: list[tuple[Agent | None, Decimal]]
