"""The words every simulator's script has: any frame, any text, and the faults of a server and its network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from executor.sim.loopback import LoopbackServer
from executor.sim.scenario import Say, Seconds, Vocabulary, Word

FAULTS: dict[str, Any] = {
    "frame": dict[str, Any],
    "raw": str,
    "cut": int,
    "silence": Seconds,
    "refuse": int,
    "refuse_rest": int,
}
"""``cut``: a close code, 1006 drops; ``refuse`` and ``refuse_rest``: an HTTP status, 0 to welcome again."""


def faults(server: LoopbackServer, send: Callable[[dict[str, Any]], Awaitable[int]] | None = None) -> Vocabulary:
    """The words on a running simulator; ``send`` sends a frame that is written out, stamped as that system does."""

    async def frame(value: dict[str, Any]) -> str:
        return _sent(await (server.broadcast(json.dumps(value)) if send is None else send(value)))

    async def raw(value: str) -> str:
        return _sent(await server.broadcast(value))

    async def cut(code: int) -> str:
        return f"cut {await server.cut(code, 'scripted')} clients with {code}"

    async def silence(seconds: float) -> str:
        server.silent = True
        try:
            await asyncio.sleep(seconds)
        finally:
            server.silent = False
        return f"was silent for {seconds:g} s"

    async def refuse(status: int) -> str:
        server.refuse_with = status or None
        return f"refusing handshakes with {status}" if status else "welcoming handshakes"

    async def refuse_rest(status: int) -> str:
        server.rest_refuse_with = status or None
        return f"refusing requests with {status}" if status else "answering requests"

    does: dict[str, Callable[[Any], Awaitable[str]]] = {
        "frame": frame,
        "raw": raw,
        "cut": cut,
        "silence": silence,
        "refuse": refuse,
        "refuse_rest": refuse_rest,
    }
    return {name: Word(FAULTS[name], do) for name, do in does.items()}


class Card(NamedTuple):
    """What a simulator's client must know: for people in lines, for programs by the names of the source's keys."""

    lines: Iterable[str]
    keys: Mapping[str, Any]


Ready = Callable[[Mapping[str, Any]], None]
"""Takes what programs must know, once the server listens."""


async def run(
    server: LoopbackServer,
    card: Callable[[], Card],
    play: Callable[[], Awaitable[None]],
    say: Say,
    ready: Ready | None = None,
) -> None:
    """The simulator alone, until cancelled; each time a first client comes, the script is played once to its end.

    ``card`` is what is told once it listens, to ``ready`` if there is one, else to ``say``; ``play`` plays the
    script. Before each first client the server forgets: no play finds anything that an earlier one did.
    """
    async with server:
        lines, keys = card()
        if ready is None:
            for line in lines:
                say(line)
        else:
            ready({"url": server.rest_url, "ws_url": server.url, **keys})
        while True:
            server.forget()
            await server.wait_connected(1, timeout_s=None)
            await play()
            say("the script is over; it starts again with the next first client")
            await server.wait_disconnected(timeout_s=None)


def _sent(clients: int) -> str:
    return f"sent to {clients} clients"
