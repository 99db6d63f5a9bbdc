"""Puts a worker together from a configuration: ledger, venue, desks, strategies, rules, sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import SecretStr

from executor import logs, plugins
from executor.app.heartbeat import Heartbeat
from executor.app.identity import DRY_RUN_ENDPOINT, Trader
from executor.app.notify import AtLeast
from executor.app.vias import vias
from executor.clock import Clock, SystemClock, chance
from executor.config import Config, Loaded, Route, Source
from executor.config.models import Notify
from executor.config.models import QuoteCheck as QuoteLimits
from executor.config.models import Rule as ConfiguredRule
from executor.core.intake import Route as IntakeRoute
from executor.core.precedence import Precedence
from executor.core.protocols import Rule
from executor.core.settings import DeskSettings, QuoteCheck
from executor.core.state import DeskState
from executor.errors import ExecutorError, PluginError
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.restore import restore, save
from executor.execution.rules import beside
from executor.execution.strategies import StrategyCaller
from executor.execution.worker import Worker
from executor.hyperliquid.signer_policy import SignerPolicy
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.ports import Frame, Ledger, Notifier, SourceContext
from executor.ports import Source as SourcePort
from executor.venue.adapter import HyperliquidVenue
from executor.venue.markets import VenueMarkets
from executor.venue.signer import AccountSigner

if TYPE_CHECKING:
    from executor.paper.feeds import Feed
    from executor.paper.server import PaperExchange


def open_ledger(loaded: Loaded, who: Mapping[str, Trader], clock: Clock) -> SqliteLedger:
    """The ledger of this mode, network and accounts."""
    config = loaded.config
    network = config.hyperliquid.network if config.live else DRY_RUN_ENDPOINT
    stamp = Stamp(config.mode, network, {name: trader.address for name, trader in who.items()})
    return SqliteLedger(config.ledger.path, stamp=stamp, durability=config.ledger.durability, now_ms=clock.now_ms())


def paper_exchange(loaded: Loaded, who: Mapping[str, Trader], feed: Feed | None, clock: Clock) -> PaperExchange:
    """The paper exchange of dry-run: every account funded once, every throw-away signer approved."""
    from executor.paper.server import Options, PaperExchange

    paper = loaded.config.paper
    return PaperExchange(
        feed or _feed(loaded.config),
        fund={trader.address: paper.equity_usd for trader in who.values()},
        state_path=paper.state,
        port=paper.port,
        options=Options(latency_ms=paper.latency_ms, ip_limit=True),
        clock=clock,
    )


def approve_signers(exchange: PaperExchange, who: Mapping[str, Trader]) -> None:
    """A throw-away key that is not the account itself signs as its agent."""
    for trader in who.values():
        if trader.signer.address != trader.address:
            exchange.approve_agent(trader.address, trader.signer.address, "dry-run")


def _feed(config: Config) -> Feed:
    if config.paper.feed == "tape":
        from executor.paper.tape import TapeFeed

        return TapeFeed(config.paper.tape)
    from executor.paper.live_feed import HyperliquidFeed

    return HyperliquidFeed()


def rules(loaded: Loaded, *, stopping: bool = False) -> tuple[Rule, ...]:
    """The configured risk rules, in their order."""
    return tuple(_made(partial(_rule, loaded, rule), stopping) for rule in loaded.config.risk)


def _rule(loaded: Loaded, rule: ConfiguredRule) -> Rule:
    kind = plugins.load("executor.risk_rules", rule.rule, loaded.base)
    with _building(f"risk rule '{rule.rule}'"):
        return _speakable(kind.from_options(rule.options), rule.rule)


def _speakable(rule: Rule, configured: str) -> Rule:
    """The rule, if its verdicts can be told from others' and written down."""
    watches = getattr(rule, "watches", None)
    if isinstance(getattr(rule, "name", None), str) and isinstance(watches, tuple):
        return rule
    remedy = 'give its class name = "…" and watches = (), as docs/plugins.md shows'
    raise PluginError(f"the risk rule '{configured}' has no text as its name, or no tuple as what it watches", remedy)


