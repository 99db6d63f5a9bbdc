"""The locks a worker needs: on each account and signer at its endpoint, and on the files it alone may write to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from executor.app.identity import Trader
from executor.config import Loaded
from executor.errors import LockHeld
from executor.ledger.locks import acquire


def endpoint_of(loaded: Loaded) -> str:
    """What is locked at: the exchange's URL, or the paper exchange's state file in dry-run."""
    config = loaded.config
    return config.hyperliquid.url if config.live else f"file://{config.paper.state}"


@contextmanager
def hold(loaded: Loaded, who: Mapping[str, Trader]) -> Iterator[None]:
    """Hold every lock; raises ``LockHeld`` when another worker has one."""
    endpoint = endpoint_of(loaded)
    subjects = {trader.address for trader in who.values()} | {trader.signer.address for trader in who.values()}
    with ExitStack() as stack:
        for subject in sorted(subjects):
            stack.callback(acquire(endpoint, subject).release)
        yield


@contextmanager
def hold_files(loaded: Loaded) -> Iterator[None]:
    """Hold the ledger, and in dry-run the paper exchange's memory: raises ``LockHeld`` when another worker has one.

    A second writer, of other accounts, would end the record of the one that runs.
    """
    config = loaded.config
    files = {"ledger.path": config.ledger.path} | ({} if config.live else {"paper.state": config.paper.state})
    with ExitStack() as stack:
        for key, path in files.items():
            try:
                stack.callback(acquire(path.resolve().as_uri(), key).release)
            except LockHeld as error:
                raise LockHeld(error.message, f"stop that worker first, or give this one another {key}") from error
        yield
