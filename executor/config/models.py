"""What a configuration says: every key of contract.md with its unit and default, frozen.

Durations are written in seconds and also offered in milliseconds (``reply_timeout_ms`` for ``reply_timeout_s``).
``raw`` of a source, route or rule holds the keys the plugin defines; ``options`` the plugin's own model of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from executor.config.secret import KINDS, SecretRef, looks_like_variable
from executor.hosts import parse_netloc

Mode = Literal["dry_run", "live"]

_API_URLS = {"mainnet": "https://api.hyperliquid.xyz", "testnet": "https://api.hyperliquid-testnet.xyz"}


def _variable(name: str) -> str:
    if not looks_like_variable(name):
        raise PydanticCustomError("variable_name", "takes the name of an environment variable, never the secret itself")
    return name


def _without_credentials(url: str) -> str:
    """An endpoint's address stands in locks, logs and messages."""
    if set("@?#") & set(url):
        raise PydanticCustomError("url", "takes http(s)://host:port alone, no credentials and no query")
    return url


def _host_name(entry: str) -> str:
    """As the server reads it: what it would refuse at its start is refused here."""
    if parse_netloc(entry) is None:
        raise PydanticCustomError("host_name", "takes name or name:port; wildcards are not known")
    return entry


def _path(path: Path) -> Path:
    if "\0" in str(path):
        raise PydanticCustomError("path", "is no path: it holds a NUL character")
    return path


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Word = Literal["inherit", "override", "only_if_missing"]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Variable = Annotated[str, AfterValidator(_variable)]
FilePath = Annotated[Path, AfterValidator(_path)]
Address = Annotated[str, Field(pattern=r"^0[xX][0-9a-fA-F]{40}$"), AfterValidator(str.lower)]
HostName = Annotated[str, AfterValidator(_host_name)]
Seconds = Annotated[Decimal, Field(gt=0, le=86400)]
Bps = Annotated[Decimal, Field(ge=0, lt=10000)]
Usd = Annotated[Decimal, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Coin = Annotated[str, Field(pattern=r"^(\w+:)?[A-Za-z0-9]+$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$"), AfterValidator(_without_credentials)]


class Model(BaseModel):
    """The base of every block: frozen, unknown keys forbidden, values never quoted in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


def milliseconds(seconds: Decimal) -> int:
    """Seconds as whole milliseconds."""
    return int(seconds * 1000)


def secret_refs(block: Mapping[str, Any]) -> Iterator[tuple[str, SecretRef]]:
    """Every ``*_env``, ``*_file``, ``*_cmd`` that is set among these keys, by the secret's name."""
    for key, target in block.items():
        name, _, kind = key.rpartition("_")
        if name and kind in KINDS and isinstance(target, str):
            yield name, SecretRef(key, kind, target)


def _one_reference(model: Model, name: str) -> None:
    written = [key for kind in KINDS if (key := f"{name}_{kind}") in model.model_fields_set and getattr(model, key)]
    if len(written) > 1:
        raise PydanticCustomError("two_secrets", "{keys}: write one of them", {"keys": " and ".join(written)})


def _reference(model: Model, name: str) -> SecretRef | None:
    """The written reference, else the default one."""
    refs = [ref for found, ref in secret_refs(dict(model)) if found == name]
    return next((ref for ref in refs if ref.key in model.model_fields_set), refs[0] if refs else None)


class Source(Model):
    """One signal system to listen to; the keys of its type are in ``raw`` and ``options``."""

    name: Name
    type: str
    after_gap: Literal["reduce_only", "continue"] = "reduce_only"
    server_execution: Literal["skip", "execute"] | None = None
    raw: dict[str, Any] = {}
    options: BaseModel | None = None
    secrets: dict[str, SecretRef] = {}

    def server_execution_in(self, mode: Mode) -> Literal["skip", "execute"]:
        """What to do with an action without the flag; left open it executes, which only dry-run allows."""
        return self.server_execution or ("execute" if mode == "dry_run" else "skip")


class SignerPolicy(Model):
    """What the account's signer signs, whatever the risk rules say; it binds what can add risk, never what reduces."""

    symbols: Annotated[tuple[Coin, ...], Field(min_length=1)] | None = None
    per_trade_cap_usd: Usd | None = None
    daily_cap_usd: Usd | None = None


class Account(Model):
    """One account that is traded: a master, sub-account or vault, and who signs for it."""

    name: Name
    address: Address | None = None
    signer_env: Variable | None = "HYPERLIQUID_PRIVATE_KEY"
    signer_file: str | None = None
    signer_cmd: str | None = None
    margin_mode: Literal["isolated", "cross", "keep"] = "isolated"
    default_leverage: Annotated[int, Field(ge=1, le=100)] = 3
    foreign_positions: Literal["leave", "adopt"] = "leave"
    signer_policy: SignerPolicy = SignerPolicy()

    @model_validator(mode="after")
    def _signer_once(self) -> Account:
        _one_reference(self, "signer")
        return self

    @property
    def signer(self) -> SecretRef | None:
        """Where the signing key lies; dry-run never reads it."""
        return _reference(self, "signer")


class Precedence(Model):
    """Whose word counts where the signal and the route's strategy both say something."""

    leverage: Word = "override"
    size: Word = "override"
    stop: Word = "override"
    target: Word = "override"


class Route(Model):
    """Which agents of a source are traded on which accounts, by which strategy."""

    source: str
    agents: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    strategy: str = "follow"
    raw: dict[str, Any] = Field(default={}, alias="with")
    options: BaseModel | None = None
    precedence: Precedence = Precedence()
    accounts: Annotated[tuple[str, ...], Field(min_length=1)]

    def takes(self, agent_id: str) -> bool:
        """Whether this agent's actions come this way."""
        return "*" in self.agents or agent_id in self.agents


class Hyperliquid(Model):
    """Which exchange is talked to."""

    network: Literal["mainnet", "testnet", "custom"] = "mainnet"
    api_url: HttpUrl | None = None

    @model_validator(mode="after")
    def _url_belongs_to_custom(self) -> Hyperliquid:
        if self.network == "custom" and not self.api_url:
            raise PydanticCustomError("api_url", "api_url is needed where network is custom: http(s)://host:port")
        if self.network != "custom" and self.api_url:
            raise PydanticCustomError("api_url", "api_url is used with network: custom alone; drop one of the two")
        return self

    @property
    def url(self) -> str:
        """The root of the HTTP interface, without a slash at the end."""
        return (self.api_url or _API_URLS[self.network]).rstrip("/")

    @property
    def ws_url(self) -> str:
        """The websocket that belongs to it."""
        return "ws" + self.url.removeprefix("http") + "/ws"


class Rule(Model):
    """One risk rule; the limits it defines are in ``raw`` and ``options``."""

    rule: str
    on_breach: Literal["refuse", "shrink"] = "refuse"
    raw: dict[str, Any] = {}
    options: BaseModel | None = None


class QuoteCheck(Model):
    """What the quote an entry is priced with must keep; ``null`` is off. Exits take the price there is."""

    max_divergence_bps: Annotated[Decimal, Field(gt=0)] | None = None
    max_age_s: Seconds | None = Decimal(30)
    min_depth_pct: Annotated[Decimal, Field(gt=0)] | None = None

    @property
    def max_age_ms(self) -> int | None:
        """How long ago the quote may last have been known to stand, milliseconds."""
        return None if self.max_age_s is None else milliseconds(self.max_age_s)


class Execution(Model):
    """How orders are priced, timed and given up on."""

    entry_slippage_bps: Bps = Decimal(50)
    exit_slippage_bps: Bps = Decimal(100)
    emergency_slippage_bps: Bps = Decimal(300)
    order_expiry_s: Seconds = Decimal(10)
    reply_timeout_s: Seconds = Decimal(3)
    entry_ttl_s: Seconds = Decimal(30)
    shutdown_s: Seconds = Decimal(10)
    quote_check: QuoteCheck = QuoteCheck()

    @property
    def order_expiry_ms(self) -> int:
        """How long the venue may take an order, milliseconds."""
        return milliseconds(self.order_expiry_s)

    @property
    def reply_timeout_ms(self) -> int:
        """When a missing answer becomes an unknown outcome, milliseconds."""
        return milliseconds(self.reply_timeout_s)

    @property
    def shutdown_ms(self) -> int:
        """How long stopping may take, milliseconds."""
        return milliseconds(self.shutdown_s)

    @property
    def entry_ttl_ms(self) -> int:
        """How old an entry may be, milliseconds; exits have no such limit."""
        return milliseconds(self.entry_ttl_s)


class Protection(Model):
    """What must have a stop on the venue, and what happens where none is."""

    require: Literal["signalled", "always"] = "signalled"
    policy: Literal["alert", "place_default", "flatten"] = "alert"
    after_s: Seconds = Decimal(3)
    default_stop_pct: Annotated[Decimal, Field(gt=0, lt=100)] = Decimal(5)

    @property
    def after_ms(self) -> int:
        """How long a position may stand unprotected before the policy acts, milliseconds."""
        return milliseconds(self.after_s)


class Paper(Model):
    """The paper exchange of dry-run."""

    equity_usd: Annotated[Usd, Field(le=10**12)] = Decimal(10000)
    feed: Literal["hyperliquid", "tape"] = "hyperliquid"
    tape: FilePath | None = None
    state: FilePath = Path("var/paper.db")
    port: Port = 0
    latency_ms: Annotated[int, Field(ge=0, le=60000)] = 200


class Ledger(Model):
    """Where everything that happened is kept; ``{mode}`` in the path becomes the mode."""

    path: FilePath = Path("var/{mode}.db")
    durability: Literal["full", "normal"] = "full"


class Server(Model):
    """The worker's HTTP and WebSocket interface."""

    enabled: bool = True
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Port = 8787
    token_env: Variable | None = "EXECUTOR_TOKEN"
    token_file: str | None = None
    token_cmd: str | None = None
    allowed_hosts: tuple[HostName, ...] = ()

    @model_validator(mode="after")
    def _token_once(self) -> Server:
        _one_reference(self, "token")
        return self

    @property
    def token(self) -> SecretRef | None:
        """Where the bearer token lies."""
        return _reference(self, "token")


class Heartbeat(Model):
    """A sign of life to a monitor elsewhere, which alarms when it stops: none without a URL."""

    url_env: Variable | None = None
    url_file: str | None = None
    url_cmd: str | None = None
    every_s: Seconds = Decimal(60)

    @model_validator(mode="after")
    def _url_once(self) -> Heartbeat:
        _one_reference(self, "url")
        return self

    @property
    def url(self) -> SecretRef | None:
        """Where the URL lies: whoever knows it can pretend that we live."""
        return _reference(self, "url")

    @property
    def every_ms(self) -> int:
        """The time between two signs of life, milliseconds."""
        return milliseconds(self.every_s)


class Notify(Model):
    """One way to tell people, besides the log; the keys of its type are in ``raw`` and ``options``."""

    type: str
    level: Literal["info", "warning", "alarm"] = "warning"
    raw: dict[str, Any] = {}
    options: BaseModel | None = None
    secrets: dict[str, SecretRef] = {}


class Logging(Model):
    """How much is logged, and for whom."""

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = "INFO"
    format: Literal["console", "json"] = "console"


class Config(Model):
    """The whole configuration."""

    version: Literal[1] = 1
    mode: Mode = "dry_run"
    sources: tuple[Source, ...] = ()
    accounts: tuple[Account, ...] = (Account(name="main"),)
    routes: tuple[Route, ...] = ()
    hyperliquid: Hyperliquid = Hyperliquid()
    risk: tuple[Rule, ...] = ()
    execution: Execution = Execution()
    protection: Protection = Protection()
    paper: Paper = Paper()
    ledger: Ledger = Ledger()
    server: Server = Server()
    logging: Logging = Logging()
    heartbeat: Heartbeat = Heartbeat()
    notify: tuple[Notify, ...] = ()

    @property
    def live(self) -> bool:
        """Whether real orders are meant."""
        return self.mode == "live"
