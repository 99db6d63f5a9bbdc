"""Nexgent's wire format, without I/O: any frame or REST answer becomes a ``Message`` or ``Malformed``, never a fault.

Facts: signal-protocols.md sections 2.3 and 2.4, and the server's public source. A position comes in three shapes: full
and priced (``initial_data``), full and raw, without any computed field (``position_update``), and nested (REST); seed
002 also shows partial ones. All become a ``Change``: exactly the fields that were said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executor.core.source_events import Malformed, Origin
from executor.sources.fields import Refusal, flag, iso_stamp, malformed, need, number, shown, text, wrong_type
from executor.sources.strict_json import JsonObject, parse_object

SYSTEM = "nexgent"
REST_SNAPSHOT = "rest_snapshot"
"""Not a type of the server's: what a REST answer is journaled as, so that the record alone rebuilds the picture."""

MAX_ROWS = 10_000
"""More positions than fit into a frame if they say anything: looking at each would hold the worker up for seconds."""

MAX_EXTRA = 40
"""How many fields nobody knows yet are kept of one position."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a frame says of one position: ``values`` by the names of ``nexgent_mirror.Position``."""

    position_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """One price. ``address`` is lower-cased by the server: for comparing, never for use."""

    address: str
    price: Decimal | None
    price_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The server accepted us: signals may follow, at once."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All open positions. ``unread`` are those whose fields could not be read: they exist, and that is all we know.

    ``complete`` is false when even an id could not be read. ``known`` (REST alone) are the positions we knew when we
    asked: what came up since is not gone because the answer lacks it.
    """

    rows: tuple[Change, ...]
    unread: tuple[str, ...] = ()
    complete: bool = True
    known: frozenset[str] | None = None
    faults: tuple[Refusal, ...] = ()

    @property
    def told(self) -> frozenset[str]:
        """The ids of all that are open, read or not."""
        return frozenset(row.position_id for row in self.rows) | frozenset(self.unread)

    @property
    def by_socket(self) -> bool:
        """Whether it came by the socket, with all fields; REST leaves out what was realised."""
        return self.known is None


@dataclass(frozen=True, slots=True)
class Upsert:
    """A position was created or changed."""

    change: Change


@dataclass(frozen=True, slots=True)
class Gone:
    """A position was closed."""

    position_id: str


@dataclass(frozen=True, slots=True)
class Prices:
    """New prices, one or many."""

    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """The server's own: to be answered, and the only proof that this socket still carries events."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The server's ``error`` frame."""

    message: str

    @property
    def no_snapshot(self) -> bool:
        """Whether ``initial_data`` will not follow, though the socket stays open."""
        return self.message.startswith("Failed to load initial data")


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood, and nothing to do; or of a type nobody documented."""

    type: str


Message = Connected | Snapshot | Upsert | Gone | Prices | Ping | Failure | Ignored


def decode(raw: str | bytes, origin: Origin) -> Message | Malformed:
    """One frame of the socket, or one journaled REST answer; nothing is raised."""
    data: JsonObject = {}
    try:
        frame = parse_object(raw)
        kind = need(text(frame.get("type"), "type"), "type")
        read = _READERS.get(kind)
        if read is None:
            return Ignored(kind)
        data = _object(frame.get("data"), "data")
        return read(data)
    except Refusal as refusal:
        return malformed(refusal, origin, agent_of(origin))


def agent_of(origin: Origin) -> str | None:
    """The agent a channel carries (``agent:<id>``)."""
    return origin.channel.partition(":")[2] or None


def _object(value: object, field: str) -> JsonObject:
    if value is None:
        return {}
    if type(value) is not dict:
        wrong_type(field, "an object", value)
    return value


def _list(value: object, field: str) -> list[object]:
    if type(value) is not list:
        wrong_type(field, "an array", value)
    return value


# -- messages -----------------------------------------------------------------------------------------------------


def _snapshot(data: JsonObject) -> Snapshot:
    return _rows(_list(need(data.get("positions"), "data.positions"), "data.positions"), lambda row: row, None)


