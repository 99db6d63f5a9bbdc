"""The doctor's look at the signal systems: every channel is opened as the worker would, and closed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from executor.app import compose
from executor.app.doctor_check import Check, failed, failure, passed, warned
from executor.clock import SystemClock
from executor.config import Loaded, require_channels
from executor.errors import ConfigError, CredentialRefused, ExecutorError
from executor.ports import ChannelState, Source

HANDSHAKE_S = 12.0
LINGER_S = 0.3
"""A refusal by close code comes after the handshake was accepted."""

POLL_S = 0.02


async def sources(loaded: Loaded, busy: bool, tell: Callable[[str], None]) -> list[Check]:
    """Every channel of every source. While a worker runs (``busy``) none is tried: it would cost it connections."""
    try:
        require_channels(loaded.config)
    except ConfigError as error:
        return [failure("sources", error)]
    if busy:
        return [warned("sources", "not tried: a worker is running and has them open", "see `executor status`")]
    found = []
    for configured in loaded.config.sources:
        tell(f"source {configured.name}")
        notes: dict[Check, None] = {}
        try:
            secrets = compose.registered_secrets(loaded, configured)
            source = compose.source(loaded, configured, secrets, SystemClock(), _noting(notes))
        except ExecutorError as error:
            found.append(failure(f"source {configured.name}", error))
            continue
        found += [*await handshakes(source), *notes]
    return found


def _noting(notes: dict[Check, None]) -> Callable[[str, str], None]:
    """What a source has to say to people, as a warning each, once."""

    def note(channel: str, text: str) -> None:
        notes[warned(f"note {channel}", text, "decide before trading; the worker's log tells it too")] = None

    return note


async def handshakes(source: Source) -> list[Check]:
    """Open a source's channels and close them again; one check for each."""
    task = asyncio.create_task(source.run(lambda raw, event: None))
    try:
        await _settle(source, task)
        channels = source.channels()
    finally:
        task.cancel()
        await asyncio.wait([task])
    found = [_channel(source.name, channel) for channel in channels]
    return [*found, *_ended(source.name, task)]


async def _settle(source: Source, task: asyncio.Task[None]) -> None:
    """Until every channel has found out how it stands, and a moment longer."""
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            while not task.done() and not _decided(source.channels()):
                await asyncio.sleep(POLL_S)
            await asyncio.wait([task], timeout=LINGER_S)
    except TimeoutError:
        return


def _decided(channels: tuple[ChannelState, ...]) -> bool:
    return bool(channels) and all(channel.state != "connecting" for channel in channels)


def _channel(source: str, channel: ChannelState) -> Check:
    name = f"channel {source}/{channel.name}"
    if channel.state == "open":
        return passed(name, "opened, and closed again")
    why = channel.detail or "no answer in time"
    return failed(name, f"{channel.state}: {why}", channel.remedy or "check the source's url and the connection")


def _ended(source: str, task: asyncio.Task[None]) -> Iterator[Check]:
    """What a source said when it gave up; refused channels are told one by one."""
    error = None if task.cancelled() else task.exception()
    if error is None or isinstance(error, CredentialRefused):
        return
    if isinstance(error, ExecutorError):
        yield failure(f"source {source}", error)
    else:
        yield failed(f"source {source}", f"it broke: {error!r}", "this is a mistake of the source: report it")
