import re
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from executor.config import (
    config_template,
    env_template,
    json_schema,
    load,
    load_text,
    require_channels,
    without_channel,
)
from executor.errors import ConfigError, PluginError, SecretError

KEY = "0x" + "c0ffee00" * 8


class SourceOptions(BaseModel):
    url: str = "wss://default"
    api_key_env: str | None = "DEFAULT_KEY"
    agents: tuple[str, ...] = ()
    ratio: Decimal = Decimal(1)
    tape: Path | None = None
    user_id: str | None = None
    server_execution: Literal["skip", "execute"] | None = None


class Feed:
    Options: ClassVar = SourceOptions


class Crowd:
    class Options(BaseModel):
        max_connections: ClassVar[int] = 3
        url: str = "wss://host"
        api_key_env: str | None = "KEY"
        user_token_env: str | None = "TOKEN"
        agents: tuple[str, ...] = ()

        def connections(self) -> int:
            return len(self.agents)


class Old:
    class Options(SourceOptions):
        caution: ClassVar[str] = "what it tells is old"


class Odd:
    """A stranger's source, whose options happen to be called like what we ask of ours."""

    class Options(BaseModel):
        connections: int = 2
        max_connections: int = 1
        caution: bool = True


class OddRule:
    class Options(BaseModel):
        can_shrink: str = ""
        on_breach: Literal["refuse", "shrink"] = "refuse"


class Quiet:
    """A source that takes no keys of its own kind and says nothing about them."""


class Cap:
    class Options(BaseModel):
        max_usd: Decimal = Field(gt=0)
        on_breach: Literal["refuse", "shrink"] = "refuse"


class Latch:
    class Options(BaseModel):
        can_shrink: ClassVar[bool] = False
        on_breach: Literal["refuse", "shrink"] = "refuse"


class Follow:
    class Options(BaseModel):
        multiplier: Decimal = Decimal(1)


class Bell:
    class Options(BaseModel, extra="forbid"):
        url_env: str | None = None
        times: int = 1


class Registry:
    """A plugin registry of classes at hand."""

    known: ClassVar = {
        "executor.sources": {"feed": Feed, "quiet": Quiet, "old": Old, "crowd": Crowd, "odd": Odd},
        "executor.strategies": {"follow": Follow},
        "executor.risk_rules": dict.fromkeys(
            ("max_order_notional", "max_position_notional", "max_gross_exposure", "daily_loss"), Cap
        )
        | {"latch": Latch, "silent": Quiet, "odd": OddRule},
        "executor.notifiers": {"bell": Bell},
    }
    absent: ClassVar = {"executor.sources": ("gone", "broken")}

    def names(self, group):
        return (*self.known[group], *self.absent.get(group, ()))

    def load(self, group, name, base):
        if name == "gone":
            raise PluginError("plugin 'gone' cannot be imported") from ModuleNotFoundError("x")
        if name not in self.known[group]:
            raise PluginError(f"plugin '{name}' is broken", "mend it")
        return self.known[group][name]


SMALL = """
version: 1
sources:
  - {name: one, type: feed, agents: [a]}
"""

LIVE = """
version: 1
mode: live
sources:
  - {name: one, type: feed, agents: [a], server_execution: skip}
accounts:
  - {name: main, address: "0x00000000000000000000000000000000000000Aa"}
routes:
  - {source: one, accounts: [main]}
risk:
  - {rule: max_order_notional, max_usd: 10}
  - {rule: max_position_notional, max_usd: 10}
  - {rule: daily_loss, max_usd: 10}
protection: {policy: alert, require: signalled}
"""


@pytest.fixture
def parse(tmp_path):
    def run(text=SMALL, *sets, env=None):
        return load_text(text, tmp_path / "config.yaml", sets, env or {}, Registry())

    return run


@pytest.fixture
def refused(parse):
    def run(text, *sets, env=None):
        with pytest.raises(ConfigError) as caught:
            parse(text, *sets, env=env)
        assert caught.value.exit_code == 2
        assert caught.value.remedy
        return str(caught.value)

    return run


