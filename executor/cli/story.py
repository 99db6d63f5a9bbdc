"""``explain``: one action told as it happened, from the raw frame to the last fill and the deciding reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from executor.cli import words
from executor.cli.output import put
from executor.cli.reasons import meaning
from executor.cli.tables import Column, Sheet
from executor.cli.words import cell, coloured, moment

Part = Mapping[str, Any]

INDENT = 3
LONGEST_FRAME = 4_000

RULES: Sequence[Column] = (
    ("judged", lambda row: cell(row.get("judged"), "dim")),
    ("rule", lambda row: cell(row.get("rule"), "bold")),
    ("input", lambda row: cell(words.short(row.get("input")))),
    ("limit", lambda row: cell(row.get("limit"))),
    ("verdict", lambda row: coloured(row.get("verdict"))),
    ("allowed", lambda row: cell(row.get("allowed_size") or row.get("allowed_leverage"))),
    ("reason", lambda row: cell(row.get("reason"), "magenta")),
)

FILLS: Sequence[Column] = (
    ("at", lambda row: cell(_clock(row.get("at_ms")), "dim")),
    ("side", lambda row: cell(row.get("side"))),
    ("size", lambda row: cell(row.get("size"))),
    ("price", lambda row: cell(row.get("px"))),
    ("fee USD", lambda row: cell(row.get("fee_usd"))),
    ("closed PnL", lambda row: cell(row.get("closed_pnl_usd"))),
    ("oid", lambda row: cell(row.get("oid"), "dim")),
)

_LAST_WORD = {
    "executed": "done as wanted",
    "resting": "stands on the venue and waits for its price",
    "pending": "not finished yet",
    "partial": "done in part",
    "unknown": "nobody knows yet whether it happened; it is being looked up",
}

UNDECIDED = (
    "not decided yet: a running worker waits for the venue to tell the account's positions, the coin's price, or"
    " whether an earlier life executed it; `executor status` shows what cannot be read"
)

_OF_THE_ORDER = ("SIZE_BELOW_LOT", "BELOW_MIN_NOTIONAL")
"""What the venue says of the order alone: it is not asked about the proposal."""


class Story:
    """Numbered steps on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0

    def step(self, title: str, at: str | None = None) -> None:
        """Begin the next step."""
        self._number += 1
        time = Text(f"  {moment(at)}", "dim") if at else Text()
        put(
            self._console,
            Text("\n").append_text(Text.assemble((f"{self._number:>2} ", "bold cyan"), cell(title, "bold"), time)),
        )

    def say(self, *parts: RenderableType | None, indent: int = INDENT) -> None:
        """Lines or tables below the step."""
        shown = [part for part in parts if part is not None]
        put(self._console, Padding(Group(*shown), (0, 0, 0, indent), expand=False))

    def facts(self, pairs: Mapping[str, Any], indent: int = INDENT) -> None:
        """Names and values, the empty ones left out."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim")
        grid.add_column(overflow="fold")
        for name, value in pairs.items():
            if value not in (None, "", (), []):
                grid.add_row(name, value if isinstance(value, Text) else cell(value))
        self.say(grid, indent=indent)

    def title(self, text: Text) -> None:
        """A line above the steps."""
        put(self._console, text)


def tell(document: Part, console: Console) -> None:
    """Tell the whole story of an ``explain --json`` document."""
    story = Story(console)
    story.title(Text.assemble(("action ", "bold"), cell(document["action_id"] or document["key"], "bold cyan")))
    if "own" in document:
        story.step("nobody's action: the program's own doing", document["received_at"])
    else:
        _received(story, document)
    if "refused" in document:
        _malformed(story, document["refused"])
        return
    if "own" in document:
        for account in document["accounts"]:
            _account(story, account, {}, {})
        return
    if "duplicate" in document:
        _suspected(story, document["duplicate"])
        _repeats(story, document["repeats"])
        return
    _derived(story, document.get("derived"))
    _decoded(story, document["decoded"])
    _book(story, document)
    for account in document["accounts"]:
        _account(story, account, document["decoded"], document["book"])
    _repeats(story, document["repeats"])


# -- the signal -------------------------------------------------------------------------------------------------


def _received(story: Story, document: Part) -> None:
    story.step("received", document["received_at"])
    frame = document.get("frame")
    if frame is None:
        story.say(cell("its raw frame is not in the journal", "dim"))
        return
    raw = frame.get("frame", frame.get("frame_base64", ""))
    more = len(raw) - LONGEST_FRAME
    shown = raw[:LONGEST_FRAME] + (f" … and {more} more characters" if more > 0 else "")
    story.facts({"source": frame["source"], "channel": frame["channel"]})
    story.say(cell(shown, "green"))


def _malformed(story: Story, refused: Part) -> None:
    story.step("malformed: this frame is no action, and nothing was done")
    where = {"reason": _reason(refused["reason"]), "field": refused["field"], "detail": refused["detail"]}
    story.facts({**where, "agent": refused.get("agent_id")})


def _suspected(story: Story, seen: Part) -> None:
    story.step("suspected duplicate: the same trade was told before under another id; nothing was done")
    agent = f"{seen['system']} / {seen['agent_id']}" if seen["agent_id"] else None
    story.facts({"of": seen["of"] or seen["twin"], "agent": agent, "reason": _reason("SUSPECTED_DUPLICATE")})


def _derived(story: Story, told: Part | None) -> None:
    """For an action no agent sent as such: the fact and the strategy it was made of."""
    if told is None:
        return
    story.step(f"made of a {told['fact']}")
    intent = (
        None if told["intent"] is None else ", ".join(f"{k} {v}" for k, v in told["intent"].items() if v is not None)
    )
    shown = {
        "fact": told["identity"],
        "strategy": told["via"],
        "wanted": intent,
        "the source now holds": told["subject_size"],
    }
    story.facts({**shown, "strategy failed": told["failure"], "so": told["failure"] and "only what the source closed"})


def _decoded(story: Story, told: Part) -> None:
    story.step("decoded")
    shown = {
        "action": _headline(told),
        "agent": f"{told['system']} / {told['agent_id']}",
        "coin": told["coin"] or Text(f"{told['symbol']}: {told['symbol_problem']}", "magenta"),
        "leverage": told["leverage"],
        "trigger": told["trigger_px"],
        "reference price": told["reference_px"],
        "stamped": _clock(told["stamped_at_ms"]),
        "status": told["status"],
        "server_execution": told["server_execution"],
        "wire shape": told["shape"],
    }
    story.facts(shown)


def _headline(told: Part) -> str:
    """``LONG 0.01 BTC``, ``stop for LONG BTC at 90000``."""
    kind = words.action_type(told["action_type"])
    if kind == "trade":
        reduce_only = ", reduce-only" if told["reduce_only"] else ""
        return f"{words.opened(told['side'])} {words.short(told['size'])} {told['symbol']}{reduce_only}"
    return f"{kind} for {words.closed(told['side'])} {told['size']} {told['symbol']} at {told['trigger_px']}"


def _book(story: Story, document: Part) -> None:
    book, told = document["book"], document["decoded"]
    story.step("the agent's book")
    gap = "frames may have been missed since it was flat" if told["gapped"] else None
    late = "stamped before an action already seen" if told["superseded"] else None
    story.facts(
        {"before": words.position(book["before"]), "after": words.position(book["after"]), "gap": gap, "order": late}
    )


def _repeats(story: Story, repeats: Sequence[Part]) -> None:
    if not repeats:
        return
    story.step("came again: nothing was done about it")
    for repeat in repeats:
        story.say(cell(f"{moment(repeat['at'])}  {_again(repeat)} on {repeat['data'].get('channel')}"))


def _again(repeat: Part) -> str:
    if repeat["kind"] != "DuplicateSeen":
        return "conflict: same id, other content"
    own = repeat["data"].get("action_id")
    return f"suspected duplicate {own}" if own else "duplicate"


# -- one account ------------------------------------------------------------------------------------------------


def _account(story: Story, account: Part, decoded: Part, book: Part) -> None:
    story.step(f"account {words.cell(account['account']).plain}" if account["account"] else "no account")
    taken, strategy = account["taken"], account["strategy"]
    split = _split(taken, book) if taken and words.action_type(decoded["action_type"]) == "trade" else None
    story.facts({"route": account["route"], "strategy": taken and taken.get("strategy"), "split": split})
    if strategy is not None:
        story.step("the strategy's intents")
        story.facts({"strategy": strategy["strategy"], "failure": strategy["failure"]})
        story.say(*(cell(words.facts(intent)) for intent in strategy["intents"]))
    for quote in account["quotes"]:
        _doubted(story, quote)
    for judgement in account["judgements"]:
        _judged(story, judgement)
    for refusal in account["refusals"]:
        story.step(f"refused ({refusal['part']})")
        story.facts({"reason": _reason(refusal["reason"]), "detail": refusal["detail"]})
    for leg in account["legs"]:
        _leg(story, leg)
    if account["follow_ups"]:
        story.step("what followed")
        story.say(*(_follow_up(item) for item in account["follow_ups"]))
    _verdict(story, account)


def _split(taken: Part, book: Part) -> str:
    """How the action was divided into closing and opening."""
    fraction, entry = words.number(taken["exit_fraction"]), words.number(taken["entry_size"])
    leaving = f"exit: {fraction * 100:.4g} % of our position" if fraction else ""
    if fraction and _more_than_told(fraction, book):
        leaving += " (its own stops and targets had closed more of its book here)"
    opening = f"entry: {words.short(taken['entry_size'])} of the agent's size" if entry else ""
    return "; ".join(part for part in (leaving, opening) if part) or "nothing to trade"


def _more_than_told(fraction: Decimal, book: Part) -> bool:
    """Whether more leaves than the share by which the frame shrank the book: orders of the agent's had executed."""
    before, after = words.number(book["before"]), words.number(book["after"])
    return bool(before) and 0 < after / before < 1 and fraction > 1 - after / before + Decimal("0.0001")


