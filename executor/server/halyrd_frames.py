"""Recorded events told as Halyrd's frames: what one account's stream and lists say. Pure.

Facts: signal-protocols.md section 3.2. An event comes as the record shows it (``seq``, ``at``, ``kind``, ``account``,
``key``, ``data``); a frame is flat, with ``event`` and ``ts``. Every reference carries the seq it came from, so it can
be resolved (``jrn_<seq>``), or is the action's key (``order_ref``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from executor.clock import iso
from executor.core.verdict import VENUE

Document = dict[str, Any]
Frame = dict[str, Any]

SNAPSHOT_MS = 15 * 60_000
"""At most one ``snapshot`` in each such window."""

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
KEPT = 4096
"""How many signals and fills are remembered at once."""

RULES: Mapping[str, str] = {
    "daily_loss": "daily_drawdown",
    "drawdown": "max_drawdown",
    "consecutive_losses": "streak_limit",
}
"""What Halyrd calls rules of ours; all others keep their names."""

QUOTES: Mapping[str, str] = {
    "QUOTE_DIVERGENCE": "divergence",
    "QUOTE_STALE": "stale",
    "QUOTE_DEPTH": "liquidity",
}
"""Why a quote was not believed, and Halyrd's words for it."""

JOURNALED: Mapping[str, str] = {
    "FillSeen": "EXECUTED",
    "QuoteRejected": "QUOTE_REJECTED",
    "ActionRefused": "SKIPPED",
    "FrameRefused": "SKIPPED",
    "LegDropped": "SKIPPED",
    "LegRejected": "REJECTED",
    "LegUnknown": "UNKNOWN",
    "LegAbsent": "ABSENT",
    "SignerRefused": "TWAK_BLOCK",
    "ActionTaken": "DECIDED",
    "Paused": "STATUS_CHANGE",
    "Resumed": "STATUS_CHANGE",
    "FlattenStarted": "KILL",
    "FlattenDone": "STATUS_CHANGE",
    "BreakerLatched": "STATUS_CHANGE",
    "BreakerReset": "STATUS_CHANGE",
    "AlarmRaised": "ALARM",
    "AnomalyNoted": "ALARM",
    "DifferenceFound": "DIFFERENCE",
    "ProtectionChanged": "PROTECTION",
    "ProtectionActed": "PROTECTION",
    "StrategyFailed": "ALARM",
}
"""Which events are entries of the journal, and of what kind."""

KINDS = (*JOURNALED, "ActionReceived", "EntryJudged", "AccountRead")
"""Every event that counts here."""

_SHOWN = Context(prec=10)
_TAGS = ("coin", "reason", "code", "rule", "cause", "state", "action_type", "part")
_TEXTS = ("detail", "text", "venue", "value", "policy", "by", "why")


@dataclass(slots=True)
class Sample:
    """The account's worth at one time; the drawdown is a fraction of the highest worth before."""

    at_ms: int
    equity: Decimal
    dd_from_peak: Decimal


@dataclass(slots=True)
class Curve:
    """The account's worth over time: the last read of each hour, the highest ever, and the day's first.

    All from the equity that reads showed, so a deposit counts as a gain here (the drawdown rule knows better).
    """

    samples: list[Sample] = field(default_factory=list)
    peak: Decimal = Decimal(0)
    day_start: Decimal = Decimal(0)
    newest_ms: int = 0

    def add(self, at_ms: int, equity: Decimal) -> Sample:
        """One read, in order."""
        if at_ms // DAY_MS != self.newest_ms // DAY_MS or not self.day_start:
            self.day_start = equity
        self.peak, self.newest_ms = max(self.peak, equity), at_ms
        sample = Sample(at_ms, equity, _fall(self.peak, equity))
        if self.samples and self.samples[-1].at_ms // HOUR_MS == at_ms // HOUR_MS:
            self.samples.pop()
        self.samples.append(sample)
        return sample

    def every(self, interval_ms: int) -> Iterator[Sample]:
        """The last sample of each interval."""
        for sample, after in zip(self.samples, [*self.samples[1:], None], strict=True):
            if after is None or sample.at_ms // interval_ms != after.at_ms // interval_ms:
                yield sample


def _fall(high: Decimal, now: Decimal) -> Decimal:
    return max(Decimal(0), _SHOWN.divide(high - now, high)) if high > 0 else Decimal(0)