def _rest_snapshot(data: JsonObject) -> Snapshot:
    known = [text(one, "data.known") for one in _list(data.get("known", []), "data.known")]
    ids = frozenset(one for one in known if one is not None)
    return _rows(_list(need(data.get("positions"), "data.positions"), "data.positions"), flattened, ids)


def _rows(rows: list[object], shape: Callable[[JsonObject], JsonObject], known: frozenset[str] | None) -> Snapshot:
    """One bad position costs neither the others nor itself: what we cannot read is not gone."""
    if len(rows) > MAX_ROWS:
        raise Refusal("FRAME_TOO_LARGE", "data.positions", f"{len(rows)} positions; at most {MAX_ROWS} are read")
    changes: list[Change] = []
    unread: list[str] = []
    faults: list[Refusal] = []
    complete = True
    for row in rows:
        try:
            changes.append(change_of(shape(_object(row, "data.positions"))))
        except Refusal as fault:
            faults.append(fault)
            position_id = _id_at_least(row)
            complete = complete and position_id is not None
            unread += [position_id] if position_id is not None else []
    return Snapshot(tuple(changes), tuple(unread), complete, known, tuple(faults))


def _id_at_least(row: object) -> str | None:
    try:
        return text(_object(row, "").get("id"), "")
    except Refusal:
        return None


def _update(data: JsonObject) -> Message:
    kind = need(text(data.get("eventType"), "data.eventType"), "data.eventType")
    if kind == "position_closed":
        return Gone(_closed_id(data))
    if kind in ("position_created", "position_updated"):
        return Upsert(change_of(_object(need(data.get("position"), "data.position"), "data.position")))
    return Ignored(kind)


def _closed_id(data: JsonObject) -> str:
    """The id stands beside; a server that sends the position as well or instead is understood too."""
    within = _object(data.get("position"), "data.position").get("id")
    return need(text(data.get("positionId") or within, "data.positionId"), "data.positionId")


def _price(data: JsonObject) -> Prices:
    return Prices((_mark(data),))


def _batch(data: JsonObject) -> Prices:
    updates = _list(need(data.get("updates"), "data.updates"), "data.updates")
    return Prices(tuple(_mark(_object(one, "data.updates")) for one in updates))


def _mark(data: JsonObject) -> Mark:
    address = need(text(data.get("tokenAddress"), "data.tokenAddress"), "data.tokenAddress")
    return Mark(address.lower(), _px(data.get("price"), "data.price"), _px(data.get("priceUsd"), "data.priceUsd"))


def _failure(data: JsonObject) -> Failure:
    message = data.get("message")
    return Failure(message[:300] if isinstance(message, str) else shown(message))


_READERS: Mapping[str, Callable[[JsonObject], Message]] = {
    "connected": lambda _data: Connected(),
    "initial_data": _snapshot,
    REST_SNAPSHOT: _rest_snapshot,
    "position_update": _update,
    "price_update": _price,
    "price_update_batch": _batch,
    "ping": lambda _data: Ping(),
    "error": _failure,
}


# -- positions ----------------------------------------------------------------------------------------------------


def change_of(row: JsonObject) -> Change:
    """The fields one position object says; raises ``Refusal`` at the first that cannot be read.

    ``null`` counts only where the server's own type allows it, else as not said.
    """
    position_id = need(text(row.get("id"), "position.id"), "position.id")
    return Change(position_id, dict(_values(row)))


def _values(row: JsonObject) -> Iterator[tuple[str, Any]]:
    extra: dict[str, Any] = {}
    for key, value in row.items():
        column = _COLUMNS.get(key)
        if column is None:
            if key not in _COMPUTED and len(extra) < MAX_EXTRA and _keepable(key, value):
                extra[key] = value
            continue
        name, read, nullable = column
        found = read(value, f"position.{key}")
        if found is not None or nullable:
            yield name, found
    if extra:
        yield "extra", extra


def _keepable(key: str, value: object) -> bool:
    """Plain values of fields nobody knows yet; structures are left out."""
    plain = value is None or isinstance(value, (bool, int, Decimal)) or (isinstance(value, str) and len(value) <= 200)
    return plain and key.isidentifier() and len(key) <= 40


