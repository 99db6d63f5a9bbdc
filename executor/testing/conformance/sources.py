"""What a source promises: a name, its channels at any time, events of the known kinds, and an end when told."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import SecretStr

from executor.api import ChannelState, CredentialRefused, Malformed, Origin
from executor.clock import SystemClock
from executor.ports import SourceContext
from executor.sources.checked import sound
from executor.testing.conformance.results import Results

RUN_S = 0.5
END_S = 5.0


class _AnySecret(dict[str, SecretStr]):
    """Whatever secret is asked for is there."""

    def __missing__(self, name: str) -> SecretStr:
        return SecretStr("kit-secret")


async def check_source(kind: type[Any], options: Any, results: Results) -> None:
    """Build it, let it run for a moment, and end it."""
    notes: list[str] = []
    context = SourceContext(_AnySecret(), SystemClock(), lambda: 0.5, lambda _channel, text: notes.append(text))
    try:
        source = kind.build("kit", options, context)
    except Exception as error:  # noqa: BLE001 a stranger's constructor may raise anything
        results.fail("construction", f"{type(error).__name__}: {error}")
        return
    results.judge("name", source.name == "kit", "the configured one", f"{source.name!r} instead of the configured one")
    _channels(source, "channels before it runs", results)
    odd: list[str] = []
    name = "kit"

    def emit(raw: object, event: object) -> None:
        seen = sound(event, lambda: Origin(name, name, "unknown", 0))
        if not isinstance(raw, str | bytes):
            odd.append(f"a frame that is a {type(raw).__name__}")
        elif isinstance(seen, Malformed) and not isinstance(event, Malformed):
            odd.append(f"{type(event).__name__}: {seen.detail}")

    await _run(source, emit, results)
    _channels(source, "channels after it ran", results)
    results.judge("events", not odd, "of the known kinds", f"emitted {odd[:1]}")


def _channels(source: Any, check: str, results: Results) -> None:
    try:
        told = source.channels()
    except Exception as error:  # noqa: BLE001 what is looked for
        results.fail(check, f"raised {type(error).__name__}: {error}")
        return
    good = isinstance(told, tuple) and all(isinstance(one, ChannelState) for one in told)
    results.judge(check, good, f"{len(told)} of them" if good else "", "a tuple of ChannelState is wanted")


async def _run(source: Any, emit: Any, results: Results) -> None:
    """Unreachable servers are borne, and cancelling ends it."""
    task = asyncio.ensure_future(source.run(emit))
    await asyncio.wait([task], timeout=RUN_S)
    running = not task.done()
    task.cancel()
    await asyncio.wait([task], timeout=END_S)
    if not task.done():
        results.fail("its end", f"it goes on {END_S:g} s after it was cancelled")
        return
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, CredentialRefused):
        results.fail("running", f"raised {type(error).__name__}: {error}")
        return
    results.passed("running", "and it ended when told" if running else "and it ended by itself")
