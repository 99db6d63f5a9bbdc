"""Writes the parts of the documentation that follow from the code, between their marks; see ``scripts/docs``.

A page says ``<!-- from the code: NAME -->`` and ``<!-- until here -->``; what stands between is one of ``PARTS``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.main import get_command

from executor import plugins
from executor.app.webhook import WebhookNotifier
from executor.cli.main import app
from executor.cli.reasons import ALSO_ALARMS, ORIGINS
from executor.cli.skeleton import files
from executor.config import config_template, models
from executor.core.events import KINDS
from executor.core.lifecycle import mermaid
from executor.sources.fractrade import FractradeOptions
from executor.sources.halyrd import HalyrdOptions
from executor.sources.nexgent import NexgentOptions
from executor.sources.replay import ReplaySource
from executor.sources.tradeready import TradeReadyOptions
from strategies.breakout import Breakout
from strategies.halyrd_copy import HalyrdCopy
from strategies.inverse import Inverse
from strategies.nexgent_mirror import NexgentMirror
from strategies.scaled import Scaled
from strategies.tradeready_copy import TradeReadyCopy

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"(<!-- from the code: ([\w/.]+) -->\n).*?(<!-- until here -->)", re.DOTALL)
HIDDEN = ("raw", "options", "secrets")

BLOCKS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", models.Config),
    ("sources[]", models.Source),
    ("sources[]", FractradeOptions),
    ("sources[] of type nexgent:", NexgentOptions),
    ("sources[] of type halyrd:", HalyrdOptions),
    ("sources[] of type tradeready:", TradeReadyOptions),
    ("sources[] of type replay:", ReplaySource.Options),
    ("accounts[]", models.Account),
    ("accounts[].signer_policy", models.SignerPolicy),
    ("routes[]", models.Route),
    ("routes[].precedence", models.Precedence),
    ("routes[].with of scaled:", Scaled.Options),
    ("routes[].with of inverse:", Inverse.Options),
    ("routes[].with of breakout:", Breakout.Options),
    ("routes[].with of nexgent_mirror:", NexgentMirror.Options),
    ("routes[].with of halyrd_copy:", HalyrdCopy.Options),
    ("routes[].with of tradeready_copy:", TradeReadyCopy.Options),
    ("hyperliquid", models.Hyperliquid),
    ("risk[]", models.Rule),
    ("execution", models.Execution),
    ("execution.quote_check", models.QuoteCheck),
    ("protection", models.Protection),
    ("paper", models.Paper),
    ("ledger", models.Ledger),
    ("server", models.Server),
    ("logging", models.Logging),
    ("heartbeat", models.Heartbeat),
    ("notify[]", models.Notify),
    ("notify[] of type webhook:", WebhookNotifier.Options),
)
"""Every block of the configuration with the model that judges it."""

WORDS = {
    "version": "the version of this file's form",
    "sources[].name": "what routes and records call it",
    "sources[].api_key_env": "agent channels; also the user channel without a token",
    "sources[].api_secret_env": "belongs to the key",
    "sources[] of type replay: path": "recorded frames, JSON lines, of `executor export-frames`; old entries are STALE",
    "sources[] of type replay: speed": "times the recorded pace; 0: without pauses",
    "accounts[].name": "what routes, commands and records call it",
    "accounts[].signer_file": "the same, from a file",
    "accounts[].signer_cmd": "the same, printed by a command",
    "routes[].source": "a source's name",
    "routes[].accounts": "accounts by name; each gets every action of the route",
    "routes[].precedence.leverage": "inherit: the signal's; override: the strategy's; only_if_missing: as named",
    "routes[].precedence.size": "the same for the size; a sender's action always has one",
    "routes[].precedence.stop": "the same for stops: those the agent set, or those the strategy adds",
    "routes[].precedence.target": "the same for targets",
    "routes[].with of scaled: multiplier": "times the agent's size",
    "routes[].with of scaled: notional_usd": "US dollars per entry",
    "routes[].with of scaled: equity_pct": "percent of the account's equity per entry, as notional",
    "routes[].with of scaled: risk_pct": "percent of equity an entry loses when its stop fires; needs stop_pct",
    "routes[].with of scaled: stop_pct": "percent from the price: each entry goes out with this stop",
    "routes[].with of scaled: leverage": "in place of the action's own",
    "routes[].with of inverse: multiplier": "times the agent's size",
    "routes[].with of inverse: leverage": "in place of the action's own",
    "routes[].with of breakout: coin": "what is traded, by the venue's name",
    "routes[].with of breakout: interval": "the source's candles that count",
    "routes[].with of nexgent_mirror: symbols": "perps by mint or symbol: `BONK: kBONK`, `{coin: kBONK, units: 1000}`",
    "routes[].with of nexgent_mirror: multiplier": "times the agent's own size",
    "routes[].with of nexgent_mirror: notional_usd": "US dollars for the first purchase; more and less in proportion",
    "routes[].with of nexgent_mirror: equity_pct": "the same, as percent of the account's equity",
    "routes[].with of nexgent_mirror: leverage": "the leverage of entries; null: the account's default",
    "routes[].with of nexgent_mirror: follow_stop": "keep a stop where the agent's stop percentage puts it",
    "sources[] of type nexgent: url": "the server, http(s); socket and REST are on one port",
    "sources[] of type nexgent: agents": "agent ids: one socket each, and only one client an agent",
    "sources[] of type nexgent: wallets": "positions of these wallets alone; empty: of all the agent's",
    "sources[] of type nexgent: access_token_env": "a JWT; needs renewing every 15 minutes",
    "sources[] of type nexgent: refresh_token_env": "renews the access token before each connection",
    "sources[] of type nexgent: email_env": "logs in where no token is good any more, with password",
    "sources[] of type nexgent: password_env": "as email_env",
    "sources[] of type nexgent: reconnect_interval_s": "the first pause; each is 1.5 times the one before",
    "sources[] of type nexgent: max_reconnect_attempts": "after so many, one attempt follows every reconnect_rest_s",
    "sources[] of type nexgent: reconnect_rest_s": "the longest pause of an outage",
    "sources[] of type nexgent: taken_over_pause_s": "the pause after another client took the agent's connection",
    "sources[] of type nexgent: ping_silence_s": "so long without a server ping: the socket is mute, and opened anew",
    "sources[] of type nexgent: rest_poll_s": "how often positions are read by REST where the socket cannot tell",
    "sources[] of type nexgent: mark_every_s": "how often prices alone are worth a row in the journal",
    "sources[] of type halyrd: url": "the server, http(s) or ws(s); socket and REST are on one port",
    "sources[] of type halyrd: agents": "one socket each; current: the one running agent",
    "sources[] of type halyrd: label": "goes before the agents' ids (`label:current`), to tell two Halyrds apart",
    "sources[] of type halyrd: poll_s": "how often REST is read while the socket is down",
    "sources[] of type halyrd: after_gap": "as for fractrade",
    "sources[] of type tradeready: url": "the server, ws(s) or http(s); socket and REST are on one port",
    "sources[] of type tradeready: api_key_env": "the account's or the agent's key",
    "sources[] of type tradeready: tickers": "symbols like `BTCUSDT`, or `all`",
    "sources[] of type tradeready: candles": "`BTCUSDT:1m`; the server is known to have 1m, 5m, 1h and 1d",
    "sources[] of type tradeready: orders": "the orders of all its agents: filled ones are trades a strategy may copy",
    "sources[] of type tradeready: portfolio": "what the account is worth",
    "sources[] of type tradeready: agent": "what routes call the account; two sources need two names",
    "sources[] of type tradeready: poll_s": "how often orders are asked for; portfolio and candles every fifth time",
    "sources[] of type tradeready: ticker_ms": "pause between two hand-overs of the newest prices of the whole market",
    "sources[] of type tradeready: live_candles": "also candles that still move",
    "sources[] of type tradeready: after_gap": "as for fractrade",
    "routes[].with of halyrd_copy: multiplier": "times what was traded; 1 where no size is given",
    "routes[].with of halyrd_copy: notional_usd": "US dollars per entry",
    "routes[].with of halyrd_copy: equity_pct": "percent of the account's equity per entry, as notional",
    "routes[].with of halyrd_copy: leverage": "the leverage of entries; null: the account's default",
    "routes[].with of halyrd_copy: stop_pct": "percent below the price: each entry goes out with this stop",
    "routes[].with of halyrd_copy: symbols": "perps by symbol, where the names differ: `PEPE/USDT: kPEPE`",
    "routes[].with of halyrd_copy: flat_within_pct": "a sell that leaves less of what was copied closes it all",
    "routes[].with of tradeready_copy: multiplier": "times what was traded; 1 where no size is given",
    "routes[].with of tradeready_copy: notional_usd": "US dollars per entry",
    "routes[].with of tradeready_copy: equity_pct": "percent of the account's equity per entry, as notional",
    "routes[].with of tradeready_copy: leverage": "the leverage of entries; null: the account's default",
    "routes[].with of tradeready_copy: stop_pct": "percent below the price: each entry goes out with this stop",
    "routes[].with of tradeready_copy: symbols": "perps by symbol, where the names differ: `PEPE/USDT: kPEPE`",
    "routes[].with of tradeready_copy: flat_within_pct": "a sell that leaves less of what was copied closes it all",
    "routes[].with of halyrd_copy: phases": "entries only for trades of these phases (live, ...); empty: all",
    "routes[].with of halyrd_copy: close_on_demotion": "when its own rules flattened the agent, close what was copied",
    "routes[].with of halyrd_copy: veto_pause_s": "no entries after a risk veto; for a drawdown: until midnight UTC",
    "routes[].with of breakout: lookback": "how many candles make the channel",
    "routes[].with of breakout: notional_usd": "US dollars per entry",
    "routes[].with of breakout: stop_pct": "percent from the close: each entry goes out with this stop",
    "routes[].with of breakout: short": "whether a fall below the channel opens a short",
    "hyperliquid.network": "which exchange; custom: any server that speaks Hyperliquid",
    "risk[].rule": "a rule's name, or path/to/file.py:Class",
    "risk[].on_breach": "refuse the entry, or shrink it to the limit; a rule that cannot warns, and refuses",
    "paper.equity_usd": "US dollars the paper account starts with",
    "paper.feed": "live public market data, or a recorded tape",
    "paper.state": "the paper exchange's memory; remove it to start anew",
    "server.enabled": "whether it listens at all",
    "server.host": "where it listens; beyond loopback a token is needed for everything but probes",
    "server.port": "0: any free port",
    "server.token_file": "the same, from a file",
    "server.token_cmd": "the same, printed by a command",
    "execution.quote_check.max_divergence_bps": "how far the book may be from the price the signal names; null: off",
    "execution.quote_check.max_age_s": "an older quote is read anew, else the entry is refused; null: off",
    "execution.quote_check.min_depth_pct": "how much of the order the best level must hold, percent; null: off",
    "accounts[].signer_policy.symbols": "coins whose entries and leverage are signed; null: any",
    "accounts[].signer_policy.per_trade_cap_usd": "US dollars of one order that may add risk, by its limit price",
    "accounts[].signer_policy.daily_cap_usd": "US dollars of all of them signed since 00:00 UTC, filled or not",
    "heartbeat.url_env": "the address to GET while the worker is of use; null: none",
    "heartbeat.url_file": "the same, from a file",
    "heartbeat.url_cmd": "the same, printed by a command",
    "heartbeat.every_s": "the time between two signs of life",
    "notify[].type": "log | webhook | a plugin's name, or path/to/file.py:Class",
    "notify[].level": "the least that is told: info | warning | alarm",
    "notify[] of type webhook: url_env": "the address that each piece of news is POSTed to",
    "logging.level": "how much is said on stderr",
    "logging.format": "for people, or one JSON object a line",
}
"""What the comments of config.yaml do not say."""


# -- the configuration --------------------------------------------------------------------------------------------


def comments() -> dict[str, str]:
    """The comment beside each key of the shipped configuration, by the key's path."""
    found: dict[str, str] = {}
    block = ""
    for line in config_template().splitlines():
        top = re.match(r"(\w+):", line)
        block = top[1] if top else block
        item = re.match(r"( *(?:- )?)(\w+):[^#]*(?:\{\})?[^#]*?(?: # (.*))?$", line)
        if item and item[3]:
            lists = "[]" if block in ("sources", "accounts", "routes", "risk") else ""
            found[item[2] if top else f"{block}{lists}.{item[2]}"] = item[3].strip()
    return found