def _doubted(story: Story, quote: Part) -> None:
    story.step("the quote was not believed")
    story.facts(
        {
            "to": f"{quote['side']} {quote['size']} {quote['coin']}",
            "bid": _level(quote["bid"], quote["bid_size"]),
            "ask": _level(quote["ask"], quote["ask_size"]),
            "the signal's price": quote["reference_px"],
            "age": f"{quote['age_ms']} ms",
            "problem": quote["detail"],
        }
    )


def _level(px: str | None, size: str | None) -> str | None:
    return px if px is None or size is None else f"{px} x {size}"


def _judged(story: Story, judgement: Part) -> None:
    story.step("risk rules")
    story.facts(
        {
            "proposed": words.short(judgement["proposed_size"]),
            "book price": judgement["touch_px"],
            "price cap": judgement["cap_px"],
            "leverage": judgement["leverage"],
        }
    )
    rules = list(_in_passes(judgement["rules"]))
    story.say(Sheet(RULES, rules) if rules else cell("no rule is configured", "yellow"))
    story.facts({"left": judgement["final_size"]})


def _in_passes(rules: Sequence[Part]) -> Iterator[Part]:
    """Each rule is asked about the proposal, then once more about the order that is left of it."""
    asked: set[str] = set()
    for rule in rules:
        again = rule["rule"] in asked or rule["reason"] in _OF_THE_ORDER
        yield {**rule, "judged": "order" if again else "proposal"}
        asked.add(rule["rule"])