def test_a_key_left_out_has_the_default_of_the_contract(parse):
    config = parse().config
    assert (config.mode, config.live) == ("dry_run", False)
    assert config.execution.entry_slippage_bps == Decimal(50)
    assert config.execution.reply_timeout_ms == 3000
    assert config.paper.latency_ms == 200
    assert config.server.port == 8787
    assert config.risk == ()


def test_an_empty_block_is_the_block_of_defaults(parse):
    assert parse(SMALL + "execution:\n").config.execution.order_expiry_ms == 10_000


def test_with_one_account_routes_can_be_left_out(parse):
    (route,) = parse().config.routes
    assert (route.source, route.agents, route.strategy, route.accounts) == ("one", ("*",), "follow", ("main",))
    assert route.takes("anyone")


def test_a_name_that_looks_like_a_number_is_the_same_in_the_route_that_was_left_out(parse):
    (route,) = parse("sources: [{name: 007, type: feed}]\naccounts: [{name: 1e5}]").config.routes
    assert (route.source, route.accounts) == ("007", ("1e5",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: [{type: feed}]", "sources.0.name: is missing"),
        ("sources: [{name: null, type: feed}]", "sources.0.name: must be text"),
        (SMALL + "accounts: [{signer_env: KEY}]", "accounts.0.name: is missing"),
    ],
)
def test_a_name_that_lacks_is_told_once_and_no_word_is_said_of_routes_nobody_wrote(refused, text, words):
    message = refused(text)
    assert words in message
    assert "routes" not in message


def test_with_two_accounts_a_route_says_which(refused):
    text = SMALL + "accounts: [{name: a}, {name: b}]\nroutes: [{source: one}]\n"
    assert "routes.0.accounts: is missing" in refused(text)


def test_later_layers_win(parse, tmp_path):
    (tmp_path / ".env").write_text(
        "EXECUTOR__SERVER__PORT=2\nEXECUTOR__SERVER__HOST=::1\nEXECUTOR__LOGGING__LEVEL=debug\n"
    )
    loaded = parse(
        SMALL + "server: {port: 1}\n",
        "server.port=4",
        env={"EXECUTOR__SERVER__PORT": "3", "EXECUTOR__SERVER__HOST": "h"},
    )
    assert (loaded.config.server.port, loaded.config.server.host, loaded.config.logging.level) == (4, "h", "DEBUG")
    assert loaded.provenance["server.port"] == "--set server.port"
    assert loaded.provenance["server.host"] == "environment: EXECUTOR__SERVER__HOST"
    assert loaded.provenance["logging.level"] == ".env: EXECUTOR__LOGGING__LEVEL"
    assert loaded.provenance["sources.one.type"] == "config.yaml:4"
    assert "server.enabled" not in loaded.provenance


def test_list_items_go_by_their_names(parse):
    loaded = parse(
        SMALL.replace("name: one", "name: my-feed") + "risk: [{rule: daily_loss, max_usd: 5}]\n",
        "risk.daily_loss.max_usd=7.50",
        "routes.0.strategy=follow",
        env={"EXECUTOR__SOURCES__MY_FEED__URL": "ws://x", "EXECUTOR__ROUTES": '[{"source": "my-feed"}]'},
    )
    assert loaded.config.sources[0].options.url == "ws://x"
    assert loaded.config.risk[0].options.max_usd == Decimal("7.50")


def test_a_rule_that_is_not_there_yet_can_be_added(parse):
    (rule,) = parse(SMALL, "risk.daily_loss.max_usd=7").config.risk
    assert (rule.rule, rule.options.max_usd) == ("daily_loss", Decimal(7))