def configuration() -> str:
    """One table: every key with what it takes, its default and what it means."""
    words = {**comments(), **WORDS}
    rows = [(f"`{path}`", *cells, words[path]) for path, cells in keys()]
    return table(("key", "takes", "default", "meaning"), rows)


def keys() -> Iterator[tuple[str, tuple[str, str]]]:
    """Every key by its path, with what it takes and its default."""
    seen = set()
    for block, model in BLOCKS:
        for name, field in model.model_json_schema()["properties"].items():
            joint = "" if not block else " " if block.endswith(":") else "."
            path = f"{block}{joint}{name}"
            if name not in HIDDEN and path not in seen and not is_block(model, name):
                seen.add(path)
                required = name in model.model_json_schema().get("required", ())
                yield path, (takes(field), "" if required else default(field))


def is_block(model: type[BaseModel], name: str) -> bool:
    """Whether a key of the file's top, of an account, of a route or of the execution is a block of its own."""
    outer = {models.Account: "accounts[]", models.Route: "routes[]", models.Execution: "execution"}
    if model in outer:
        return any(block == f"{outer[model]}.{name}" for block, _ in BLOCKS)
    return model is models.Config and any(block.removesuffix("[]") == name for block, _ in BLOCKS)


def takes(field: Mapping[str, Any]) -> str:
    """The values a key takes, from its JSON Schema."""
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        kinds = [takes(kind) for kind in field["anyOf"]]
        number = [kind for kind in kinds if kind.startswith("number")]
        return " or ".join(number or kinds)
    return {"array": "list", "null": "null", "object": "mapping", "string": "text"}.get(field["type"], number_of(field))


