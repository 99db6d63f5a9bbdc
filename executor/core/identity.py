"""Derived identities: the action's key, its fingerprint, and the cloid of each leg.

Same in, same out, on every machine, after every crash, with an empty ledger (design.md section 4).
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b

from executor.core.types import ActionType, Side

CLOID_TAG = "0xf7ac"
"""Marks a client order id as ours: the first two of its sixteen bytes."""

_ACTION_NAMES = frozenset(name.value.casefold() for name in ActionType)


def digest(parts: tuple[str, ...], size: int) -> str:
    """Hash of length-prefixed parts, so that no two different tuples collide by concatenation."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return blake2b(b"".join([len(raw).to_bytes(4, "big") + raw for raw in encoded]), digest_size=size).hexdigest()


def plain(value: Decimal | None) -> str:
    """A decimal in plain, canonical text (``1.50`` and ``1.5`` are the same number); empty for ``None``."""
    return "" if value is None else format(value.normalize() + 0, "f")


def real_id(value: str | None) -> str | None:
    """The sender's id when it is one: any non-empty text but the three action names."""
    if not value or value.casefold() in _ACTION_NAMES:
        return None
    return value


def action_key(
    system: str,
    sender_id: str | None,
    agent_id: str,
    action_type: ActionType,
    event_id: str | None,
    symbol: str,
    side: Side,
    reduce_only: bool,
    trigger_px: Decimal | None,
) -> str | None:
    """The action's identity, 32 hex digits; ``None`` when the sender gave no id at all.

    Never the configured source name, never the size: the same action on two channels, or sent again with
    another size, is the same action.
    """
    if sender_id:
        return digest(("id", system, sender_id), 16)
    if not event_id:
        return None
    parts = ("event", system, agent_id, action_type.value, event_id, symbol, side.value)
    return digest((*parts, "1" if reduce_only else "0", plain(trigger_px)), 16)


def fingerprint(*fields: str) -> str:
    """A digest of an action's content: the same key with another fingerprint is a conflict."""
    return digest(fields, 8)


def cloid(network: str, address: str, key: str, leg: str, attempt: int) -> str:
    """The client order id of one attempt of one leg: ``0x`` and 32 hex digits, ours by its tag."""
    return CLOID_TAG + digest((network, address.lower(), key, leg, str(attempt)), 14)


def is_ours(client_order_id: str | None) -> bool:
    """Whether a cloid carries our tag."""
    return client_order_id is not None and client_order_id.lower().startswith(CLOID_TAG)