def test_a_whole_list_can_be_set(parse):
    assert parse(SMALL, "sources.one.agents=[x, 007, 1e5, true]").config.sources[0].options.agents == (
        "x",
        "007",
        "1e5",
        "true",
    )


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["sources.oen.url=x"], "did you mean 'one'"),
        (["server.prot=1"], "server.prot: unknown key; did you mean 'port'?"),
        (["sevrer.port=1"], "sevrer: unknown key; did you mean 'server'?"),
        (["sources.one.ulr=x"], "sources.one.ulr: unknown key; did you mean 'url'?"),
        (["risk.dayly_loss.max_usd=1"], "no plugin is called 'dayly_loss'; did you mean 'daily_loss'?"),
        (["risk.daily_loss.max=1"], "did you mean 'max_usd'?"),
        (["routes.0.strategy=folow"], "did you mean 'follow'"),
        (["version.x=1"], "'version' has no keys"),
        (["version=2"], "version: must be 1"),
        (["novalue"], "there is no value"),
        (["=x"], "there is no value"),
        (["api_secret:s3cr3t"], "--set api_secret …: there is no value"),
        (["mode=[a"], "not YAML"),
        (["server.enabled=yes"], "must be true or false (it is 'yes')"),
        (["server.enabled=1"], "must be true or false"),
        (["server.port=88.0"], "must be a whole number"),
        (["paper.equity_usd=lots"], "must be a number"),
        (["paper.equity_usd=.nan"], "must be a number"),
        (["paper.equity_usd=1e30"], "paper.equity_usd: "),
        (["sources.one.agents=x"], "must be a list"),
        (["server=5"], "must be keys and values"),
        (["hyperliquid.network=custom"], "api_url is needed"),
        (["hyperliquid.api_url=http://x"], "used with network: custom alone"),
        (["hyperliquid.network=custom", "hyperliquid.api_url=http://me:s3cr3t@x"], "no credentials and no query"),
        (["hyperliquid.network=custom", "hyperliquid.api_url=http://x/?token=s3cr3t"], "no credentials and no query"),
        (["accounts=[]"], "there is none"),
        (["accounts=[{name: a, address: '0x12'}]"], "accounts.a.address"),
        (["execution.emergency_slippage_bps=10"], "must not be below exit_slippage_bps"),
        (["sources.one.type=broken"], "plugin 'broken' is broken; mend it"),
        (["paper.equity_usd=9e99999999999999999999"], "must be a number"),
        (["risk.daily_loss.max_usd=9e99999999999999999999"], "must be a number"),
        (["server.allowed_hosts=['*.x']"], "server.allowed_hosts.0: takes name or name:port; wildcards are not known"),
        (["server.allowed_hosts=[desk, 'http://desk']"], "server.allowed_hosts.1: takes name or name:port"),
    ],
)
def test_what_is_wrong_is_said_with_its_path_and_what_was_meant(refused, sets, words):
    text = SMALL + "routes: [{source: one, accounts: [main]}]\n"
    message = refused(text, *sets)
    assert words in message
    assert "--set" in message


def test_an_unknown_variable_is_an_error_too(refused):
    message = refused(SMALL, env={"EXECUTOR__SERVER__PROT": "1"})
    assert "environment: EXECUTOR__SERVER__PROT: server.prot: unknown key; did you mean 'port'?" in message


def test_everything_wrong_is_said_at_once(refused):
    message = refused(SMALL + "server: {prot: 1}\nmode: liv\n")
    assert message.startswith("2 problems")
    assert "config.yaml:5: server.prot" in message
    assert "config.yaml:6: mode: must be 'dry_run' or 'live' (it is 'liv')" in message


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("  - {name: one, type: quiet}\n", "sources: 'one' stands 2 times"),
        ("accounts: [{name: a}, {name: a}]\nroutes: [{source: one, accounts: [a]}]\n", "accounts: 'a' stands 2 times"),
        (
            "risk: [{rule: daily_loss, max_usd: 1}, {rule: daily_loss, max_usd: 2}]\n",
            "risk: 'daily_loss' stands 2 times",
        ),
        ("routes: [{source: oen}]\n", "no source is called 'oen'; did you mean 'one'?"),
        ("routes: [{source: one, accounts: [mian]}]\n", "no account is called 'mian'; did you mean 'main'?"),
        (
            "routes: [{source: one}, {source: one, agents: [x]}]\n",
            "brings actions to main that route 0 brings there too",
        ),
        ("routes: [{source: one, agents: [x]}, {source: one, agents: [y, x]}]\n", "brings actions to main"),
        ("routes: [{source: one, accounts: [main, main]}]\n", "names an account twice"),
        ("accounts:\n  - {name: a, signer_file: f, signer_cmd: c}\n", "signer_file and signer_cmd: write one of them"),
    ],
)
def test_what_contradicts_itself_is_refused(refused, more, words):
    assert words in refused(SMALL + more)


