"""Where the server listens, whom it answers, and how much it lets itself be used."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from executor.errors import ConfigError
from executor.hosts import is_loopback, parse_netloc

_TOKEN_REMEDY = "set server.token_env (EXECUTOR_TOKEN) to a long random text, or server.host to 127.0.0.1"  # noqa: S105 - a remedy, not a token


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The ``server:`` block with its secret resolved. ``port`` 0 takes any free one.

    Raises ``ConfigError`` where it would stand open: beyond loopback without a token (contract.md, Configuration).
    """

    host: str = "127.0.0.1"
    port: int = 8787
    token: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.token is not None and not self.token.get_secret_value().strip():
            raise ConfigError("server: the token is empty", _TOKEN_REMEDY)
        if self.token is None and not self.is_loopback:
            raise ConfigError(
                f"server: host {self.host} can be reached from outside and there is no token", _TOKEN_REMEDY
            )
        for entry in self.allowed_hosts:
            if parse_netloc(entry) is None:
                raise ConfigError(
                    f"server: allowed_hosts: {entry!r} is no host name",
                    "write name or name:port; wildcards are not known",
                )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may use. Times in seconds.

    ``head_s`` is how long a connection may be without a complete request, ``body_s`` how long a request's body may
    take, ``answer_s`` how long a read of the record, and the client's taking of the answer, ``send_s`` how long a
    stream waits for its reader. ``wake_s`` is the pause between a commit and the streams' reading of it: these first
    milliseconds belong to the order. ``queue`` is how many frames a Halyrd stream may owe its reader.
    """

    connections: int = 200
    streams: int = 32
    head_s: float = 10
    body_s: float = 5
    answer_s: float = 10
    send_s: float = 10
    ping_s: float = 20
    wake_s: float = 0.02
    body_bytes: int = 4096
    rows: int = 1000
    batch: int = 128
    queue: int = 512
