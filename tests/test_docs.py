"""The documentation mentions everything there is. To check more, add a row to ``PROMISED``."""

import ast
import re
import shlex
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from tools import tool

from executor import api, errors, plugins
from executor.cli.reasons import MEANINGS
from executor.config import config_template, json_schema, load_text
from executor.core.events import KINDS
from executor.server.rest import ROUTES

ROOT = Path(__file__).parents[1]
BUILT_IN = "fractrade-hyperliquid-executor"


PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


def docs(pages=PAGES):
    """Everything a user reads, as one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in pages)


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def samples(language):
    """Every fenced block of a language, with where it stands."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [
        pytest.param(text, id=f"{path.name}-{i}")
        for path in PAGES
        for i, text in enumerate(fence.findall(path.read_text(encoding="utf-8")))
    ]


def generator():
    """``scripts/write_docs.py``: what the pages take from the code."""
    return tool("write_docs")


def config_keys():
    """Every key the file may have, those of the built-in sources and rules included."""
    schema = json_schema(plugins, ROOT)
    schema["$defs"].pop("SecretRef", None)  # describes no part of the file
    found = set()

    def walk(node):
        if isinstance(node, dict):
            found.update(node["properties"] if isinstance(node.get("properties"), dict) else ())
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(schema)
    return {key for key in found if not key.endswith(("_file", "_cmd"))} - {"raw", "options", "secrets"}


def commands():
    """Every command of the command line, as it is typed."""
    return {path for path, _ in generator().typed()}


def built_in(group):
    return {info.name for info in plugins.discover(group) if info.origin.startswith(BUILT_IN)}


PROMISED = {
    "config keys": config_keys,
    "commands": commands,
    "sources": lambda: built_in("executor.sources"),
    "strategies": lambda: built_in("executor.strategies"),
    "risk rules": lambda: built_in("executor.risk_rules"),
    "notifiers": lambda: built_in("executor.notifiers"),
    "plugin doors": lambda: set(plugins.GROUPS),
    "scripts": lambda: (
        {f"scripts/{file.name}" for file in (ROOT / "scripts").iterdir() if not file.suffix} - NOT_FOR_USERS
    ),
    "event kinds": lambda: set(KINDS),
    "reason codes": lambda: set(MEANINGS),
    "routes of the server": lambda: {f"{route.method} {route.path}" for route in ROUTES},
    "what plugins implement": lambda: (
        {name for name in api.__all__ if getattr(getattr(api, name), "_is_protocol", False)} - {"Emit"}
    ),
}
NOT_FOR_USERS = {"scripts/bench", "scripts/__pycache__", "scripts/make_tape"}

IN_THE_README = {
    "commands": commands,
    "risk rules": lambda: built_in("executor.risk_rules"),
    "blocks of the configuration": lambda: set(json_schema(plugins, ROOT)["properties"]),
    "pages": lambda: {path.relative_to(ROOT).as_posix() for path in PAGES[1:]} - {"docs/operations.md"},
}


@pytest.mark.parametrize("what", PROMISED)
def test_the_documentation_mentions_all(what):
    assert not unmentioned(PROMISED[what](), docs())


@pytest.mark.parametrize("what", IN_THE_README)
def test_the_readme_mentions_all(what):
    assert not unmentioned(IN_THE_README[what](), page("README.md"))


def unmentioned(words, text):
    return sorted(word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text))


def test_the_readme_tells_every_exit_code():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", page("README.md"), re.MULTILINE)}
    ours = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.ExecutorError)
    }
    assert told == ours | {0, 5, 130}


# -- what follows from the code ---------------------------------------------------------------------------------


def test_generated_parts_are_current():
    assert not [path.name for path in generator().stale()], "scripts/docs writes them anew"


def test_every_generated_part_stands_somewhere():
    marked = set(re.findall(r"<!-- from the code: ([\w/.]+) -->", docs()))
    examples = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/examples").glob("*.py")}
    assert marked == set(generator().PARTS) | examples


def test_the_configuration_page_tells_every_key_of_every_block():
    missing = unmentioned(config_keys(), page("docs/configuration.md"))
    assert not missing


def test_the_diagram_has_every_state():
    from executor.core.lifecycle import LegState

    drawn = page("docs/architecture.md").partition("stateDiagram-v2")[2].partition("```")[0]
    assert not [state for state in LegState if not re.search(rf"\b{state}\b", drawn)]


# -- reasons ----------------------------------------------------------------------------------------------------

GIVE_REASONS = ("core", "execution", "hyperliquid", "ledger", "risk", "sources")
CODE = re.compile(r"[A-Z][A-Z0-9]+(_[A-Z0-9]+)*")
NO_REASONS = {
    "ACTION", "BUY", "SELL", "LONG", "SHORT", "PENDING",  # words of the wire
    "EXECUTE_HYPERLIQUID_PERP_TRADE", "SET_HYPERLIQUID_PERP_STOP_LOSS", "SET_HYPERLIQUID_PERP_TAKE_PROFIT",
    "FRACTRADE_API_KEY", "FRACTRADE_API_SECRET", "FRACTRADE_USER_TOKEN", "EXECUTOR_LOCK_DIR", "XDG_STATE_HOME",
    "NEXGENT_ACCESS_TOKEN", "NEXGENT_REFRESH_TOKEN", "NEXGENT_EMAIL", "NEXGENT_PASSWORD", "SOL", "USD", "USDC",
    "EXECUTED", "LIVE", "DEMOTED", "QUOTE_DIVERGENCE", "QUOTE_STALE", "INSUFFICIENT_LIQUIDITY",  # Halyrd's words
    "TRADEREADY_API_KEY", "ALL", "ERROR",  # TradeReady's
    "BEGIN", "COMMIT", "ROLLBACK",  # of the database
    "UTC",  # a time zone
}  # fmt: skip


