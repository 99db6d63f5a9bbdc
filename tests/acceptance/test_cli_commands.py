"""The command as a user runs it, in an empty folder, with no worker and no network."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import forked
import pytest

from executor import plugins
from executor.app.compose import open_ledger
from executor.app.identity import traders
from executor.clock import SystemClock
from executor.config import load
from executor.core import events as ev
from executor.sources.replay import ReplayOptions

EXECUTOR = (str(Path(sys.executable).with_name("executor")),)
MODULE = (sys.executable, "-m", "executor")
KEYS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
LISTS = ("actions", "orders", "positions", "journal")

LIVE = """
version: 1
mode: live
sources: [{name: fractrade, type: fractrade, agents: [a], server_execution: execute}]
accounts: [{name: main, address: "0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"}]
hyperliquid: {network: custom, api_url: "http://127.0.0.1:1"}
risk:
  - {rule: max_order_notional, max_usd: 1}
  - {rule: max_position_notional, max_usd: 1}
  - {rule: daily_loss, max_usd: 1}
protection: {policy: alert, require: signalled}
"""


@pytest.fixture
def cli(tmp_path):
    """Runs the command in a folder of its own and hands back the finished process.

    With a ``command`` it is started by ``exec``, else it may be forked from one that has started.
    """
    usual = {name: value for name, value in os.environ.items() if not name.startswith("EXECUTOR") and name not in KEYS}
    environ = {**usual, "HOME": str(tmp_path), "EXECUTOR_LOCK_DIR": str(tmp_path / "locks")}

    def run(*args, code=0, command=None, **changed):
        env = {**environ, **changed}
        if command is None:
            done = forked.run(args, env=env, cwd=tmp_path)
        else:
            words, nothing = [*command, *args], subprocess.DEVNULL
            done = subprocess.run(
                words, cwd=tmp_path, env=env, capture_output=True, text=True, stdin=nothing, timeout=30, check=False
            )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    run.folder, run.environ = tmp_path, environ
    return run


# -- help -------------------------------------------------------------------------------------------------------


def children_cpu_s():
    """What the processes that ended have used of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_quick(cli):
    assert "Usage:" in cli("--help", command=EXECUTOR).stdout
    before = children_cpu_s()
    cli("--help", command=EXECUTOR)
    assert children_cpu_s() - before < 2  # 0.3 s; of the processor, so that it is the same on a busy machine


def test_what_reads_the_ledger_loads_nothing_that_could_trade(cli):
    cli("init")
    code = (
        "import sys; from executor.cli.main import app\n"
        "try: app(['actions', '--json'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'aiohttp', 'hyperliquid', 'coincurve', 'executor.app'} & set(sys.modules)))"
    )
    cli("-c", code, command=(sys.executable,))


def test_the_version_is_said(cli):
    assert cli("--version", command=EXECUTOR).stdout.startswith("executor 0.")


def test_a_module_in_the_current_folder_shadows_nothing(cli):
    (cli.folder / "strategies.py").write_text("raise SystemExit('shadowed')")
    cli("init")
    assert "valid" in cli("config", "validate", command=MODULE).stdout
    assert "valid" in cli("config", "validate", command=EXECUTOR).stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_output_without_room_is_said_in_two_lines(tmp_path):
    with Path("/dev/full").open("wb") as full:
        words = [*EXECUTOR, "plugins", "list", "--json"]
        done = subprocess.run(words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: the output cannot be written")
    assert done.stderr.count(b"\n") == 2


# -- usage and configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [("nonsense",), ("run", "--nonsense"), ("explain",), ("actions", "--limit", "0"), ("replay", "no-such-file")],
)
def test_a_wrong_use_ends_with_2(cli, args):
    cli("init")
    assert cli(*args, code=2).stderr


def test_a_plugin_that_could_not_be_imported_by_its_name_is_not_begun(cli):
    for name in ("class", "signal"):
        assert "no name for a plugin" in cli("init", "--plugin", name, code=2).stderr
        assert not (cli.folder / name).exists()