def test_routes_that_share_no_agent_may_share_an_account(parse):
    text = SMALL + "routes: [{source: one, agents: [x]}, {source: one, agents: [y]}]\n"
    assert len(parse(text).config.routes) == 2


def test_live_mode_is_accepted_when_everything_is_written_out(parse):
    config = parse(LIVE).config
    assert config.live
    assert config.accounts[0].address == "0x00000000000000000000000000000000000000aa"


@pytest.mark.parametrize(
    ("taken_out", "words"),
    [
        (", server_execution: skip", "sources.one.server_execution: must be written out"),
        (', address: "0x00000000000000000000000000000000000000Aa"', "accounts.main.address: must be written out"),
        ("  - {rule: max_order_notional, max_usd: 10}\n", "must cap one order: add max_order_notional"),
        ("  - {rule: max_position_notional, max_usd: 10}\n", "must cap a position"),
        ("  - {rule: daily_loss, max_usd: 10}\n", "must cap the daily loss"),
        ("policy: alert, ", "protection.policy: must be written out"),
        (", require: signalled", "protection.require: must be written out"),
    ],
)
def test_live_mode_wants_it_written_out(refused, parse, taken_out, words):
    text = LIVE.replace(taken_out, "")
    assert text != LIVE
    assert words in refused(text)
    assert parse(text.replace("mode: live", "mode: dry_run"))


def test_live_mode_asks_who_executes_only_of_systems_that_may_execute_themselves(tmp_path):
    from executor import plugins

    sources = {"fractrade": "agents: [a]", "nexgent": "url: https://x", "halyrd": "", "tradeready": "orders: true"}
    blocks = "".join(f"  - {{name: {name}, type: {name}, {more}}}\n" for name, more in sources.items())
    text = LIVE[: LIVE.index("sources:")] + f"sources:\n{blocks}" + LIVE[LIVE.index("accounts:") :]
    with pytest.raises(ConfigError) as caught:
        load_text(text, tmp_path / "config.yaml", [], {}, plugins)
    assert re.findall(r"sources\.(\w+)\.server_execution", caught.value.message) == ["fractrade"]


def test_what_lies_over_the_file_counts_as_written_out(parse):
    text = LIVE.replace("policy: alert, ", "")
    assert parse(text, "protection.policy=flatten").config.protection.policy == "flatten"


def test_the_plugins_options_are_its_own_model(parse):
    source = parse(SMALL.replace("agents: [a]", "agents: [a], ratio: 0.123456789012345678901")).config.sources[0]
    assert isinstance(source.options, SourceOptions)
    assert source.options.ratio == Decimal("0.123456789012345678901")
    assert source.raw["ratio"] == Decimal("0.123456789012345678901")


def test_common_keys_are_also_told_to_a_plugin_that_asks(parse):
    text = SMALL + "risk: [{rule: daily_loss, max_usd: 1, on_breach: shrink}]\n"
    (rule,) = parse(text).config.risk
    assert (rule.on_breach, rule.options.on_breach) == ("shrink", "shrink")


def test_a_plugin_without_a_model_takes_any_key(parse):
    source = parse("sources: [{name: q, type: quiet, anything: 1.50}]").config.sources[0]
    assert (source.options, source.raw) == (None, {"anything": Decimal("1.50")})


def test_a_strangers_options_of_the_names_we_ask_for_are_nothing_to_us(parse):
    """Options are the plugin's own: ours are asked for on the class, where no option stands."""
    loaded = parse("version: 1\nsources: [{name: mine, type: odd}]\nrisk: [{rule: odd, on_breach: shrink}]\n")
    assert loaded.config.sources[0].options.connections == 2
    assert loaded.warnings == ()


def test_a_rule_told_to_shrink_that_can_only_refuse_is_a_warning_of_one_line(parse):
    told = "risk: [{rule: latch, on_breach: %s}, {rule: daily_loss, max_usd: 1, on_breach: %s}, {rule: silent}]\n"
    assert parse(SMALL + told % ("refuse", "shrink")).warnings == ()
    (warning,) = parse(SMALL + told % ("shrink", "shrink")).warnings
    assert warning == "risk.latch: can only refuse: a smaller order would breach it as well"


