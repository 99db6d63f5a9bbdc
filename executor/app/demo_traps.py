"""The traps `executor demo --all` sets (signal-protocols.md), and how the record shows that each was survived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executor.core import events as ev
from executor.core.types import ZERO, Side


@dataclass(frozen=True, slots=True)
class Proof:
    """What a trap is judged by: what was recorded of one system, and its simulator as it stands."""

    events: Sequence[ev.Event]
    server: Any

    def count(self, kind: type[ev.Event]) -> int:
        """How many events of a class there are."""
        return sum(isinstance(event, kind) for event in self.events)

    def orders(self, leg: str, coin: str) -> int:
        """How many orders of this sort were planned."""
        planned = (event for event in self.events if isinstance(event, ev.LegPlanned))
        return sum((event.leg, event.coin) == (leg, coin) for event in planned)

    def held(self, coin: str) -> Decimal:
        """What the fills of a coin add up to, signed."""
        fills = (event.fill for event in self.events if isinstance(event, ev.FillSeen) and event.fill.coin == coin)
        return sum((fill.size if fill.side is Side.BUY else -fill.size for fill in fills), ZERO)

    def came_back(self, told: str) -> bool:
        """Whether a channel ended with this code or these words, and opened again later."""
        changes = [event for event in self.events if isinstance(event, ev.SourceChanged)]
        ended = [i for i, one in enumerate(changes) if one.state != "open" and told in f"{one.code} {one.detail}"]
        return bool(ended) and any(one.state == "open" for one in changes[ended[0] :])

    def gave_up(self, code: int) -> bool:
        """Whether a channel was refused for good with this code."""
        changes = (event for event in self.events if isinstance(event, ev.SourceChanged))
        return any(one.state == "refused" and one.code == code for one in changes)

    def stop_fired(self) -> bool:
        """Whether a stop on the exchange closed something."""
        return any(isinstance(event, ev.DifferenceFound) and event.cause == "stop fired" for event in self.events)


Trap = tuple[str, Callable[[Proof], bool]]

TRAPS: Mapping[str, tuple[Trap, ...]] = {
    "fractrade": (
        (
            "the same action on two channels, in two shapes and twice: executed once",
            lambda p: p.count(ev.DuplicateSeen) >= 2 and p.orders("entry", "ETH") == 2,
        ),
        ("a malformed frame: refused, and the next one taken", lambda p: p.count(ev.FrameRefused) > 0),
        ("the price gaps through a stop: the position is closed", lambda p: p.stop_fired() and p.held("SOL") == 0),
        ("close code 1012: back again, and nothing executed twice", lambda p: p.came_back("1012")),
    ),
    "nexgent": (
        (
            "a mute socket, open but without events: noticed, replaced, and what it kept silent is done",
            lambda p: p.came_back("MUTE") and p.orders("entry", "kPEPE") == 3,
        ),
        ("close code 1000, Server shutdown: no farewell, back at once", lambda p: p.came_back("Server shutdown")),
        (
            "HTTP 401 at the handshake: another token",
            lambda p: p.server.seen.refused > 0 and p.server.seen.refreshes > 0 and p.server.handshakes > 3,
        ),
        ("a purchase told before the snapshot, which lacks it: mirrored", lambda p: p.held("INJ") > 0),
        ("close code 1000, New connection established: not fought over", lambda p: p.came_back("TAKEN_OVER")),
        ("sold after all that: closed", lambda p: p.orders("entry", "kPEPE") > 0 and p.held("kPEPE") == 0),
    ),
    "halyrd": (
        ("a malformed frame and an unknown event: the next one taken", lambda p: p.count(ev.FrameRefused) == 1),
        (
            "a trade nobody heard, then a lost connection: read by REST and copied",
            lambda p: p.came_back("1006") and p.orders("exit", "BNB") == 2,
        ),
        (
            "a buy after the agent's own risk veto: not copied",
            lambda p: any(trade["pair"] == "ATOM/USDT" for trade in p.server.trades) and p.orders("entry", "ATOM") == 0,
        ),
        (
            "the agent is demoted: what was copied is closed",
            lambda p: p.server.status == "DEMOTED" and p.orders("entry", "BNB") > 0 and p.held("BNB") == 0,
        ),
    ),
    "tradeready": (
        (
            "pings that want {'action': 'pong'}: answered, never dropped for it",
            lambda p: p.server.pongs > 3 and sum(_ended(event) for event in p.events) == 2,
        ),
        (
            "an order frame nobody subscribed to: not a second trade",
            lambda p: p.server.pushed > 0 and p.orders("entry", "SUI") == 1,
        ),
        ("a cancelled order of which a part was filled: the part", lambda p: p.held("DOGE") == 1000),
        ("HTTP 429: waited, then went on", lambda p: p.server.limited == 0 and p.held("SUI") == 50),
        ("close code 1000: no farewell, subscribed again", lambda p: p.came_back("1000")),
        ("HTTP 403: the socket is given up, REST goes on", lambda p: p.gave_up(403) and p.held("OP") > 0),
    ),
}


def _ended(event: ev.Event) -> bool:
    return isinstance(event, ev.SourceChanged) and event.channel.startswith("stream:") and event.state == "closed"


def judged(system: str, proof: Proof) -> list[dict[str, Any]]:
    """Each trap of a system, and whether the worker survived it."""
    return [{"trap": text, "survived": judge(proof)} for text, judge in TRAPS[system]]
