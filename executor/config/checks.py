"""Judges a configuration as a whole: names that must exist, things said twice, what live mode wants written out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from executor.config.document import Document
from executor.config.models import Config, Route, Source
from executor.config.overlay import did_you_mean
from executor.config.problems import Problem
from executor.errors import ConfigError

CAPS = {
    "one order": ("max_order_notional",),
    "a position": ("max_position_notional", "max_gross_exposure"),
    "the daily loss": ("daily_loss",),
}
"""In live mode each of these must be capped by one of its rules (contract.md, Configuration)."""

CHANNEL_KEYS = ("agents", "user_id", "executor_channel", "tickers", "candles", "orders", "portfolio")
"""The options by which sources are told what to listen to; one that has none of them always listens."""


def problems(config: Config, document: Document, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Everything that is wrong with the whole; each with its remedy in the text."""
    if not config.accounts:
        yield Problem(("accounts",), "there is none; name at least one")
    yield from _twice("sources", [source.name for source in config.sources])
    yield from _twice("accounts", [account.name for account in config.accounts])
    yield from _twice("accounts", [account.address for account in config.accounts if account.address])
    yield from _twice("risk", [rule.rule for rule in config.risk])
    yield from _unknown_names(config)
    yield from _crossing_routes(config.routes)
    yield from _crowded(config.sources, environ)
    if config.execution.emergency_slippage_bps < config.execution.exit_slippage_bps:
        yield Problem(("execution", "emergency_slippage_bps"), "must not be below exit_slippage_bps: it comes after it")
    if config.live:
        yield from _live(config, document)


def warnings(config: Config) -> Iterator[str]:
    """What is no error and yet may not do what one thinks.

    That is what a source's options caution of (``caution``), and a rule told to shrink though its options say that it
    cannot (``can_shrink``). Both are asked of the class: an option of that name is the plugin's own.
    """
    for source in config.sources:
        caution = getattr(type(source.options), "caution", "")
        if isinstance(caution, str) and caution:
            yield f"sources.{source.name}: {caution}"
    for rule in config.risk:
        if rule.on_breach == "shrink" and getattr(type(rule.options), "can_shrink", True) is False:
            yield f"risk.{rule.rule}: can only refuse: a smaller order would breach it as well"


def _twice(block: str, words: Iterable[str]) -> Iterator[Problem]:
    for word, times in Counter(words).items():
        if times > 1:
            yield Problem((block,), f"'{word}' stands {times} times; each may stand once")


def _unknown_names(config: Config) -> Iterator[Problem]:
    sources = [source.name for source in config.sources]
    accounts = [account.name for account in config.accounts]
    for index, route in enumerate(config.routes):
        if route.source not in sources:
            yield Problem(
                ("routes", index, "source"),
                f"no source is called '{route.source}'; {did_you_mean(route.source, sources)}",
            )
        for name in route.accounts:
            if name not in accounts:
                yield Problem(
                    ("routes", index, "accounts"), f"no account is called '{name}'; {did_you_mean(name, accounts)}"
                )


def _crossing_routes(routes: tuple[Route, ...]) -> Iterator[Problem]:
    for (first, one), (second, other) in combinations(enumerate(routes), 2):
        both = set(one.accounts) & set(other.accounts)
        if one.source == other.source and both and _share_an_agent(one, other):
            names = ", ".join(sorted(both))
            text = f"brings actions to {names} that route {first} brings there too; name the agents of each"
            yield Problem(("routes", second), text)
    for index, route in enumerate(routes):
        if len(set(route.accounts)) < len(route.accounts):
            yield Problem(("routes", index, "accounts"), "names an account twice")


def _share_an_agent(one: Route, other: Route) -> bool:
    return "*" in (*one.agents, *other.agents) or bool(set(one.agents) & set(other.agents))


def _crowded(sources: tuple[Source, ...], environ: Mapping[str, str]) -> Iterator[Problem]:
    """A server limits a user's connections, whichever source opens them; one too many is refused for good."""
    users: dict[tuple[object, ...], list[int]] = {}
    for index, source in enumerate(sources):
        if _counts_connections(source.options):
            users.setdefault(_user(source, environ), []).append(index)
    for places in users.values():
        options: list[Any] = [sources[index].options for index in places]
        asked, limit = sum(one.connections() for one in options), type(options[0]).max_connections
        if asked > limit:
            names = " and ".join(f"'{sources[index].name}'" for index in places)
            who = "asks" if len(places) == 1 else f"{names}, with one url and credential, ask"
            text = f"{who} for {asked} connections, and a user may have {limit} over all channels"
            yield Problem(("sources", places[-1]), f"{text}; list fewer agents, or the channel that carries them all")


def _counts_connections(options: object) -> bool:
    """Whether a source's options say how many connections they ask for; a stranger's may be called the same."""
    limited = isinstance(getattr(type(options), "max_connections", None), int)
    return limited and callable(getattr(options, "connections", None))


def _user(source: Source, environ: Mapping[str, str]) -> tuple[object, ...]:
    """Who a source listens as: the server, and the credential that says who it is, else where that lies."""
    url = str(getattr(source.options, "url", "")).partition("://")[2].rstrip("/").lower()
    ref = source.secrets.get("api_key") or source.secrets.get("user_token")
    told = environ.get(ref.target, "").strip() if ref and ref.kind == "env" else ""  # in two variables it is one user
    return source.type, url, told or (ref and (ref.kind, ref.target))


def _live(config: Config, document: Document) -> Iterator[Problem]:
    for index, source in enumerate(config.sources):
        if source.server_execution is None and _knows(source, "server_execution"):
            yield Problem(
                ("sources", index, "server_execution"),
                "must be written out in live mode: skip or execute actions that do not say who executes them",
            )
    for index, account in enumerate(config.accounts):
        if account.address is None:
            text = "must be written out in live mode: the master, sub-account or vault that is traded"
            yield Problem(("accounts", index, "address"), text)
    rules = {rule.rule for rule in config.risk}
    for what, capping in CAPS.items():
        if not rules.intersection(capping):
            yield Problem(("risk",), f"in live mode a rule must cap {what}: add {' or '.join(capping)}")
    for key in ("policy", "require"):
        if ("protection", key) not in document.marks:
            yield Problem(("protection", key), "must be written out in live mode, also where the default is meant")


def _knows(source: Any, key: str) -> bool:
    """Whether the source's plugin has this option; of one that tells nothing it is assumed."""
    return source.options is None or key in type(source.options).model_fields


def require_channels(config: Config) -> None:
    """Raises ConfigError where a source would listen to nothing: asked by ``run``; ``config validate`` warns."""
    for text in without_channel(config):
        remedy = "name what to listen to (for fractrade: agents, user_id or executor_channel), or see `executor demo`"
        raise ConfigError(text, remedy)


def without_channel(config: Config) -> list[str]:
    """Why ``run`` would refuse this configuration, which is what ``init`` writes: nothing is listened to yet."""
    if not config.sources:
        return ["sources: there is none, so nothing would ever be traded"]
    return [f"sources.{one.name}: it has no channel to listen to" for one in config.sources if _listens_to_nothing(one)]


def _listens_to_nothing(source: Source) -> bool:
    options = source.raw if source.options is None else dict(source.options)
    given = [options[key] for key in CHANNEL_KEYS if key in options]
    return bool(given) and not any(given)
