"""Who signed, for whom, and may this nonce still be used: everything before an action reaches the engine.

hyperliquid.md sections 2.1, 2.7, 3.1-3.6.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.hyperliquid.error_strings import error_text
from executor.hyperliquid.limits import NONCE_FUTURE_MS, NONCE_PAST_MS, NONCES_KEPT
from executor.hyperliquid.signing import (
    USER_SIGNED_TYPES,
    action_hash,
    l1_digest,
    recover_address,
    recover_user_signed,
)
from executor.hyperliquid.wire import canonical_action
from executor.paper.model import Json

NO_EXPIRY = "User-signed actions cannot expire."
"""Our wording: the venue's is not known."""


class Unprocessable(Exception):
    """The body does not have the documented shape: HTTP 422 with a serde-like text."""


class Refused(Exception):
    """The whole action is refused with one text (``status: err``)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One ``/exchange`` body, shape-checked. ``signers`` are who it recovers to, per accepted source."""

    action: Json
    nonce: int
    signers: tuple[str, ...]
    vault: str | None = None
    expires_after_ms: int | None = None
    user_signed: bool = False


@dataclass(frozen=True, slots=True)
class Agent:
    """An approved API wallet."""

    master: str
    name: str
    valid_until_ms: int | None


@dataclass(slots=True)
class Gate:
    """Agents, sub-accounts and used nonces. ``touched`` are the signers to save."""

    agents: dict[str, Agent] = field(default_factory=dict)
    sub_accounts: dict[str, str] = field(default_factory=dict)
    nonces: dict[str, list[int]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def approve(self, master: str, agent: str, name: str, valid_until_ms: int | None) -> None:
        """Registers an agent; one of the same name (or the unnamed one) is replaced."""
        same = [a for a, known in self.agents.items() if known.master == master.lower() and known.name == name]
        for old in same:
            del self.agents[old]
        self.agents[agent.lower()] = Agent(master.lower(), name, valid_until_ms)

    def master_of(self, signer: str, now_ms: int) -> str | None:
        """Whom a valid agent acts for."""
        agent = self.agents.get(signer)
        if agent is None or (agent.valid_until_ms is not None and agent.valid_until_ms <= now_ms):
            return None
        return agent.master

    def admit(self, request: Request, funded: Mapping[str, object], now_ms: int) -> str:
        """The account to act on; its nonce is used up from here on. ``Refused`` otherwise."""
        signer, user = self._resolve(request, funded, now_ms)
        self._check_nonce(signer, request.nonce, now_ms)
        if request.expires_after_ms is not None and now_ms > request.expires_after_ms:
            raise Refused(error_text("EXPIRED"))
        target = self._target(user, request.vault)
        self._use(signer, request.nonce)
        if target not in funded:
            raise Refused(error_text("NOT_DEPOSITED", address=target))
        return target

    def _resolve(self, request: Request, funded: Mapping[str, object], now_ms: int) -> tuple[str, str]:
        """The signer that is known, and its master."""
        for signer in request.signers:
            user = signer if request.user_signed or signer in funded else self.master_of(signer, now_ms)
            if user is not None and user in funded:
                return signer, user
            if user is not None:
                raise Refused(error_text("NOT_DEPOSITED", address=user))
        raise Refused(error_text("SIGNER_UNKNOWN", address=request.signers[0]))

    def _target(self, user: str, vault: str | None) -> str:
        if vault is None:
            return user
        master = self.sub_accounts.get(vault)
        if master is None:
            raise Refused(error_text("VAULT_UNKNOWN", address=vault))
        if master != user:
            raise Refused(error_text("VAULT_NOT_PERMITTED"))
        return vault

    def _check_nonce(self, signer: str, nonce: int, now_ms: int) -> None:
        used = self.nonces.get(signer, [])
        at = bisect_left(used, nonce)
        if at < len(used) and used[at] == nonce:
            raise Refused(error_text("DUPLICATE_NONCE", nonce=nonce))
        floor = max(now_ms - NONCE_PAST_MS, used[0] if len(used) >= NONCES_KEPT else 0)
        if nonce <= floor:
            raise Refused(error_text("NONCE_TOO_LOW", nonce=nonce, limit=floor))
        if nonce >= now_ms + NONCE_FUTURE_MS:
            raise Refused(error_text("NONCE_TOO_HIGH", nonce=nonce, limit=now_ms + NONCE_FUTURE_MS))

    def _use(self, signer: str, nonce: int) -> None:
        used = self.nonces.setdefault(signer, [])
        insort(used, nonce)
        del used[:-NONCES_KEPT]
        self.touched.add(signer)


def read_request(body: object, *, mainnet_too: bool = False) -> Request:
    """Checks an ``/exchange`` body's shape, puts its action in canonical form, recovers who signed.

    ``Unprocessable`` for shapes, ``Refused`` for a signature nobody can have made. Without ``mainnet_too`` only
    source ``b`` is tried, as any endpoint but mainnet does.
    """
    if not isinstance(body, dict):
        raise Unprocessable("invalid type: expected struct ExchangeRequest")
    action = _member(body, "action", dict)
    _member(action, "type", str)
    nonce = _unsigned(_member(body, "nonce", int), "nonce")
    signature = _member(body, "signature", dict)
    vault = _optional(body, "vaultAddress", str)
    expires = _optional(body, "expiresAfter", int)
    if action.get("type") in USER_SIGNED_TYPES:
        _check_user_signed(action, nonce, expires, mainnet_too=mainnet_too)
        return Request(action, nonce, (_recover_user(action, signature),), user_signed=True)
    canonical = _canonical(action)
    vault = vault.lower() if vault is not None else None
    signers = _recover_l1(canonical, nonce, vault, expires, signature, mainnet_too=mainnet_too)
    return Request(canonical, nonce, signers, vault, expires)


def _member(body: Json, key: str, kind: type) -> Any:
    if key not in body:
        raise Unprocessable(f"missing field `{key}`")
    if not isinstance(body[key], kind) or isinstance(body[key], bool):
        raise Unprocessable(f"{key}: invalid type")
    return body[key]


def _optional(body: Json, key: str, kind: type) -> Any:
    return None if body.get(key) is None else _member(body, key, kind)


def _unsigned(value: int, key: str) -> int:
    if not 0 <= value < 2**64:
        raise Unprocessable(f"{key}: invalid value: integer `{value}`, expected u64")
    return value


def _canonical(action: Json) -> Json:
    try:
        return canonical_action(action)
    except ValueError as problem:
        raise Unprocessable(str(problem)) from None


def _recover_l1(
    action: Json, nonce: int, vault: str | None, expires: int | None, signature: Json, *, mainnet_too: bool
) -> tuple[str, ...]:
    try:
        # setReferrer never hashes a vault (hyperliquid.md section 2.2)
        connection = action_hash(action, nonce, None if action["type"] == "setReferrer" else vault, expires)
        sources = (False, True) if mainnet_too else (False,)
        return tuple(recover_address(l1_digest(connection, mainnet), signature) for mainnet in sources)
    except (ValueError, OverflowError):
        raise _not_a_signature(signature) from None


def _check_user_signed(action: Json, nonce: int, expires: int | None, *, mainnet_too: bool) -> None:
    """The chain's name and the inner nonce must fit, and it cannot expire (hyperliquid.md sections 0, 2.1 and 2.3)."""
    if expires is not None:
        raise Refused(NO_EXPIRY)
    if action.get("hyperliquidChain") != "Testnet" and not mainnet_too:
        raise Refused(error_text("WRONG_NETWORK_SIGNATURE"))
    if action.get("nonce", action.get("time")) != nonce:
        raise Unprocessable("nonce of the action differs from the request's")


def _recover_user(action: Json, signature: Json) -> str:
    try:
        return recover_user_signed(action, signature)
    except ValueError:
        raise _not_a_signature(signature) from None


def _not_a_signature(signature: Json) -> Exception:
    """A signature of the wrong shape is a 422; a well-formed one that recovers nobody is refused."""
    if isinstance(signature.get("r"), str) and isinstance(signature.get("s"), str) and "v" in signature:
        return Refused(error_text("SIGNATURE_UNRECOVERABLE"))
    return Unprocessable("signature: missing field `r`")
