"""What the connection refuses before it opens anything, and what it lets anyone see. Its sockets: tests/integration."""

from __future__ import annotations

import pytest

from executor.clock import SystemClock
from executor.errors import ConfigError
from executor.sources.connection import Connection, Endpoint, redacted


@pytest.mark.parametrize(
    "url", ["http://host/", "ws:///", "host/", "ws://host/#", "ws://[", "ws://host:99999/", "ws://host:0/", "ws://h:p/"]
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Connection(Endpoint("channel", url + "canary"), SystemClock(), lambda: 0.0)
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize("value", ["evil\r\nX-Header: 1", "caf\u00e9"])
def test_a_credential_no_header_can_carry_is_refused_without_being_shown(value: str) -> None:
    endpoint = Endpoint("channel", "ws://host", {"Authorization": value})
    with pytest.raises(ConfigError) as refusal:
        Connection(endpoint, SystemClock(), lambda: 0.0)
    assert value not in str(refusal.value)


def test_only_the_address_without_credentials_is_shown() -> None:
    endpoint = Endpoint("channel", "wss://me:pa55@host:8/ws/a?api_key=canary", {"Authorization": "canary"}, ("canary",))
    assert endpoint.shown == "wss://host:8/ws/a"
    connection = Connection(endpoint, SystemClock(), lambda: 0.0)
    assert "canary" not in f"{endpoint} {connection!r}"
    assert "pa55" not in f"{endpoint} {connection!r}"


def test_a_servers_words_carry_no_secret_in_any_spelling_and_no_control_characters() -> None:
    said = "bad key k&y/1, also k%26y%2F1\x1b[31m " + "x" * 500
    shown = redacted(said, ("k&y/1",))
    assert shown.startswith("bad key ***, also ***?[31m x")
    assert len(shown) == 160
