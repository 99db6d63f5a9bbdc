"""Hashes, signs and recovers Hyperliquid actions, byte-identical to the official SDK at a hundredth of its cost.

The scheme is hyperliquid.md section 3.1: keccak over msgpack, nonce, vault and expiry gives a connection id, which is
signed as an EIP-712 ``Agent`` message. All of that message but the connection id is constant and hashed once here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgpack
from coincurve import PrivateKey, PublicKey

from executor.hyperliquid.keccak import keccak256

Signature = dict[str, Any]
"""``{"r": "0x…", "s": "0x…", "v": 27 | 28}``; r and s without leading zeros, as the SDK writes them."""


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _domain(name: str, chain_id: int) -> bytes:
    """An EIP-712 domain separator (version 1, zero contract), after the two magic bytes."""
    type_hash = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    words = type_hash + keccak256(name.encode()) + keccak256(b"1") + _word(chain_id) + _word(0)
    return b"\x19\x01" + keccak256(words)


_pack = msgpack.Packer().pack
"""One packer for all: making one for each action costs more than packing it."""

_L1_DOMAIN = _domain("Exchange", 1337)
_AGENT_TYPE = keccak256(b"Agent(string source,bytes32 connectionId)")
_AGENT_PREFIX = {True: _AGENT_TYPE + keccak256(b"a"), False: _AGENT_TYPE + keccak256(b"b")}


def action_hash(
    action: Mapping[str, Any], nonce: int, vault_address: str | None, expires_after_ms: int | None
) -> bytes:
    """The connection id: 32 bytes over the action in its key order, the nonce, the vault and the expiry."""
    data = _pack(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault_address is None else b"\x01" + bytes.fromhex(vault_address.removeprefix("0x"))
    if expires_after_ms is not None:
        data += b"\x00" + expires_after_ms.to_bytes(8, "big")
    return keccak256(data)


def l1_digest(connection_id: bytes, mainnet: bool) -> bytes:
    """What is signed. ``mainnet`` picks source ``a``; testnet and every other endpoint sign ``b``."""
    return keccak256(_L1_DOMAIN + keccak256(_AGENT_PREFIX[mainnet] + connection_id))


def sign_digest(key: PrivateKey, digest: bytes) -> Signature:
    """A deterministic (RFC 6979) signature of a 32-byte digest: the same bytes on every machine."""
    raw = key.sign_recoverable(digest, hasher=None)
    return {"r": hex(int.from_bytes(raw[:32], "big")), "s": hex(int.from_bytes(raw[32:64], "big")), "v": 27 + raw[64]}


def sign_l1(
    key: PrivateKey,
    action: Mapping[str, Any],
    nonce: int,
    vault_address: str | None,
    expires_after_ms: int | None,
    mainnet: bool,
) -> Signature:
    """Signs one L1 action."""
    return sign_digest(key, l1_digest(action_hash(action, nonce, vault_address, expires_after_ms), mainnet))


def address_of(key: PrivateKey) -> str:
    """The lower-case address of a key."""
    return _address(key.public_key)


def _address(public_key: PublicKey) -> str:
    return "0x" + keccak256(public_key.format(compressed=False)[1:])[12:].hex()


def recover_address(digest: bytes, signature: Mapping[str, Any]) -> str:
    """The lower-case address that signed a digest; ``ValueError`` for anything that is no signature of it.

    Short ``r`` and ``s`` are padded on the left (hyperliquid.md section 2.1).
    """
    try:
        raw = _scalar(signature["r"]) + _scalar(signature["s"]) + bytes([_recovery_id(signature["v"])])
    except (KeyError, TypeError, OverflowError) as problem:
        raise ValueError(f"not a signature: {type(problem).__name__}") from None
    return _address(PublicKey.from_signature_and_message(raw, digest, hasher=None))


def _scalar(text: str) -> bytes:
    return _word(int(text, 16))


def _recovery_id(v: object) -> int:
    if v not in (27, 28) or not isinstance(v, int):
        raise ValueError("v must be 27 or 28")
    return v - 27


# User-signed actions (hyperliquid.md sections 2.3 and 3.2): the server side recovers them, the worker never signs one.

_USER_SIGNED: dict[str, tuple[str, str]] = {
    "usdSend": ("UsdSend", "string destination,string amount,uint64 time"),
    "spotSend": ("SpotSend", "string destination,string token,string amount,uint64 time"),
    "withdraw3": ("Withdraw", "string destination,string amount,uint64 time"),
    "usdClassTransfer": ("UsdClassTransfer", "string amount,bool toPerp,uint64 nonce"),
    "sendAsset": (
        "SendAsset",
        (
            "string destination,string sourceDex,string destinationDex,string token,string amount,"
            "string fromSubAccount,uint64 nonce"
        ),
    ),
    "approveAgent": ("ApproveAgent", "address agentAddress,string agentName,uint64 nonce"),
    "approveBuilderFee": ("ApproveBuilderFee", "string maxFeeRate,address builder,uint64 nonce"),
    "userSetAbstraction": ("UserSetAbstraction", "address user,string abstraction,uint64 nonce"),
}
_ABSENT_IS_EMPTY = frozenset({"agentName"})  # the SDK signs "" for an unnamed agent, then deletes the key

_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "string": lambda value: keccak256(value.encode()),
    "uint64": _word,
    "bool": lambda value: _word(bool(value)),
    "address": lambda value: _word(int(value, 16)),
}

USER_SIGNED_TYPES = frozenset(_USER_SIGNED)
"""The user-signed actions ``recover_user_signed`` knows."""


def recover_user_signed(action: Mapping[str, Any], signature: Mapping[str, Any]) -> str:
    """The lower-case address that signed a user-signed action; ``ValueError`` if it does not fit its typed form."""
    return recover_address(user_signed_digest(action), signature)


def user_signed_digest(action: Mapping[str, Any]) -> bytes:
    """The EIP-712 digest of a user-signed action, fields taken from the action as sent."""
    try:
        name, fields = _USER_SIGNED[action["type"]]
        declaration = "string hyperliquidChain," + fields
        words = keccak256(f"HyperliquidTransaction:{name}({declaration})".encode())
        words += b"".join(_encoded(action, *item.split()) for item in declaration.split(","))
        domain = _domain("HyperliquidSignTransaction", int(action["signatureChainId"], 16))
    except (KeyError, TypeError, AttributeError, OverflowError) as problem:
        raise ValueError(f"not a user-signed action: {problem}") from None
    return keccak256(domain + keccak256(words))


def _encoded(action: Mapping[str, Any], kind: str, name: str) -> bytes:
    value = action.get(name, "") if name in _ABSENT_IS_EMPTY else action[name]
    return _ENCODERS[kind](value)