def number_of(field: Mapping[str, Any]) -> str:
    """``number above 0, at most 86400``."""
    words = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "at most", "exclusiveMaximum": "below"}
    kind = {"integer": "whole number", "boolean": "`true` or `false`"}.get(field["type"], field["type"])
    return " ".join(
        [kind, ", ".join(f"{word} {field[name]:g}" for name, word in words.items() if name in field)]
    ).strip()


def default(field: Mapping[str, Any]) -> str:
    """The value of a key that is left out."""
    value = field.get("default")
    named = {None: "null", True: "true", False: "false"} if value is None or isinstance(value, bool) else {}
    return f"`{named.get(value, value)}`" if not isinstance(value, list | dict) else f"`{value}`".replace("'", '"')


# -- risk rules, commands, events, reasons ------------------------------------------------------------------------


def rules() -> str:
    """Every built-in rule with its options and what it does."""
    return table(("rule", "options", "on_breach", "what it does"), (rule_row(name) for name in built_in_rules()))


def built_in_rules() -> list[str]:
    """The rules this distribution registers."""
    return [p.name for p in plugins.discover("executor.risk_rules") if p.origin.startswith("fractrade-hyperliquid")]


def rule_row(name: str) -> tuple[str, ...]:
    """One rule: ``max_usd`` (number above 0) and so on."""
    rule = plugins.load("executor.risk_rules", name, ROOT)
    schema = rule.Options.model_json_schema()["properties"]
    options = [f"`{key}` ({takes(field)})" for key, field in schema.items() if key != "on_breach"]
    shrinks = "refuse or shrink" if rule.Options.can_shrink else "refuse"
    return f"`{name}`", "<br>".join(options), shrinks, summary(rule)


