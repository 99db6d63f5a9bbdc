"""Named moments on an action's way at which a test kills, stops or fails the worker; each is a no-op until armed.

``point(name)`` does nothing unless the environment or a handler in this process arms it::

    EXECUTOR_FAULT_POINT=signed:2:kill executor run …        # SIGKILL when "signed" is reached the second time
    EXECUTOR_FAULT_POINT=ledger_write:40+:enospc             # the 40th write to the ledger and every later one fails
    EXECUTOR_FAULT_POINT=@/tmp/fault                         # the same text from a file, armed whenever it changes

The names are the boundaries of reliability.md section A5.2, and the ledger's writes.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

VARIABLE = "EXECUTOR_FAULT_POINT"

POINTS: Mapping[str, str] = {
    "received": "an action or a command came in; nothing is known of it yet",
    "deduped": "it was not there before; nothing is written yet",
    "risk_approved": "decided and sized, just before a request is made of it",
    "signed": "nonce taken and signed, nothing written",
    "ledger_write": "before one statement of a transaction: BEGIN, a row, COMMIT",
    "ledger_committed": "a transaction is on disk",
    "intent_committed": "the request is written down, nothing has left",
    "first_byte_sent": "the first byte of the request left, the rest did not",
    "last_byte_sent": "all of the request left",
    "answer_first_byte": "the answer's frame arrived, unread",
    "answer_parsed": "the answer was read, nothing is recorded of it",
    "outcome_committed": "the outcome is written down, nobody was told",
    "event_published": "the outcome's events were given to their observers",
    "stop_intent": "a stop's, target's or cancel's request is written down, nothing of it has left",
    "stop_acked": "its answer is written down",
}
"""Every point and what is true when it is reached. "Accepted at the exchange" has none: only the exchange knows."""


class FaultInjected(Exception):
    """What the kind ``raise`` raises."""


class Wire(Protocol):
    """What the first byte of a request can be written to."""

    def write(self, data: bytes) -> None:
        """Send now."""


Handler = Callable[[str], None]
"""Called with the point's name; may raise whatever shall come out of it, ``BaseException`` for a crash."""


def nothing(_name: str, _wire: Wire | None = None, /) -> None:
    """What every point does by default."""


point: Callable[..., None] = nothing
"""Call as ``faults.point("name")``: looked up at each call, so that a handler can be set at any time."""


def set_handler(handler: Handler | None) -> None:
    """From now on ``handler`` hears of every point of this process; ``None`` goes back to nothing."""
    global point  # noqa: PLW0603 the one switch of this module
    point = nothing if handler is None else lambda name, _wire=None: handler(name)


@contextmanager
def handling(handler: Handler) -> Iterator[None]:
    """``set_handler`` for a while."""
    set_handler(handler)
    try:
        yield
    finally:
        set_handler(None)


# -- armed by text ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Armed:
    """One fault: the ``nth`` time ``name`` is reached (and with ``onward`` every later time), ``kind`` happens."""

    name: str
    nth: int
    onward: bool
    kind: str
    reached: int = 0

    @classmethod
    def parse(cls, text: str) -> Armed:
        """``name:nth:kind``, ``nth+`` for every later time too; ``ValueError`` for anything else."""
        name, nth, kind = (*text.strip().split(":"), "", "")[:3]
        if name not in POINTS or kind not in KINDS or text.count(":") != 2 or not nth.removesuffix("+").isdecimal():
            raise ValueError(f"{VARIABLE}: not name:nth:kind with a known name and kind: {text!r}")
        return cls(name, int(nth.removesuffix("+")), nth.endswith("+"), kind)

    def __call__(self, name: str, wire: Wire | None = None, /) -> None:
        """One point was reached."""
        if name != self.name:
            return
        self.reached += 1
        if self.reached == self.nth or (self.onward and self.reached > self.nth):
            if wire is not None and self.kind == "kill":
                wire.write(FIRST_BYTE)
            KINDS[self.kind](name)


FIRST_BYTE = b"\x81"
"""What every request begins with on the wire: a whole text frame (RFC 6455, section 5.2)."""


class FromFile:
    """Armed with whatever a file says, counted from the moment it says so; an empty or missing one disarms."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._armed: Armed | None = None

    def __call__(self, name: str, wire: Wire | None = None, /) -> None:
        """One point was reached."""
        text = self._path.read_text("utf-8").strip() if self._path.exists() else ""
        if text != self._text:
            self._text, self._armed = text, Armed.parse(text) if text else None
        if self._armed is not None:
            self._armed(name, wire)


def _die(name: str) -> None:
    print(f"fault point {name}: kill", file=sys.stderr, flush=True)  # noqa: T201 the last word of a process
    os.kill(os.getpid(), signal.SIGKILL)


def _halt(name: str) -> None:
    print(f"fault point {name}: stop", file=sys.stderr, flush=True)  # noqa: T201 nobody can be asked while it lasts
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise(name: str) -> None:
    raise FaultInjected(name)


def _errno(number: int) -> Handler:
    def fail(name: str) -> None:
        raise OSError(number, f"{os.strerror(number)} (fault point {name})")

    return fail


KINDS: Mapping[str, Handler] = {
    "kill": _die,
    "stop": _halt,
    "raise": _raise,
    "enospc": _errno(errno.ENOSPC),
    "eio": _errno(errno.EIO),
}


def arm(environ: Mapping[str, str]) -> None:
    """Arm what ``EXECUTOR_FAULT_POINT`` names; without it every point stays a no-op."""
    global point  # noqa: PLW0603 the one switch of this module
    text = environ.get(VARIABLE)
    if text:
        point = FromFile(Path(text[1:])) if text.startswith("@") else Armed.parse(text)


arm(os.environ)