def test_init_writes_a_configuration_that_is_valid_and_keeps_what_is_there(cli):
    cli("init", "new/folder")
    assert (cli.folder / "new/folder/.env.example").exists()
    told = json.loads(cli("config", "validate", "-c", "new/folder/config.yaml", "--json").stdout)
    unheard = "sources.fractrade: it has no channel to listen to: `executor run` refuses that"
    assert told == {"valid": True, "path": "new/folder/config.yaml", "mode": "dry_run", "warnings": [unheard]}
    (cli.folder / "new/folder/config.yaml").write_text("mine")
    assert "--force" in cli("init", "new/folder", code=2).stderr
    assert (cli.folder / "new/folder/config.yaml").read_text() == "mine"
    cli("init", "new/folder", "--force")
    cli("config", "validate", "-c", "new/folder/config.yaml")


SHRINK = """
version: 1
sources: [{name: past, type: replay, path: past.jsonl}]
paper: {feed: tape}
server: {port: 0}
risk:
  - {rule: max_order_notional, max_usd: 1, on_breach: shrink}
  - {rule: max_position_notional, max_usd: 1, on_breach: shrink}
  - {rule: max_gross_exposure, max_usd: 1, on_breach: shrink}
  - {rule: max_leverage, max: 1, on_breach: shrink}
  - {rule: max_open_positions, max: 1, on_breach: shrink}
  - {rule: require_stop, on_breach: shrink}
  - {rule: symbols, deny: [BTC], on_breach: shrink}
  - {rule: sides, allow: [long], on_breach: shrink}
  - {rule: cooldown, per_symbol_s: 1, on_breach: shrink}
  - {rule: order_rate, max: 1, per_s: 1, on_breach: shrink}
  - {rule: daily_loss, max_usd: 1, on_breach: shrink}
  - {rule: kill_file, path: stop, on_breach: shrink}
"""
REFUSE_ONLY = (
    "max_open_positions", "require_stop", "symbols", "sides", "cooldown", "order_rate", "daily_loss", "kill_file",
)  # fmt: skip


def test_every_rule_takes_shrink_and_those_that_can_only_refuse_say_so(cli):
    """In ``config validate``, in ``doctor`` and as a worker starts: one line for each rule, one for the old frames."""
    (cli.folder / "config.yaml").write_text(SHRINK)
    (cli.folder / "past.jsonl").touch()
    wanted = [f"sources.past: {ReplayOptions.caution}"]
    wanted += [f"risk.{name}: can only refuse: a smaller order would breach it as well" for name in REFUSE_ONLY]
    assert json.loads(cli("config", "validate", "--json").stdout)["warnings"] == wanted
    lines = cli("config", "validate", COLUMNS="200").stdout.splitlines()
    assert lines[:-1] == [f"warning: {warning}" for warning in wanted]
    checks = json.loads(cli("doctor", "--json").stdout)["checks"]
    assert [check["text"] for check in checks if check["level"] == "warn" and check["name"] == "config"] == wanted
    said = cli("run", "--duration", "0.2", "--set", "logging.format=json").stderr
    logged = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in logged if line.get("action") == "config"] == wanted


@pytest.mark.parametrize("parts", [(11,), (6, 6)], ids=["one source", "two of one user"])
def test_more_connections_than_fractrade_gives_a_user_are_an_error_before_anything_runs(cli, parts):
    agents = [[f"a{n}" for n in range(part)] for part in parts]
    sources = [{"name": f"f{n}", "type": "fractrade", "agents": some} for n, some in enumerate(agents)]
    (cli.folder / "config.yaml").write_text(json.dumps({"version": 1, "sources": sources}))
    for words in (("config", "validate"), ("run", "--duration", "1")):
        said = cli(*words, code=2).stderr
        assert f"{sum(parts)} connections" in said
        assert all(f"f{n}" in said for n in range(len(parts)))