@dataclass(slots=True)
class Agent:
    """One account as Halyrd's clients see it. ``flattened``: a flatten has begun and nobody resumed yet."""

    account: str
    live: bool
    flattened: bool = False
    curve: Curve = field(default_factory=Curve)
    coins: OrderedDict[str, str] = field(default_factory=OrderedDict)
    vetoes: OrderedDict[str, dict[str, str]] = field(default_factory=OrderedDict)
    opened_ms: dict[str, int] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        """With real money or not."""
        return "live" if self.live else "paper"

    @property
    def status(self) -> str:
        """Halyrd's word for it: a flatten demotes until somebody resumes."""
        return "DEMOTED" if self.flattened else "LIVE" if self.live else "PAPER"

    def tell(self, document: Document) -> list[Frame]:
        """The frames of one event, in order; events must come in order. Those of other accounts are none."""
        if document["account"] not in (None, self.account):
            return []
        frames = _TELLERS.get(document["kind"], _nothing)(self, document)
        entry = self._entry(document, frames)
        return frames if entry is None else [*frames, entry]

    def _entry(self, document: Document, told: list[Frame]) -> Frame | None:
        """The journal's entry, written of everything that counts as a decision or an incident."""
        kind, data = JOURNALED.get(document["kind"]), document["data"]
        if kind is None:
            return None
        names = [frame["event"] for frame in told]
        coin = self._coin(document)
        tags = [document["kind"], *(str(data[name]) for name in _TAGS if data.get(name)), *([coin] if coin else [])]
        return {
            "event": "journal_entry",
            "ts": _trade_ts(document) or document["at"],
            "id": journal_ref(document["seq"]),
            "kind": "RISK_VETO" if "risk_veto" in names else kind,
            "tags": list(dict.fromkeys(tags)),
            "text": _text(document, told),
            "order_ref": document["key"],
        }

    def _coin(self, document: Document) -> str | None:
        data = document["data"]
        own = data.get("coin") or (data.get("fill") or {}).get("coin")
        return own or self.coins.get(document["key"] or "")


def journal_ref(seq: int) -> str:
    """The reference of the journal's entry on an event."""
    return f"jrn_{seq}"


def seq_of(ref: str) -> int | None:
    """The event a reference names, if it is one of ours."""
    digits = ref.removeprefix("jrn_")
    return int(digits) if ref != digits and digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def pair_of(coin: str | None) -> str | None:
    """A perp as ``BASE/QUOTE``."""
    return None if coin is None else f"{coin}/USDC"


# -- the frames of each event -------------------------------------------------------------------------------------


def _nothing(_: Agent, __: Document) -> list[Frame]:
    return []


def _put(kept: OrderedDict[str, Any], key: str | None, value: Any) -> None:
    if key is not None:
        kept[key] = value
        if len(kept) > KEPT:
            kept.popitem(last=False)


def _signal(agent: Agent, document: Document) -> list[Frame]:
    """``ActionReceived``, ``ActionTaken``: remembered, for a refusal names no coin."""
    _put(agent.coins, document["key"], document["data"].get("coin") or document["data"].get("symbol"))
    return []


def _judged(agent: Agent, document: Document) -> list[Frame]:
    """``EntryJudged``: remembered, for a refusal names no rule; the exchange's own limits are none."""
    words = [word for word in document["data"]["verdicts"] if word["outcome"] == "refuse" and word["rule"] != VENUE]
    _put(agent.vetoes, document["key"], {word["reason"]: word["rule"] for word in words})
    return []


def _read(agent: Agent, document: Document) -> list[Frame]:
    """``AccountRead``: a snapshot, the first of its window."""
    at_ms, before_ms = _ms(document["at"]), agent.curve.newest_ms
    sample = agent.curve.add(at_ms, Decimal(document["data"]["fact"]["equity_usd"]))
    if at_ms // SNAPSHOT_MS == before_ms // SNAPSHOT_MS:
        return []
    used = _fall(agent.curve.day_start, sample.equity)
    return [{"event": "snapshot", **equity_row(agent, sample), "daily_dd_used": used}]


def equity_row(agent: Agent, sample: Sample) -> Frame:
    """One row of ``/equity``: money in USD, the drawdown a fraction of the highest."""
    dd = sample.dd_from_peak
    return {"ts": iso(sample.at_ms), "equity": sample.equity, "phase": agent.phase, "dd_from_peak": dd}


