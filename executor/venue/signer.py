"""The only holder of a private key: signs the few actions trading needs, and never shows what it signs with.

``Signer`` is a key; ``AccountSigner`` is what a desk is given: the key behind one account's own policy. Both take and
give plain values only, so either could stand in a process of its own without a change above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from coincurve import PrivateKey

from executor.core.types import ZERO
from executor.errors import SecretError, SignerRefused
from executor.hyperliquid.signer_policy import SIGNABLE, Markets, Refusal, SignerPolicy, judge
from executor.hyperliquid.signing import Signature, address_of, sign_l1

DAY_MS = 86_400_000

KEEP_SIGNED = 2_000
"""How many signed actions are remembered: only the newest can be resent before they expire."""


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
            raise _refused(Refusal("action", f"the signer does not sign {kind!r:.40} actions"))
        return sign_l1(self._key, action, nonce, vault_address, expires_after_ms, self._mainnet)

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signer cannot be pickled or copied")


class AccountSigner:
    """One account's signer: implements ``ports.Signer`` by a key and a policy that looks at nothing but the action.

    ``day_start_ms`` and ``signed_usd`` say what was signed since that 00:00 UTC in an earlier life, ``signed`` the
    actions of it that may be sent again, by nonce: the same bytes again add nothing. From then on it counts itself,
    also what is never sent. Days go by ``now_ms`` and never back.
    """

    def __init__(
        self,
        signer: Signer,
        policy: SignerPolicy,
        markets: Markets,
        now_ms: Callable[[], int],
        *,
        vault: str | None = None,
        day_start_ms: int = 0,
        signed_usd: Decimal = ZERO,
        signed: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        self.address = signer.address
        self._signer = signer
        self._policy = policy
        self._markets = markets
        self._now_ms = now_ms
        self._vault = vault
        self._day_start_ms = day_start_ms
        self._signed_usd = signed_usd
        self._signed = dict(signed or {})

    def sign(self, action: Mapping[str, Any], nonce: int, vault: str | None, expires_after_ms: int | None) -> Signature:
        """The signature of one action; ``SignerRefused`` by the policy, and for another account than this one's."""
        if vault != self._vault:
            raise _refused(Refusal("vault", f"the action is for {vault}, this signer signs for {self._vault}"))
        if self._signed.get(nonce) != action:
            self._judge(action, nonce)
        return self._signer.sign(action, nonce, vault, expires_after_ms)

    def _judge(self, action: Mapping[str, Any], nonce: int) -> None:
        judged = judge(action, self._policy, self._markets, self._today_usd())
        if isinstance(judged, Refusal):
            raise _refused(judged)
        self._signed_usd += judged
        self._signed[nonce] = action
        if len(self._signed) > KEEP_SIGNED:
            del self._signed[next(iter(self._signed))]

    def _today_usd(self) -> Decimal:
        """What was signed since 00:00 UTC."""
        now_ms = self._now_ms()
        if now_ms >= self._day_start_ms + DAY_MS:
            self._day_start_ms, self._signed_usd = now_ms - now_ms % DAY_MS, ZERO
        return self._signed_usd

    def __repr__(self) -> str:
        return f"AccountSigner({self.address})"


def _refused(no: Refusal) -> SignerRefused:
    return SignerRefused(no.rule, no.text, no.code)


def _key(text: str) -> PrivateKey | None:
    """The key, or ``None``: no exception leaves here, because its traceback would carry the text."""
    try:
        raw = bytes.fromhex(text.strip().removeprefix("0x"))
        return PrivateKey(raw) if len(raw) == 32 else None
    except ValueError:
        return None