def desk_settings(
    loaded: Loaded, trader: Trader, risk: tuple[Rule, ...], network: str, vault: str | None
) -> DeskSettings:
    """One account's constants."""
    config, account = loaded.config, trader.account
    return DeskSettings(
        account=account.name,
        network=network,
        address=trader.address,
        vault=vault,
        rules=risk,
        margin_mode=account.margin_mode,
        default_leverage=Decimal(account.default_leverage),
        entry_slippage_bps=config.execution.entry_slippage_bps,
        exit_slippage_bps=config.execution.exit_slippage_bps,
        emergency_slippage_bps=config.execution.emergency_slippage_bps,
        order_expiry_ms=config.execution.order_expiry_ms,
        entry_ttl_ms=config.execution.entry_ttl_ms,
        require=config.protection.require,
        policy=config.protection.policy,
        after_ms=config.protection.after_ms,
        default_stop_pct=config.protection.default_stop_pct,
        foreign_positions=account.foreign_positions,
        quote_check=_quote_check(config.execution.quote_check),
    )


def _quote_check(limits: QuoteLimits) -> QuoteCheck:
    return QuoteCheck(
        max_divergence_bps=limits.max_divergence_bps,
        max_age_ms=limits.max_age_ms,
        min_depth_pct=limits.min_depth_pct,
    )


def account_signer(trader: Trader, venue: HyperliquidVenue, state: DeskState, vault: str | None) -> AccountSigner:
    """The account's key behind its own policy, which goes on counting the day where the ledger's record ends."""
    limits = trader.account.signer_policy
    symbols = None if limits.symbols is None else frozenset(limits.symbols)
    return AccountSigner(
        trader.signer,
        SignerPolicy(symbols, limits.per_trade_cap_usd, limits.daily_cap_usd),
        VenueMarkets(venue),
        venue.now_ms,
        vault=vault,
        day_start_ms=state.signed.start_ms,
        signed_usd=state.signed.usd,
        signed={request.nonce: request.action for request in state.requests.values()},
    )


def left_out(ledger: SqliteLedger, who: Mapping[str, Trader]) -> list[DeskState]:
    """Accounts of the ledger that are not configured any more, as last known; kept, so that no start folds it twice."""
    names = [name for name in ledger.accounts if name not in who]
    if not names:
        return []
    intake, states = restore(ledger, names)
    save(ledger, intake, states.values())
    return list(states.values())


def notifiers(loaded: Loaded) -> list[Notifier]:
    """Whoever tells people: the log always, and what is configured."""
    told: list[Notifier] = [logs.LogNotifier()]
    for configured in loaded.config.notify:
        secrets = registered_secrets(loaded, configured)
        kind = plugins.load("executor.notifiers", configured.type, loaded.base)
        if kind is not logs.LogNotifier:
            with _building(f"notifier '{configured.type}'"):
                built = kind.build(configured.options, secrets) if hasattr(kind, "build") else kind()
            told.append(AtLeast(configured.level, built))
    return told


@contextmanager
def _building(what: str) -> Iterator[None]:
    """A stranger's constructor may raise anything: people are told whose it is, and the exit code is the plugins'."""
    try:
        yield
    except ExecutorError:
        raise
    except Exception as error:  # it may raise anything, and goes on as ours
        raise PluginError(f"{what} cannot be built: {logs.redact(str(error))}", "mend it or its options") from error


def route_name(index: int, route: Route) -> str:
    """A route's name in records: its place and what it joins."""
    return f"{index + 1}: {route.source} → {route.strategy} → {', '.join(route.accounts)}"


