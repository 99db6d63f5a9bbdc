"""Who trades: each account's address and signer. In dry-run they come from a throw-away key kept beside the ledger."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from executor import logs
from executor.config import Account, Loaded
from executor.errors import ConfigError, SecretError
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
    path = loaded.config.ledger.path.with_suffix(f".{account.name}.key")
    try:
        signer = Signer.from_key_text(_throwaway_key(path), mainnet=False)
    except (OSError, UnicodeError, SecretError) as error:
        reason = getattr(error, "strerror", None) or "it holds no key"
        remedy = "restore it, or move it away together with the dry-run's ledger and paper state: a new one is made"
        raise ConfigError(f"dry-run's throw-away key {path} cannot be used: {reason}", remedy) from None
    return Trader(account, account.address or signer.address, signer)


def _throwaway_key(path: Path) -> str:
    if not os.path.lexists(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(path, secrets.token_hex(32))
    text = path.read_text(encoding="ascii").strip()
    logs.register_secret(text)
    return text


def _write_private(path: Path, text: str) -> None:
    """All of it or nothing: half a key, left by a crash, would have to be repaired by hand."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    made.rename(path)