def test_an_unknown_key_is_an_error_that_knows_what_was_meant(cli):
    (cli.folder / "config.yaml").write_text("version: 1\nledgr: {}\n")
    said = cli("config", "validate", code=2).stderr
    assert "ledgr" in said
    assert "did you mean 'ledger'?" in said
    assert "remedy:" in said


def test_an_invalid_configuration_is_also_told_to_programs(cli):
    (cli.folder / "config.yaml").write_text("version: 7\n")
    told = json.loads(cli("config", "validate", "--json", code=2).stdout)
    assert told["valid"] is False
    assert told["error"]


def test_a_missing_configuration_says_how_to_write_one(cli):
    assert "executor init" in cli("status", code=2).stderr


def test_config_show_says_where_values_come_from_and_masks_secrets(cli):
    cli("init")
    done = cli("config", "show", "--json", "--set", "paper.equity_usd=5", EXECUTOR__LEDGER__DURABILITY="normal")
    told = json.loads(done.stdout)
    assert told["paper"]["equity_usd"] == {"value": "5", "from": "--set paper.equity_usd"}
    assert told["ledger"]["durability"]["from"] == "environment: EXECUTOR__LEDGER__DURABILITY"
    assert "config.yaml:" in cli("config", "show").stdout
    said = cli("config", "show", "--set", "sources.fractrade.url=wss://user:canary@host").stdout
    assert "canary" not in said


def test_the_schema_and_the_plugins_are_documents(cli):
    assert json.loads(cli("config", "schema").stdout)["properties"]["mode"]
    assert cli("config", "schema", "--set", "mode=live").stdout == cli("config", "schema").stdout
    names = {plugin["name"] for plugin in json.loads(cli("plugins", "list", "--json").stdout)["plugins"]}
    assert {"fractrade", "follow", "max_leverage"} <= names
    assert "fractrade" in cli("plugins", "list").stdout


# -- without a ledger -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", LISTS)
def test_a_ledger_that_was_never_begun_is_empty_to_programs_and_explained_to_people(cli, command):
    cli("init")
    assert json.loads(cli(command, "--json").stdout) == {command: []}
    assert "there is no ledger" in cli(command, code=1).stderr
    assert not (cli.folder / "var").exists()


@pytest.mark.parametrize("args", [("status",), ("status", "--json"), ("explain", "x"), ("export-frames",)])
def test_without_a_ledger_the_rest_says_how_to_begin_one(cli, args):
    cli("init")
    done = cli(*args, code=1)
    assert "remedy: start the worker once" in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_no_ledger_is_an_error_and_no_crash(cli):
    cli("init")
    (cli.folder / "var").mkdir()
    (cli.folder / "var/dry_run.db").write_bytes(b"not a database at all, but long enough to be read" * 50)
    assert "remedy:" in cli("actions", code=1).stderr


@pytest.mark.parametrize(
    "args",
    [
        *((name, "--limit", "9" * 20) for name in ("actions", "orders", "journal")),
        ("export-frames", "--after", "9" * 20),
        ("paper-exchange", "--latency-ms", "9" * 20),
    ],
)
def test_a_number_beyond_all_reason_is_a_usage_error_and_no_damage(cli, args):
    cli("init")
    cli("pause")
    assert args[1] in cli(*args, code=2).stderr


def test_a_kind_of_event_there_is_not_is_a_usage_error(cli):
    cli("init")
    cli("pause")
    assert "did you mean 'FillSeen'?" in cli("journal", "--kind", "FilSeen", code=2).stderr
    assert "did you mean 'FillSeen'?" in cli("journal", "--kind", "fillseen", "--json", code=2).stderr
    assert json.loads(cli("journal", "--kind", "Paused", "--json").stdout)["journal"]
    assert json.loads(cli("journal", "--kind", "FillSeen", "--json").stdout) == {"journal": []}