def test_what_a_source_cautions_of_is_a_warning(parse):
    assert parse("sources: [{name: one, type: old}]").warnings == ("sources.one: what it tells is old",)


def test_a_known_plugin_that_is_not_installed_is_a_warning(parse):
    loaded = parse("sources: [{name: q, type: gone, anything: 1}]")
    assert loaded.warnings == ("plugin 'gone' cannot be imported",)
    assert loaded.config.sources[0].raw == {"anything": 1}


def test_relative_paths_start_at_the_configs_folder(parse, tmp_path):
    config = parse(
        SMALL.replace("agents: [a]", "agents: [a], tape: t.jsonl"), "paper.tape=tapes/x", "ledger.path=db/{mode}.db"
    ).config
    assert config.sources[0].options.tape == tmp_path / "t.jsonl"
    assert config.ledger.path == tmp_path / "db/dry_run.db"
    assert config.paper.tape == tmp_path / "tapes/x"
    assert config.paper.state == tmp_path / "var/paper.db"


def test_secrets_are_read_when_they_are_asked_for(parse, tmp_path):
    (tmp_path / ".env").write_text("A_KEY=from-dotenv\nEMPTY=\n")
    loaded = parse(SMALL.replace("agents: [a]", "agents: [a], api_key_env: A_KEY"))
    assert loaded.secrets(loaded.config.sources[0])["api_key"].get_secret_value() == "from-dotenv"
    assert loaded.secret_if_set(loaded.config.server.token) is None
    with pytest.raises(SecretError, match="HYPERLIQUID_PRIVATE_KEY"):
        loaded.secret(loaded.config.accounts[0].signer)


def test_the_environment_wins_over_dotenv_for_secrets(parse, tmp_path):
    (tmp_path / ".env").write_text("DEFAULT_KEY=weak\n")
    loaded = parse(env={"DEFAULT_KEY": "strong"})
    assert loaded.secrets(loaded.config.sources[0])["api_key"].get_secret_value() == "strong"


def test_a_file_or_command_may_stand_for_any_variable(parse, tmp_path):
    (tmp_path / "k").write_text("x")
    loaded = parse(
        SMALL.replace("agents: [a]", "agents: [a], api_key_file: k") + "accounts: [{name: main, signer_file: k}]\n"
    )
    assert loaded.secrets(loaded.config.sources[0])["api_key"].get_secret_value() == "x"
    assert loaded.secret(loaded.config.accounts[0].signer).get_secret_value() == "x"


def test_a_secret_is_referred_to_once(refused):
    text = SMALL.replace("agents: [a]", "agents: [a], api_key_file: k, api_key_cmd: k")
    assert "write one of them" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("agents: [a]", f"agents: [a], api_key: '{KEY}'"),
        SMALL.replace("agents: [a]", f"agents: [a], api_key_env: '{KEY}'"),
        SMALL + f"accounts: [{{name: main, signer_env: '{KEY}'}}]\n",
        SMALL + f"accounts: [{{name: main, signer: '{KEY}'}}]\n",
        SMALL + f"accounts: [{{name: main, address: '{KEY}'}}]\n",
        SMALL + f"server: {{token_env: {KEY[2:]}}}\n",
        SMALL + f"{KEY}: 1\nserver: {{token: {KEY}, port: x}}\n",
    ],
)
def test_a_secret_written_by_mistake_is_refused_and_not_repeated(refused, text):
    message = refused(text)
    assert "c0ffee" not in message.replace(f"{KEY}: unknown", "")


