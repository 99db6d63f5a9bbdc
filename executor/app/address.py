"""An address that is a secret itself: whoever knows it can speak there in our name."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr

from executor import logs
from executor.errors import ConfigError

TELLING = 16
"""A part of an address this long is the secret in it; a shorter one may be any word."""


def secret_url(key: str, secret: SecretStr) -> SecretStr:
    """The address, kept out of every log line from now on; ``ConfigError`` never repeats what is no http(s) URL."""
    text = secret.get_secret_value()
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(f"{key} is no address", "the secret must be a whole URL: https://host/…")
    logs.register_secret(text)
    for part in (parts.path.strip("/"), parts.query):
        if len(part) >= TELLING:
            logs.register_secret(part)
    return secret
