"""Who trades: each account's address and signer. In dry-run they come from a throw-away key kept beside the ledger."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from executor import logs
from executor.config import Account, Config, Loaded
from executor.errors import ConfigError
from executor.venue.signer import Signer

DRY_RUN_ENDPOINT = "custom"


@dataclass(frozen=True, slots=True)
class Trader:
    """One account and who signs for it. ``vault`` is set once the venue says it is a sub-account or vault."""

    account: Account
    address: str
    signer: Signer


def traders(loaded: Loaded) -> dict[str, Trader]:
    """Every account's trader by name; raises ``ConfigError`` or ``SecretError`` with the remedy."""
    build = _live if loaded.config.live else _dry_run
    return {account.name: build(loaded, account) for account in loaded.config.accounts}


def _live(loaded: Loaded, account: Account) -> Trader:
    if account.address is None:
        raise ConfigError(f"accounts.{account.name}.address is missing", "write the address of the account to trade")
    text = loaded.secret(account.signer).get_secret_value()
    logs.register_secret(text)
    signer = Signer.from_key_text(text, mainnet=loaded.config.hyperliquid.network == "mainnet")
    return Trader(account, account.address, signer)


def _dry_run(loaded: Loaded, account: Account) -> Trader:
    """The account's own key is never resolved here: a key made for this ledger signs on the paper exchange."""
    text = _throwaway_key(loaded.config, account.name)
    logs.register_secret(text)
    signer = Signer.from_key_text(text, mainnet=False)
    return Trader(account, account.address or signer.address, signer)


def _throwaway_key(config: Config, name: str) -> str:
    path = config.ledger.path.with_suffix(f".{name}.key")
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(path, secrets.token_hex(32))
    return path.read_text(encoding="ascii").strip()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
