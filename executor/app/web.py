"""The worker's HTTP interface, connected: the ledger to read, readiness, the inbox for commands, the events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from executor import logs
from executor.app.control import EFFECTS
from executor.app.mirror import MirrorReader, mirrored
from executor.app.objectives import objectives
from executor.errors import ExecutorError
from executor.server.model import Readiness
from executor.server.server import WorkerServer
from executor.server.settings import ServerSettings

if TYPE_CHECKING:
    from executor.app.runtime import Runtime

log = structlog.get_logger("executor.server")


async def start_server(runtime: Runtime) -> WorkerServer:
    """Listen as configured; raises ``ConfigError`` when the address cannot be had or would stand open."""
    configured = runtime.loaded.config.server
    token = runtime.loaded.secret_if_set(configured.token)
    if token is not None:
        logs.register_secret(token.get_secret_value())
    settings = ServerSettings(configured.host, configured.port, token, configured.allowed_hosts)
    server = WorkerServer(
        settings,
        lambda: MirrorReader(runtime.loaded.config.ledger.path, mirrored(runtime.loaded)),
        readiness=lambda: readiness(runtime),
        command=commander(runtime),
        budgets=runtime.venue.budgets,
        objectives=lambda account: objectives(runtime, account),
    )
    url = await server.start()
    for event in runtime.first:  # told while nobody listened yet
        server.observe(event)
    runtime.worker.on_event.append(server.observe)
    runtime.worker.notifiers = (*runtime.worker.notifiers, server.alarms)
    runtime.worker.on_commit.append(server.notify)
    log.info("serving", action="serving", url=url)
    return server


def readiness(runtime: Runtime) -> Readiness:
    """Channels and accounts as they are now."""
    channels = tuple(channel for source in runtime.sources for channel in source.channels())
    accounts = {name: desk.state.reconciled for name, desk in runtime.worker.desks.items()}
    missing = {name: desk.state.missing for name, desk in runtime.worker.desks.items() if desk.state.missing}
    failed = runtime.worker.failed
    return Readiness(runtime.ready(), channels, accounts, missing, None if failed is None else failed.message)


def commander(runtime: Runtime) -> Callable[[str, str | None, str | None, str], dict[str, Any]]:
    """Commands from the server go into the same inbox as everything else."""

    def command(name: str, account: str | None, rule: str | None, by: str) -> dict[str, Any]:
        if account is not None and account not in runtime.worker.desks:
            raise ExecutorError(f"there is no account {account!r}", f"accounts are: {', '.join(runtime.worker.desks)}")
        accounts = runtime.worker.command(name, account, by, rule)
        return {"command": name, "accounts": accounts, "worker": True, "effect": EFFECTS[name]}

    return command
