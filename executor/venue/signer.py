"""The only holder of a private key: signs the few actions trading needs, and never shows what it signs with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from coincurve import PrivateKey

from executor.errors import ExecutorError, SecretError
from executor.hyperliquid.signing import Signature, address_of, sign_l1

SIGNABLE = frozenset({"order", "cancel", "cancelByCloid", "modify", "batchModify", "updateLeverage", "noop"})
"""All that this program ever signs: nothing here moves money out of the account."""


class SignerRefused(ExecutorError):
    """The signer does not sign this kind of action."""


class Signer:
    """One key on one network. Its repr is the address; it cannot be pickled, copied or printed open."""

    __slots__ = ("_key", "_mainnet", "address")

    def __init__(self, key: PrivateKey, *, mainnet: bool) -> None:
        self._key = key
        self._mainnet = mainnet
        self.address = address_of(key)

    @classmethod
    def from_key_text(cls, text: str, *, mainnet: bool) -> Signer:
        """A signer from 64 hex digits, with or without ``0x``; ``SecretError`` never repeats what it was given."""
        key = _key(text)
        del text  # tracebacks that print local variables would show it
        if key is None:
            raise SecretError("the signer's key is not a private key", "give 64 hexadecimal digits, 0x in front or not")
        return cls(key, mainnet=mainnet)

    def sign(
        self, action: Mapping[str, Any], nonce: int, vault_address: str | None, expires_after_ms: int | None
    ) -> Signature:
        """The signature of one action, the same bytes each time; ``SignerRefused`` for actions outside ``SIGNABLE``."""
        kind = action.get("type")
        if not isinstance(kind, str) or kind not in SIGNABLE:
            raise SignerRefused(f"the signer does not sign {kind!r:.40} actions")
        return sign_l1(self._key, action, nonce, vault_address, expires_after_ms, self._mainnet)

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signer cannot be pickled or copied")


def _key(text: str) -> PrivateKey | None:
    """The key, or ``None``: no exception leaves here, because its traceback would carry the text."""
    try:
        raw = bytes.fromhex(text.strip().removeprefix("0x"))
        return PrivateKey(raw) if len(raw) == 32 else None
    except ValueError:
        return None
