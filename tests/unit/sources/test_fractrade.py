"""Which sockets a configuration asks for, with which credentials, and what it may not ask for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from executor.clock import SystemClock
from executor.errors import ConfigError
from executor.sources.connection import Endpoint
from executor.sources.fractrade import FractradeOptions, FractradeSource, MinuteMeter, endpoints

KEYS = {"api_key": SecretStr("k&y/1"), "api_secret": SecretStr("s=cret +")}
TOKEN = {"user_token": SecretStr("t0ken")}


def opened(secrets: dict[str, SecretStr] | None = None, **keys: Any) -> tuple[Endpoint, ...]:
    return endpoints(FractradeOptions(**keys), {**KEYS, **TOKEN} if secrets is None else secrets)


def test_each_agent_has_its_own_socket_with_encoded_credentials() -> None:
    first, second = opened(url="wss://host", agents=["a/1", "b"])
    assert first.name == "agent:a/1"
    assert first.url == "wss://host/ws/actions/a%2F1?api_key=k%26y%2F1&api_secret=s%3Dcret+%2B"
    assert second.url.startswith("wss://host/ws/actions/b?")
    assert not first.headers


def test_the_executor_channel_is_authenticated_by_token_in_a_header() -> None:
    (point,) = opened(url="wss://host/", executor_channel=True)
    assert (point.name, point.url) == ("executor", "wss://host/ws/executor/")
    assert point.headers == {"Authorization": "Token t0ken"}


@pytest.mark.parametrize(
    ("user_auth", "secrets", "by_token"),
    [
        ("auto", {**KEYS, **TOKEN}, True),
        ("auto", KEYS, False),
        ("token", {**KEYS, **TOKEN}, True),
        ("query", {**KEYS, **TOKEN}, False),
    ],
)
def test_the_user_channels_credentials_can_be_chosen(
    user_auth: str, secrets: dict[str, SecretStr], *, by_token: bool
) -> None:
    (point,) = opened(secrets, url="wss://host", user_id="u1", user_auth=user_auth)
    assert point.name == "user:u1"
    assert ("Authorization" in point.headers, "api_key=" in point.url) == (by_token, not by_token)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://host", "wss://host/ws/executor/"),
        ("http://host:8000/base/", "ws://host:8000/base/ws/executor/"),
        ("WS://host//", "ws://host/ws/executor/"),
        ("ws://[::1]:5", "ws://[::1]:5/ws/executor/"),
    ],
)
def test_a_web_address_becomes_a_socket_address(url: str, wanted: str) -> None:
    assert opened(url=url, executor_channel=True)[0].url == wanted


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "executor demo"),
        ({"agents": [f"a{n}" for n in range(11)]}, "10 connections"),
        ({"agents": [f"a{n}" for n in range(9)], "user_id": "u", "executor_channel": True}, "user_id"),
        ({"agents": ["a", "a"]}, "twice"),
        ({"agents": [""]}, "agents"),
        ({"agents": ["a\n"]}, "agents"),
        ({"user_id": " u"}, "user_id"),
        ({"url": "ftp://host", "executor_channel": True}, "wss://"),
        ({"url": "wss://host?api_key=x", "executor_channel": True}, "wss://"),
        ({"url": "host", "executor_channel": True}, "wss://"),
        ({"url": "wss://[", "executor_channel": True}, "wss://"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_the_remedy(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        opened(**keys)
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("secrets", "keys", "missing"),
    [
        (TOKEN, {"agents": ["a"]}, "api_key"),
        ({"api_key": SecretStr("k")}, {"agents": ["a"]}, "api_secret"),
        (KEYS, {"executor_channel": True}, "user_token"),
        (KEYS, {"user_id": "u", "user_auth": "token"}, "user_token"),
        ({"user_token": SecretStr("")}, {"executor_channel": True}, "user_token"),
    ],
)
def test_a_missing_credential_is_named(secrets: dict[str, SecretStr], keys: dict[str, Any], missing: str) -> None:
    with pytest.raises(ConfigError, match=f"needs {missing}"):
        opened(secrets, **keys)


def test_ten_channels_are_allowed() -> None:
    assert len(opened(agents=[f"a{n}" for n in range(8)], user_id="u", executor_channel=True)) == 10


def test_the_options_say_how_many_connections_they_open() -> None:
    options = FractradeOptions(agents=("a", "b"), user_id="u", executor_channel=True)
    assert (options.connections(), FractradeOptions(agents=("a",)).connections()) == (4, 1)
    assert FractradeOptions.max_connections == 10


def test_unknown_keys_are_errors() -> None:
    with pytest.raises(ValidationError):
        FractradeOptions.model_validate({"agent": ["a"]})


def test_a_credential_no_header_can_carry_is_refused_without_showing_it() -> None:
    secrets = {"user_token": SecretStr("evil\r\nX-Header: 1")}
    with pytest.raises(ConfigError) as refusal:
        FractradeSource("f", FractradeOptions(executor_channel=True), secrets, SystemClock(), lambda: 0.0)
    assert "evil" not in str(refusal.value)


def test_no_credential_shows_in_any_representation() -> None:
    points = opened(url="wss://user:pa55@host", agents=["a"], executor_channel=True)
    source = FractradeSource("f", FractradeOptions(agents=("a",)), KEYS, SystemClock(), lambda: 0.0)
    shown = f"{points} {[p.shown for p in points]} {source!r} {source.__dict__} {source.channels()}"
    assert not [secret for secret in ("k&y", "k%26y", "s=cret", "s%3Dcret", "t0ken", "pa55") if secret in shown]


def test_a_new_source_is_connecting_on_every_channel() -> None:
    source = FractradeSource("f", FractradeOptions(agents=("a", "b")), KEYS, SystemClock(), lambda: 0.0)
    assert [(c.name, c.state, c.attempts) for c in source.channels()] == [
        ("agent:a", "connecting", 0),
        ("agent:b", "connecting", 0),
    ]


def test_a_minutes_excess_is_told_once_a_minute() -> None:
    meter = MinuteMeter()
    first = [meter.exceeded(60_000) for _ in range(150)]
    second = [meter.exceeded(120_000) for _ in range(101)]
    assert (first.count(True), first.index(True)) == (1, 100)
    assert second.count(True) == 1