def worker(
    loaded: Loaded,
    who: Mapping[str, Trader],
    venue: HyperliquidVenue,
    ledger: Ledger,
    clock: Clock | None = None,
    vaults: Mapping[str, str] | None = None,
    notifiers: Sequence[Notifier] = (),
    *,
    stopping: bool = False,
) -> Worker:
    """The worker with its state as the ledger has it.

    ``stopping`` is for one that only closes: a rule or strategy that cannot be made opens nothing, and hinders nothing.
    """
    config = loaded.config
    intake, states = restore(ledger, who)
    books = vias(config.routes, intake, states)
    risk = tuple(map(beside, rules(loaded, stopping=stopping)))
    nonces: dict[str, Nonces] = {}
    desks = {}
    for name, trader in who.items():
        signer = trader.signer
        allocator = nonces.setdefault(signer.address, Nonces(ledger.last_nonce(signer.address)))
        settings = desk_settings(loaded, trader, risk, venue.network, (vaults or {}).get(name))
        guarded = account_signer(trader, venue, states[name], settings.vault)
        desks[name] = Desk(settings, states[name], guarded, allocator)
    return Worker(
        clock=clock or SystemClock(),
        venue=venue,
        ledger=ledger,
        intake=intake,
        desks=desks,
        routes=[_route(i, *one) for i, one in enumerate(zip(config.routes, books, strict=True))],
        strategies=strategies(loaded, stopping=stopping),
        unstated={source.name: source.server_execution_in(config.mode) for source in config.sources},
        after_gap={source.name: source.after_gap for source in config.sources},
        notifiers=notifiers,
        reply_timeout_s=config.execution.reply_timeout_ms / 1000,
    )


def _route(index: int, route: Route, via: str) -> IntakeRoute:
    return IntakeRoute(route_name(index, route), route.source, route.agents, route.strategy, route.accounts, via)


def strategies(loaded: Loaded, *, stopping: bool = False) -> dict[str, StrategyCaller]:
    """Each route's strategy, by the route's name in records."""
    return {route_name(i, route): _caller(loaded, route, stopping) for i, route in enumerate(loaded.config.routes)}


def _caller(loaded: Loaded, route: Route, stopping: bool) -> StrategyCaller:
    strategy = _made(partial(_strategy, loaded, route), stopping)
    chosen = Precedence(**route.precedence.model_dump())
    return StrategyCaller(route.strategy, strategy, precedence=None if chosen == Precedence() else chosen)


def _strategy(loaded: Loaded, route: Route) -> Any:
    kind = plugins.load("executor.strategies", route.strategy, loaded.base)
    with _building(f"strategy '{route.strategy}'"):
        return kind(route.options) if hasattr(kind, "Options") else kind()


class _Missing:
    """A strategy or rule that could not be made: it fails as one that is broken does, so it opens nothing."""

    name, watches, inline = "missing", (), True

    def __init__(self, error: PluginError) -> None:
        self._error = error

    def on_action(self, _action: object, _view: object) -> NoReturn:
        raise self._error

    def check(self, _proposal: object, _exposure: object) -> NoReturn:
        raise self._error


def _made(make: Callable[[], Any], stopping: bool) -> Any:
    try:
        return make()
    except PluginError as error:
        if not stopping:
            raise
        return _Missing(error)


def registered_secrets(loaded: Loaded, configured: Source | Notify) -> dict[str, SecretStr]:
    """A plugin's secrets, which no log line shows from now on. A ``*_cmd`` may take seconds, and nothing else runs."""
    secrets = loaded.secrets(configured)
    for secret in secrets.values():
        logs.register_secret(secret.get_secret_value())
    return secrets


def source(
    loaded: Loaded,
    configured: Source,
    secrets: Mapping[str, SecretStr],
    clock: Clock,
    note: Callable[[str, str], None],
    jitter: Callable[[], float] = chance,
) -> SourcePort:
    """One configured source, ready to run."""
    context = SourceContext(dict(secrets), clock, jitter, note, partial(_recalled, loaded, configured))
    kind = plugins.load("executor.sources", configured.type, loaded.base)
    built: SourcePort = kind.build(configured.name, configured.options, context)
    return built


def _recalled(loaded: Loaded, configured: Source) -> Iterator[Frame]:
    from executor.app.mirror import recall

    return recall(loaded, configured)()


def heartbeat(loaded: Loaded, unwell: Callable[[], str]) -> Heartbeat | None:
    """The sign of life, where a monitor's URL is configured."""
    configured = loaded.config.heartbeat
    if configured.url is None:
        return None
    return Heartbeat(loaded.secret(configured.url), configured.every_ms / 1000, unwell)


def socket_path(loaded: Loaded) -> Path:
    """The running worker's command socket, beside its ledger."""
    return loaded.config.ledger.path.with_suffix(".sock")