def test_show_tells_value_and_origin_and_no_secret(parse):
    shown = parse(
        SMALL.replace("agents: [a]", "agents: [a], url: 'wss://u:CANARY@h/?api_key=CANARY&x=CANARY'")
        + "accounts: [{name: main, signer_cmd: 'vault CANARY'}]\nserver: {port: 1}\n",
        env={"DEFAULT_KEY": "CANARY"},
    ).show()
    assert shown["server"]["port"] == {"value": 1, "from": "config.yaml:6"}
    assert shown["execution"]["entry_slippage_bps"] == {"value": "50", "from": "default"}
    assert shown["sources"]["one"]["agents"] == {"value": ["a"], "from": "config.yaml:4"}
    assert shown["sources"]["one"]["api_key_env"] == {"value": "DEFAULT_KEY", "from": "default"}
    assert shown["accounts"]["main"]["signer_cmd"]["value"] == "vault …"
    assert "CANARY" not in str(shown)


def test_the_environment_is_not_in_the_repr(parse):
    assert "CANARY" not in repr(parse(env={"DEFAULT_KEY": "CANARY"}))


def test_the_schema_knows_every_plugins_keys():
    schema = json_schema(Registry(), Path())
    variants = schema["properties"]["sources"]["items"]["anyOf"]
    feed = next(v for v in variants if v["properties"]["type"] == {"const": "feed"})
    assert {"name", "url", "api_key_env", "api_key_file", "server_execution"} <= feed["properties"].keys()
    assert feed["additionalProperties"] is False


@pytest.mark.parametrize("text", ["sources: [{name: one, type: feed}]", "version: 1", "sources: []"])
def test_a_source_without_a_channel_can_be_validated_but_not_run(parse, text):
    loaded = parse(text)
    with pytest.raises(ConfigError, match="executor demo"):
        require_channels(loaded.config)


def test_a_source_without_a_channel_is_told_where_the_configuration_is_only_looked_at(parse):
    (warning,) = without_channel(parse("sources: [{name: one, type: feed}]").config)
    assert warning == "sources.one: it has no channel to listen to"
    assert without_channel(parse("version: 1").config) == ["sources: there is none, so nothing would ever be traded"]
    assert without_channel(parse().config) == []


def _crowd(*more):
    lines = [f"  - {{name: s{n}, type: crowd, {keys}}}" for n, keys in enumerate(more)]
    return "\n".join(["version: 1", "sources:", *lines])


@pytest.mark.parametrize(
    "more",
    [
        ["agents: [a, b]", "agents: [a, b]"],
        ["agents: [a, b]", "url: 'https://HOST/', agents: [c]", "user_token_env: null, agents: [d]"],
        ["api_key_env: null, agents: [a, b]", "api_key_env: null, agents: [c, d]"],
    ],
)
def test_sources_of_one_user_may_not_open_more_connections_than_that_user_has(refused, more):
    said = refused(_crowd(*more))
    assert "4 connections" in said
    assert all(f"s{n}" in said for n in range(len(more)))
    assert "3" in said


def test_one_credential_in_two_variables_is_one_user_s_and_is_not_told(parse):
    text = _crowd("agents: [a, b]", "api_key_env: OTHER, agents: [c, d]")
    keys = {"KEY": "canary", "OTHER": " canary "}
    with pytest.raises(ConfigError, match="'s0' and 's1', with one url and credential, ask for 4") as caught:
        parse(text, env=keys)
    assert "canary" not in str(caught.value)
    assert len(parse(text, env=keys | {"OTHER": "another"}).config.sources) == 2


def test_one_source_with_too_many_connections_is_refused(refused):
    assert "sources.s0: asks for 4 connections, and a user may have 3" in refused(_crowd("agents: [a, b, c, d]"))


@pytest.mark.parametrize(
    "more",
    [
        ["agents: [a, b]", "agents: [a]"],
        ["agents: [a, b]", "api_key_env: OTHER, agents: [a, b]"],
        ["agents: [a, b]", "url: wss://other, agents: [a, b]"],
        ["api_key_env: null, agents: [a, b]", "api_key_env: null, user_token_env: OTHER, agents: [a, b]"],
    ],
)
def test_each_user_has_connections_of_its_own(parse, more):
    assert len(parse(_crowd(*more)).config.sources) == 2


@pytest.mark.parametrize("channel", ["agents: [a]", "user_id: u", "tape: x, agents: [z]"])
def test_a_source_with_a_channel_can_run(parse, channel):
    require_channels(parse(f"sources: [{{name: one, type: feed, {channel}}}]").config)


