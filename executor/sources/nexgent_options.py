"""The keys of a ``type: nexgent`` source, what of them can never work, and its addresses."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from executor.errors import ConfigError

WS = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
HTTP = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
Seconds = Annotated[Decimal, Field(gt=0, le=86_400)]


class NexgentOptions(BaseModel):
    """The keys of a ``type: nexgent`` source (contract.md). ``*_env`` only say where secrets lie.

    ``reconnect_interval_s`` and ``max_reconnect_attempts`` are seed 002's: after so many attempts, each 1.5 times
    later, one follows every ``reconnect_rest_s``. ``wallets`` leaves out positions of others (an agent may have a
    simulated one beside the live). ``ping_silence_s`` is the time without a server ping after which a socket counts as
    mute; the server pings every 30 s. ``mark_every_s`` is how often prices alone are worth a row in the journal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = ""
    agents: tuple[str, ...] = ()
    wallets: tuple[str, ...] = ()
    access_token_env: str | None = "NEXGENT_ACCESS_TOKEN"  # noqa: S105  # the name of a variable
    refresh_token_env: str | None = "NEXGENT_REFRESH_TOKEN"  # noqa: S105  # as above
    email_env: str | None = "NEXGENT_EMAIL"
    password_env: str | None = "NEXGENT_PASSWORD"  # noqa: S105  # as above
    reconnect_interval_s: Seconds = Decimal(5)
    max_reconnect_attempts: Annotated[int, Field(ge=0, le=1000)] = 5
    reconnect_rest_s: Seconds = Decimal(60)
    taken_over_pause_s: Seconds = Decimal(300)
    ping_silence_s: Seconds = Decimal(60)
    rest_poll_s: Seconds = Decimal(30)
    mark_every_s: Seconds = Decimal(30)


def seconds(exact: Decimal) -> float:
    """A duration as the event loop takes it."""
    return int(exact * 1000) / 1000


def check(options: NexgentOptions, secrets: Mapping[str, SecretStr]) -> None:
    """Refuse what can never work, with the remedy."""
    if not options.agents:
        raise ConfigError("the nexgent source has no channel", "set agents; to see it all work first: executor demo")
    for agent_id in options.agents:
        if not agent_id or not agent_id.isprintable() or agent_id != agent_id.strip():
            raise ConfigError("the nexgent source's agents hold an unusable id", "copy the id from Nexgent")
        if options.agents.count(agent_id) > 1:
            raise ConfigError(f"the nexgent source lists agent:{agent_id} twice", "list each agent once")
    if not secrets.keys() & {"access_token", "refresh_token"} and not {"email", "password"} <= secrets.keys():
        raise ConfigError(
            "the nexgent source needs access_token or refresh_token, or email and password",
            "set the variables that their *_env keys name, or *_file; API keys do not open the socket",
        )


def base(url: str, schemes: Mapping[str, str]) -> str:
    """The configured address under another scheme, without trailing slashes."""
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        fits = False
    if not fits or parts.scheme.lower() not in schemes or "@" in parts.netloc:
        raise ConfigError("the nexgent source's url is no address", "use https://host, without a path's /ws")
    return urlunsplit((schemes[parts.scheme.lower()], parts.netloc, parts.path.rstrip("/"), "", ""))
