"""Keeps what the environment holds of secrets out of all output before any plugin is built that could quote it."""

from __future__ import annotations

from executor import logs
from executor.config import Loaded, SecretRef


def references(loaded: Loaded) -> list[SecretRef]:
    """Where every secret of this configuration lies."""
    config = loaded.config
    found = [ref for source in config.sources for ref in source.secrets.values()]
    found += [ref for told in config.notify for ref in told.secrets.values()]
    single = [*(account.signer for account in config.accounts), config.heartbeat.url, config.server.token]
    return [*found, *(ref for ref in single if ref is not None)]


def hide(loaded: Loaded) -> None:
    """Register what variables hold. Files and commands are read by whoever needs them, who registers what they gave."""
    for ref in references(loaded):
        text = loaded.environ.get(ref.target, "").strip() if ref.kind == "env" else ""
        if text:
            logs.register_secret(text)