def summary(thing: object) -> str:
    """A docstring's first paragraph, as Markdown."""
    return inspect.cleandoc(inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")


def commands() -> str:
    """Every command and its purpose."""
    return table(("command", "does"), ((f"`{path}`", command.help) for path, command in typed()))


def typed(command: Any = None, path: str = "executor") -> Iterator[tuple[str, Any]]:
    """Every command with its path, in the order of the help."""
    command = command or get_command(app)
    for name, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from typed(inner, f"{path} {name}")
        elif not inner.hidden:
            yield f"{path} {name}", inner


def options() -> str:
    """Every command with its arguments and options."""
    return "\n\n".join(
        f"### `{path}`\n\n{command.help}\n\n{table(('takes', 'meaning'), map(option_row, command.params))}"
        for path, command in typed()
    )


def option_row(option: Any) -> tuple[str, str]:
    """``--limit N`` and what it is for."""
    name = option.metavar or option.name.upper() if option.param_type_name == "argument" else ", ".join(option.opts)
    value = f" {option.metavar}" if option.param_type_name != "argument" and option.metavar else ""
    extra = f" Default: `{option.default}`." if plain_default(option.default) else ""
    return f"`{name}{value}`", (option.help or "Show the help and end.") + extra


def plain_default(value: object) -> bool:
    """Whether a default says something."""
    return value is not None and value is not False and not callable(value)


def events() -> str:
    """Every kind of event with what it records."""
    return table(("kind", "says"), ((f"`{name}`", summary(kind)) for name, kind in sorted(KINDS.items())))


def skeleton() -> str:
    """The strategy of the package that ``executor init --plugin my_edge`` writes."""
    return f"```python\n{files('my_edge')['my_edge/strategy.py']}```"


def reasons() -> str:
    """Every reason code: where it comes from, what it means, what to do."""
    rows = [
        (f"`{code}`", origin + (", alarm" if code in ALSO_ALARMS else ""), *map(sentence, text.split(": ", 1)))
        for code, origin, text in sorted((c, o, t) for o, (_, codes) in ORIGINS.items() for c, t in codes.items())
    ]
    return table(("code", "from", "means", "what to do"), rows)


def sentence(text: str) -> str:
    """A part of a sentence as one of its own."""
    return text[0].upper() + text[1:].removesuffix(".") + "."


def origins() -> str:
    """Where codes come from."""
    return table(("from", "is"), ((f"**{name}**", told) for name, (told, _) in ORIGINS.items()))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    lines.insert(1, ("---",) * len(lines[0]))
    return "\n".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines)