def test_a_source_that_knows_no_channels_always_listens(parse):
    require_channels(parse("sources: [{name: one, type: quiet}]").config)


@pytest.mark.parametrize("text", ["- a", "just words", "5"])
def test_a_file_that_is_no_mapping_is_refused(refused, text):
    assert "must be keys and values" in refused(text)


@pytest.mark.parametrize("key", ["ledger: {path: ", "paper: {state: ", "paper: {tape: "])
def test_a_path_no_system_can_have_is_refused(refused, key):
    assert "NUL" in refused(key + '"a\\0b"}')


def test_a_missing_file_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(ConfigError, match="executor init"):
        load(tmp_path / "none.yaml", [], {}, Registry())


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "c.yaml", [], {}, Registry())


def test_a_dotenv_that_is_not_text_is_refused(refused, tmp_path):
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    assert ".env: cannot be read" in refused(SMALL)


def test_derived_addresses(parse):
    assert parse().config.hyperliquid.ws_url == "wss://api.hyperliquid.xyz/ws"
    custom = parse(SMALL + "hyperliquid: {network: custom, api_url: 'http://127.0.0.1:80/'}\n").config.hyperliquid
    assert (custom.url, custom.ws_url) == ("http://127.0.0.1:80", "ws://127.0.0.1:80/ws")
    assert (
        parse(SMALL + "hyperliquid: {network: testnet}\n").config.hyperliquid.url
        == "https://api.hyperliquid-testnet.xyz"
    )


def test_the_repositorys_config_is_what_init_writes():
    root = Path(__file__).parents[3]
    assert (root / "config.yaml").read_text(encoding="utf-8") == config_template()


def test_the_template_is_complete_and_in_dry_run():
    from executor import plugins

    loaded = load_text(config_template(), Path("config.yaml"), [], {}, plugins)
    assert loaded.config.mode == "dry_run"
    assert loaded.warnings == ()
    defaults = {key: leaf for key, leaf in _leaves(loaded.show()) if leaf["from"] == "default"}
    assert {key for key in defaults if not key.endswith(("_file", "_cmd", ".on_breach", ".max_pct"))} == set()


def test_the_template_says_the_defaults():
    from executor import plugins

    loaded = load_text(config_template(), Path("config.yaml"), ["risk=[]"], {}, plugins)
    bare = load_text("sources: [{name: fractrade, type: fractrade}]", Path("config.yaml"), [], {}, plugins)
    written, default = dict(_leaves(loaded.show())), dict(_leaves(bare.show()))
    assert {k: v["value"] for k, v in written.items()} == {k: v["value"] for k, v in default.items()}


def test_what_the_template_has_commented_out_is_complete_and_can_be_switched_on():
    from executor import plugins

    text = re.sub(r"^  # (?=- |  )", "  ", config_template(), flags=re.MULTILINE)
    text = text.replace("\nnotify: []", "\n# notify: []").replace("\n# notify: [{", "\nnotify: [{")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("  # "))
    loaded = load_text(text, Path("config.yaml"), [], {}, plugins)
    types = {source.type for source in loaded.config.sources}
    assert types == {route.source for route in loaded.config.routes} == {"fractrade", "nexgent", "halyrd", "tradeready"}
    assert [told.type for told in loaded.config.notify] == ["webhook"]
    assert {rule.rule for rule in loaded.config.risk} == set(plugins.names("executor.risk_rules"))
    defaults = [key for key, leaf in _leaves(loaded.show()) if leaf["from"] == "default" and key.startswith("sources.")]
    left_out = ("_file", "_cmd", "server_execution")
    assert [key for key in defaults if not key.endswith(left_out)] == []


def test_the_env_template_names_every_variable_of_the_config_template():
    named = set(re.findall(r"_env: (\w+)", config_template())) - {"null"}
    assert named == set(re.findall(r"^([A-Z_]+)=$", env_template(), re.MULTILINE))


def _leaves(tree, path=""):
    if tree.keys() == {"value", "from"}:
        yield path, tree
        return
    for key, inner in tree.items():
        yield from _leaves(inner, f"{path}.{key}" if path else key)