def _px(value: object, field: str) -> Decimal | None:
    """A price above zero. The server says 0 where it knows none."""
    found = _amount(value, field)
    return found or None


def _amount(value: object, field: str) -> Decimal | None:
    found = number(value, field)
    if found is not None and found < 0:
        raise Refusal("OUT_OF_RANGE", field, f"must not be negative: {shown(value)}")
    return found


def _count(value: object, field: str) -> int | None:
    found = _amount(value, field)
    if found is not None and found != int(found):
        raise Refusal("BAD_NUMBER", field, f"must be a whole number: {shown(value)}")
    return None if found is None else int(found)


_Read = Callable[[object, str], object]
_COLUMNS: Mapping[str, tuple[str, _Read, bool]] = {
    "agentId": ("agent_id", text, False),
    "walletAddress": ("wallet", text, False),
    "tokenAddress": ("token_address", text, False),
    "tokenSymbol": ("symbol", text, False),
    "purchasePrice": ("purchase_price", _px, False),
    "purchaseAmount": ("purchase_amount", _amount, False),
    "purchasePriceUsd": ("purchase_price_usd", _px, False),
    "currentPrice": ("current_price", _px, False),
    "currentPriceUsd": ("current_price_usd", _px, False),
    "currentStopLossPercentage": ("stop_pct", number, True),
    "peakPrice": ("peak_price", _px, True),
    "lowestPrice": ("lowest_price", _px, True),
    "totalInvestedSol": ("invested_sol", _amount, False),
    "dcaCount": ("dca_count", _count, False),
    "remainingAmount": ("remaining_amount", _amount, True),
    "realizedProfitSol": ("realized_sol", number, False),
    "takeProfitLevelsHit": ("tp_levels_hit", _count, False),
    "totalTakeProfitLevels": ("tp_levels", _count, True),
    "moonBagActivated": ("moon_bag", flag, False),
    "moonBagAmount": ("moon_bag_amount", _amount, True),
    "createdAt": ("created_ms", iso_stamp, False),
    "updatedAt": ("updated_ms", iso_stamp, False),
}
"""By the server's name: our name, how it is read, and whether ``null`` is a value of it."""

_COMPUTED = frozenset(
    ("id", "positionValueSol", "positionValueUsd", "profitLossSol", "profitLossUsd", "profitLossPercent")
) | {"priceChangePercent"}
"""Computed by the server at one moment; the mirror computes them anew with every price."""

_NESTED: Mapping[str, Mapping[str, str]] = {
    "purchase": {"priceNative": "purchasePrice", "priceUsd": "purchasePriceUsd", "amount": "purchaseAmount"},
    "current": {"priceNative": "currentPrice", "priceUsd": "currentPriceUsd"},
    "stopLoss": {"percentage": "currentStopLossPercentage", "peakPrice": "peakPrice"},
    "takeProfit": {
        "levelsHit": "takeProfitLevelsHit",
        "totalLevels": "totalTakeProfitLevels",
        "remainingAmount": "remainingAmount",
        "moonBagActivated": "moonBagActivated",
        "moonBagAmount": "moonBagAmount",
    },
    "dca": {"count": "dcaCount", "totalInvestedSol": "totalInvestedSol", "lastDcaTime": "lastDcaTime"},
    "profitLoss": {},
}


def flattened(row: JsonObject) -> JsonObject:
    """A REST position in the socket's shape.

    REST writes 0 for a stop and a peak that are null: a percentage without a peak is none. Its value and profit ignore
    what was sold (server's own mistake) and are not read.
    """
    flat = {key: value for key, value in row.items() if key not in _NESTED}
    for group, names in _NESTED.items():
        inner = _object(row.get(group), group)
        flat |= {names[key]: value for key, value in inner.items() if key in names}
    if not flat.get("peakPrice") and not flat.get("currentStopLossPercentage"):
        flat["currentStopLossPercentage"] = None
    return flat