PARTS: dict[str, Callable[[], str]] = {
    "skeleton": skeleton,
    "commands": commands,
    "configuration": configuration,
    "events": events,
    "lifecycle": lambda: f"```mermaid\n{mermaid()}\n```",
    "options": options,
    "origins": origins,
    "reasons": reasons,
    "rules": rules,
}


def part(name: str) -> str:
    """One generated part; a file's name stands for the file."""
    if name in PARTS:
        return PARTS[name]()
    return f"```python\n{(ROOT / name).read_text(encoding='utf-8').strip()}\n```"


def pages() -> dict[Path, str]:
    """Every page as it should be."""
    found = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    return {page: MARK.sub(_filled, page.read_text(encoding="utf-8")) for page in found}


def _filled(match: re.Match[str]) -> str:
    return f"{match[1]}{part(match[2])}\n{match[3]}"


def stale() -> dict[Path, str]:
    """The pages that differ from what the code says, with their new text."""
    return {page: text for page, text in pages().items() if text != page.read_text(encoding="utf-8")}


def main(arguments: list[str]) -> int:
    """0 when all is current or written; 1 when ``--check`` found old pages; 2 for anything else asked."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: scripts/docs [--check]\n")
        return 2
    old = stale()
    for page, text in old.items():
        if not arguments:
            page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{'old' if arguments else 'written'}: {page.relative_to(ROOT)}\n")
    if old and arguments:
        sys.stderr.write("scripts/docs writes them anew\n")
    return int(bool(old and arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