def _leg(story: Story, leg: Part) -> None:
    story.step(f"order: {words.order(leg)} {leg['size']} {leg['symbol']}", leg["planned_at"])
    story.facts(
        {
            "cloid": leg["cloid"],
            "side": leg["side"] + (", reduce-only" if leg["reduce_only"] else ""),
            "limit": leg["limit_px"],
            "trigger": leg["trigger_px"],
            "attempt": leg["attempt"] or None,
        }
    )
    for sent in leg["sent"]:
        _sent(story, sent)
    for answer in leg["answers"]:
        story.say(_answer(answer))
    if leg["fills"]:
        story.say(Sheet(FILLS, leg["fills"]))
    story.say(Text.assemble("→ ", coloured(leg["outcome"]), *_because(leg["reason"])))
    story.facts({words.UNRESOLVED[name]: at for name, at in (leg.get("unresolved") or {}).items()}, indent=INDENT * 2)


def _sent(story: Story, sent: Part) -> None:
    story.say(Text.assemble((moment(sent["at"]), "dim"), "  sent ", (f"({sent['purpose']})", "dim")))
    expires = _clock(sent["expires_after_ms"])
    parts = {"signer": sent["signer"], "nonce": sent["nonce"], "expires": expires, "vault": sent["vault"]}
    story.facts({**parts, "action": cell(json.dumps(sent["action"]), "green")}, indent=INDENT * 2)
    if sent["text"]:
        story.facts({"ended": f"{sent['result']}: {sent['text']}"}, indent=INDENT * 2)


def _answer(answer: Part) -> Text:
    """One thing that became known of an order."""
    name, data = answer["kind"].removeprefix("Leg").lower(), dict(answer["data"])
    data.pop("cloid", None)
    time = (moment(answer["at"]), "dim")
    return Text.assemble(time, "  venue: ", (name, "bold"), "  ", cell(words.facts(data)))


def _follow_up(item: Part) -> Text:
    return Text.assemble(
        (moment(item["at"]), "dim"), "  ", (item["kind"], "bold"), "  ", cell(words.facts(item["data"]))
    )


def _verdict(story: Story, account: Part) -> None:
    story.step("outcome")
    if account["outcome"] == "pending" and account["taken"] is None:
        story.say(cell(f"pending: {UNDECIDED}"))
        return
    story.say(Text.assemble(coloured(account["outcome"]), *_because(account["reason"], account["outcome"])))


def _because(reason: str | None, outcome: str = "") -> list[Text]:
    if reason:
        return [Text(": "), _reason(reason)]
    return [Text(f": {_LAST_WORD[outcome]}")] if outcome in _LAST_WORD else []


def _reason(reason: str) -> Text:
    """The code and what it means."""
    plain = meaning(reason)
    return Text.assemble(cell(reason, "bold magenta"), f" — {plain}" if plain else "")


def _clock(at_ms: int | None) -> str | None:
    from executor.clock import iso

    return None if at_ms is None else iso(at_ms)