def test_an_unknown_account_is_a_usage_error(cli):
    cli("init")
    assert "did you mean 'main'?" in cli("actions", "--json", "--account", "mian", code=2).stderr
    assert "did you mean 'main'?" in cli("pause", "--account", "mian", code=2).stderr


# -- run and commands -------------------------------------------------------------------------------------------


def test_live_takes_two_yeses(cli):
    cli("init")
    assert "--live" in cli("run", "--live", code=2).stderr
    (cli.folder / "config.yaml").write_text(LIVE)
    said = cli("run", code=2).stderr
    assert "executor run --live" in said
    assert "remedy:" in said


def test_a_source_that_listens_to_nothing_is_an_error_that_suggests_the_demo(cli):
    cli("init")
    assert "executor demo" in cli("run", code=2).stderr


def test_a_missing_secret_is_an_error_with_the_remedy(cli):
    (cli.folder / "config.yaml").write_text(LIVE)
    assert "HYPERLIQUID_PRIVATE_KEY" in cli("run", "--live", code=2).stderr


def test_flatten_asks_and_where_nobody_can_be_asked_wants_yes(cli):
    cli("init")
    assert "--yes" in cli("flatten", code=2).stderr


def test_commands_are_written_down_where_no_worker_runs(cli):
    cli("init")
    told = json.loads(cli("pause", "--json").stdout)
    assert (told["command"], told["accounts"], told["worker"]) == ("pause", ["main"], False)
    assert json.loads(cli("status", "--json").stdout)["accounts"][0]["paused"] is True
    assert "paused" in cli("status").stdout
    assert "resume" in cli("resume").stdout
    assert json.loads(cli("status", "--json").stdout)["accounts"][0]["paused"] is False
    kinds = [row["kind"] for row in json.loads(cli("journal", "--json", "--limit", "2").stdout)["journal"]]
    assert kinds == ["Resumed", "Paused"]
    assert stat.S_IMODE((cli.folder / "var/dry_run.db").stat().st_mode) == 0o600


def test_only_a_breaker_there_is_can_be_reset(cli):
    cli("init")
    assert "did you mean 'daily_loss'?" in cli("reset", "daly_loss", code=2).stderr
    assert "no breaker" in cli("reset", "max_position_notional", code=2).stderr, "a rule that never latches"
    assert not (cli.folder / "var").exists()
    for rule in ("daily_loss", "signer_conflict"):
        assert json.loads(cli("reset", rule, "--json").stdout)["effect"] == "the breaker is reset"


def test_a_breaker_that_fired_can_be_reset_after_its_rule_was_taken_out(cli):
    cli("init")
    cli("pause")
    found = load(cli.folder / "config.yaml", (), {}, plugins)
    fired = ev.BreakerLatched(at_ms=1, account="main", rule="of_old", value="2", limit="1")
    ledger = open_ledger(found, traders(found), SystemClock())
    ledger.commit([], [fired])
    ledger.close(clean=True)
    assert "no breaker" in cli("reset", "of_odl", code=2).stderr
    cli("reset", "of_old")
    assert json.loads(cli("status", "--json").stdout)["accounts"][0]["breakers"] == []


# -- colours ----------------------------------------------------------------------------------------------------


def on_a_terminal(cli, *args, **changed):
    """What the command writes to a terminal."""
    main, side = pty.openpty()
    environ = {**cli.environ, "TERM": "xterm-256color", **changed}
    process = subprocess.Popen([*EXECUTOR, *args], cwd=cli.folder, env=environ, stdin=side, stdout=side, stderr=side)
    os.close(side)
    said = b""
    try:
        while chunk := os.read(main, 65536):
            said += chunk
    except OSError:  # how a pseudo terminal says that nobody writes any more
        pass
    finally:
        os.close(main)
        process.wait(timeout=20)
    return said.decode()