def _filled(agent: Agent, document: Document) -> list[Frame]:
    """``FillSeen``: a trade, whoever placed its order. ``size`` is in the quote currency, as Halyrd's is.

    Halyrd trades spot, we do not: ``reduce_only`` says whether a trade, a buy too, only closes.
    """
    fill = document["data"]["fill"]
    size, px, start = Decimal(fill["size"]), Decimal(fill["px"]), Decimal(fill["start_position"])
    moved = size if fill["side"] == "buy" else -size
    closes = start * moved < 0
    trade = {
        "event": "trade",
        "ts": iso(fill["at_ms"]),
        "pair": pair_of(fill["coin"]),
        "side": fill["side"],
        "size": size * px,
        "price": px,
        "pnl": Decimal(fill["closed_pnl_usd"]) if closes else None,
        "fees": Decimal(fill["fee_usd"]),
        "phase": agent.phase,
        "journal_ref": journal_ref(document["seq"]),
        "reduce_only": closes and abs(moved) <= abs(start),
        "base_size": size,
        "order_ref": document["key"],
        "hold_time_s": _held_s(agent, fill, start, start + moved, closes=closes),
    }
    return [trade]


def _held_s(agent: Agent, fill: Document, start: Decimal, after: Decimal, *, closes: bool) -> Decimal | None:
    """How long what is closed was held, where its opening was seen."""
    coin, at_ms = fill["coin"], fill["at_ms"]
    opened_ms = agent.opened_ms.get(coin)
    if start == 0 or start * after < 0:
        agent.opened_ms[coin] = at_ms
    elif after == 0:
        agent.opened_ms.pop(coin, None)
    return Decimal(at_ms - opened_ms) / 1000 if closes and opened_ms is not None else None


def _doubted(_: Agent, document: Document) -> list[Frame]:
    """``QuoteRejected``: the quote an entry would have been priced with."""
    data = document["data"]
    word = {"reason": QUOTES.get(data["reason"], data["reason"]), "code": data["reason"], "detail": data["detail"]}
    told = {"ts": document["at"], "pair": pair_of(data["coin"]), **word, "order_ref": document["key"]}
    return [{"event": "quote_rejected", **told, "journal_ref": journal_ref(document["seq"])}]


def _refused(agent: Agent, document: Document) -> list[Frame]:
    """``ActionRefused``: a veto where a rule said no."""
    data, key = document["data"], document["key"]
    rule = agent.vetoes.get(key or "", {}).get(data["reason"])
    if rule is None:
        return []
    told = {"ts": document["at"], "journal_ref": journal_ref(document["seq"])}
    return [{"event": "risk_veto", **told, **_block(rule, data["reason"], data["detail"], key)}]


def _unsigned(_: Agent, document: Document) -> list[Frame]:
    """``SignerRefused``: our signer's boundary is what Halyrd's wallet is to it."""
    data = document["data"]
    reference = document["key"] or next(iter(data["cloids"]), None)
    told = {"ts": document["at"], "journal_ref": journal_ref(document["seq"])}
    return [{"event": "twak_block", **told, **_block(data["rule"], data["reason"], data["text"], reference)}]


def _block(rule: str, code: str, detail: str, order_ref: str | None) -> Frame:
    return {"rule": RULES.get(rule, rule), "reason": detail or code, "code": code, "order_ref": order_ref}


def _flattening(agent: Agent, document: Document) -> list[Frame]:
    return _status(agent, document, flattened=True)


def _resumed(agent: Agent, document: Document) -> list[Frame]:
    return _status(agent, document, flattened=False)


def _status(agent: Agent, document: Document, *, flattened: bool) -> list[Frame]:
    was, agent.flattened = agent.status, flattened
    if agent.status == was:
        return []
    told = {"ts": document["at"], "from": was, "to": agent.status, "journal_ref": journal_ref(document["seq"])}
    return [{"event": "status_change", **told}]


_TELLERS: Mapping[str, Callable[[Agent, Document], list[Frame]]] = {
    "ActionReceived": _signal,
    "ActionTaken": _signal,
    "EntryJudged": _judged,
    "AccountRead": _read,
    "FillSeen": _filled,
    "QuoteRejected": _doubted,
    "ActionRefused": _refused,
    "SignerRefused": _unsigned,
    "FlattenStarted": _flattening,
    "Resumed": _resumed,
}


# -- words and times ----------------------------------------------------------------------------------------------


def _text(document: Document, told: list[Frame]) -> str:
    """A line for people."""
    data = document["data"]
    if "fill" in data:
        return f"{data['fill']['side']} {data['fill']['size']} {data['fill']['coin']} at {data['fill']['px']}"
    for frame in told:
        if frame["event"] == "status_change":
            return f"{frame['from']} to {frame['to']}, by {data.get('by', '')}"
    words = [str(data[name]) for name in ("reason", "code", *_TEXTS) if data.get(name)]
    return ": ".join(words) or document["kind"]


def _trade_ts(document: Document) -> str | None:
    """An execution's entry bears the execution's own time, as its trade does."""
    return iso(document["data"]["fill"]["at_ms"]) if document["kind"] == "FillSeen" else None


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
