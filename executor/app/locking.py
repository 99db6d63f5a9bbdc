"""The locks a worker needs: on each account and each signer at its endpoint, outside the ledger's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from executor.app.identity import Trader
from executor.config import Loaded
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