def test_colours_are_for_terminals_and_for_those_who_want_them(cli):
    cli("init")
    assert "\x1b[" in on_a_terminal(cli, "plugins", "list")
    assert "\x1b[" not in on_a_terminal(cli, "plugins", "list", NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(cli, "status", NO_COLOR="1")
    assert "\x1b[" not in cli("plugins", "list").stdout


def test_a_character_set_that_lacks_a_sign_is_no_crash(cli):
    cli("init")
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    cli("doctor", "--set", "paper.feed=tape", code=1, command=EXECUTOR, **env)


# -- servers ----------------------------------------------------------------------------------------------------

FUNDED = "0x" + "1" * 40


def served(cli, *args):
    """The process, and the first lines it says until one has an address in it."""
    process = subprocess.Popen(
        [*EXECUTOR, *args],
        cwd=cli.folder,
        env={**cli.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = ""
    while "127.0.0.1:" not in lines and (line := process.stdout.readline()):
        lines += line
    return process, lines


def test_the_paper_exchange_serves_any_client_without_a_configuration(cli):
    process, lines = served(cli, "paper-exchange", "--fund", f"{FUNDED}=1234")
    try:
        url = lines.split()[-1]
        body = json.dumps({"type": "clearinghouseState", "user": FUNDED}).encode()
        request = Request(url + "/info", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            assert float(json.load(answer)["marginSummary"]["accountValue"]) == 1234
        mids = Request(url + "/info", b'{"type": "allMids"}', {"Content-Type": "application/json"})
        with urlopen(mids, timeout=10) as answer:
            assert {"BTC", "ETH", "SOL"} <= set(json.load(answer))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
        assert FUNDED in process.stdout.read()
    finally:
        process.kill()
        process.stdout.close()


def test_the_simulator_serves_and_ends_in_order(cli):
    process, lines = served(cli, "sim", "fractrade")
    try:
        assert "ws://127.0.0.1:" in lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
        assert "sim-key" in process.stdout.read()
    finally:
        process.kill()
        process.stdout.close()


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("paper-exchange",), ()),
        (("sim", "fractrade"), ("agents", "api_key", "api_secret", "user_token")),
        (("sim", "nexgent"), ("agents", "access_token", "email", "password")),
        (("sim", "halyrd"), ("agents",)),
        (("sim", "tradeready"), ("api_key",)),
    ],
)
def test_programs_are_told_in_one_line_where_a_server_is_and_what_it_takes(cli, words, keys):
    """One document, nothing before it and nothing behind; what is said to people goes to stderr."""
    process, line = served(cli, *words, "--json")
    try:
        told = json.loads(line)
        assert sorted(told) == sorted(("url", "ws_url", *keys))
        assert all(told.values())
        with socket.create_connection(("127.0.0.1", int(told["url"].rpartition(":")[2])), timeout=10):
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.stdout.close()


def test_a_state_that_cannot_be_kept_is_not_the_ports_fault(cli):
    said = cli("paper-exchange", "--state", "/proc/x/y.db", code=1).stderr
    assert "/proc/x/y.db" in said
    assert "--port" not in said


def test_a_server_that_cannot_serve_says_why(cli):
    (cli.folder / "junk").write_text("junk")
    assert "remedy:" in cli("paper-exchange", "--tape", "junk", code=2).stderr
    assert "remedy:" in cli("paper-exchange", "--fund", "x=1", code=2).stderr
    assert "remedy:" in cli("sim", "fractrade", "--script", "junk", code=2).stderr
    process, lines = served(cli, "paper-exchange")
    try:
        port = lines.split()[-1].rpartition(":")[2]
        assert "choose another --port" in cli("paper-exchange", "--port", port, code=1).stderr
        assert "choose another --port" in cli("sim", "fractrade", "--port", port, code=1).stderr
        cli("init")
        listens = ("--set", "sources.fractrade.agents=[x]", "--set", "server.enabled=false", "--set", "paper.feed=tape")
        assert "paper.port" in cli("run", *listens, "--set", f"paper.port={port}", code=1).stderr
    finally:
        process.terminate()
        process.wait(timeout=15)
        process.stdout.close()