def names_of(tree):
    """What ``__all__`` lists: names, not codes."""
    lists = [
        n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"
    ]
    return {item.value for names in lists for item in names.elts}


def test_every_code_that_is_given_is_in_the_table():
    given = set()
    for package in GIVE_REASONS:
        for path in (ROOT / "executor" / package).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            given |= {text for text in texts - names_of(tree) if CODE.fullmatch(text)}
    assert len(given) > 100
    assert not {code for code in given - NO_REASONS - set(MEANINGS) if not code.startswith("SQLITE_")}


def test_every_cause_of_a_difference_is_in_the_table():
    source = (ROOT / "executor/core/reconcile.py").read_text(encoding="utf-8")
    causes = set(re.findall(r'"(\w+ (?:position|elsewhere|trade|fired|order|fill)|liquidation|expired)"', source))
    assert len(causes) == 12
    assert causes <= set(MEANINGS)


# -- samples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", samples("yaml"))
def test_every_sample_configuration_is_valid(text):
    document = yaml.safe_load(text)
    loaded = load_text(text, ROOT / "config.yaml", [], {}, plugins)
    assert loaded.config.mode == document.get("mode", "dry_run")


@pytest.mark.parametrize("text", samples("python"))
def test_every_python_sample_compiles(text):
    compile(text, "sample", "exec")


@pytest.mark.parametrize("text", samples("sh"))
def test_every_command_in_a_sample_exists_with_its_options(text):
    known = dict(generator().typed())
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["executor"]:
            path = next((p for n in (3, 2) if (p := " ".join(words[:n])) in known), None)
            assert path, line
            options = {option for param in known[path].params for option in param.opts}
            assert {word for word in words if word.startswith("--")} <= options, line
        elif words and words[0].startswith("scripts/"):
            assert (ROOT / words[0]).exists(), line


def test_every_command_named_in_a_sentence_exists():
    known = commands()
    groups = {path.rsplit(" ", 1)[0] for path in known}
    named = re.findall(r"`executor ([a-z][a-z-]*(?: [a-z]+)?)", docs())
    assert len(named) > 20
    assert not [name for name in named if not {f"executor {name}", f"executor {name.split()[0]}"} & (known | groups)]


def test_every_file_that_is_named_exists():
    text = page("docs/architecture.md") + page("docs/plugins.md") + page("docs/reasons.md")
    named = re.findall(
        r"\b((?:executor/|core/|execution/|app/|hyperliquid/|venue/|ledger/|sources/|docs/examples/)[\w/]+\.py)\b", text
    )
    assert len(named) > 20
    assert not [name for name in named if not ((ROOT / name).exists() or (ROOT / "executor" / name).exists())]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert not [link for link in links if not link.startswith("http") and not (path.parent / link).exists()]


PICTURES = {
    "demo": ("LONG", "SHORT", "stop", "target", "refused", "PnL"),
    "explain": ("received", "risk", "shrink", "cloid", "nonce", "filled"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_shown_small_and_fetches_nothing(name):
    picture = page(f"docs/{name}.svg")
    assert f"(docs/{name}.svg)" in page("README.md")
    assert len(picture.encode()) < 200_000
    assert not re.search(r"url\(\W?http|<image|<script", picture)
    assert not [word for word in PICTURES[name] if word not in picture]


# -- the examples -----------------------------------------------------------------------------------------------


def example(group, name):
    return plugins.load(group, f"docs/examples/{name}", ROOT)


def action(kind, **more):
    fields = {
        "origin": api.Origin("fractrade", "fractrade", "agent:a", 0),
        "agent": api.Agent("fractrade", "a"),
        "key": "k",
        "fingerprint": "f",
        "shape": "flat",
        "symbol": "BTC",
        "side": api.Side.BUY,
        "size": Decimal(2),
        "reduce_only": False,
    }
    return kind(**(fields | more))


def test_the_strategy_of_the_readme_halves_entries_and_leaves_stops_alone():
    half = example("executor.strategies", "half.py:Half")
    strategy = half(half.Options())
    view = api.StrategyView(0, "main", "BTC", Decimal(0), Decimal(2), Decimal(0), Decimal(1000), None)
    (intent,) = strategy.on_action(action(api.Trade, leverage=Decimal(3)), view)
    assert (intent.coin, intent.size, intent.leverage) == ("BTC", Decimal(1), Decimal(3))
    assert strategy.on_action(action(api.SetStop, trigger_px=Decimal(9)), view) == []


@pytest.mark.parametrize(("day", "outcome"), [("2026-11-20", "pass"), ("2026-11-21", "refuse"), ("2026-11-23", "pass")])
def test_the_rule_of_the_plugin_page_refuses_on_weekends(day, outcome):
    from datetime import UTC, datetime

    from executor.core.protocols import Exposure

    kind = example("executor.risk_rules", "weekend.py:NoWeekend")
    rule = kind.from_options(kind.Options())
    now_ms = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000
    exposure = Exposure(now_ms, Decimal(1), {}, {}, (), (), {}, Decimal(0), Decimal(1), (), ())
    assert rule.check(None, exposure).outcome == outcome


def test_the_contracts_keys_are_in_the_shipped_configuration():
    shown = config_template()
    top = ("version", "mode", "sources", "accounts", "routes", "hyperliquid", "risk", "execution", "protection")
    for key in (*top, "paper", "ledger", "server", "logging"):
        assert re.search(rf"^{key}:", shown, re.MULTILINE), key


def test_the_changelog_has_a_place_for_what_comes_next():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    sections = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
