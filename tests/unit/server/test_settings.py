"""A server that would stand open does not come to be."""

import pytest
from pydantic import SecretStr

from executor.errors import ConfigError
from executor.server.settings import ServerSettings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "desk.example", ""])
def test_beyond_loopback_there_must_be_a_token(host):
    with pytest.raises(ConfigError) as raised:
        ServerSettings(host=host)
    assert "EXECUTOR_TOKEN" in raised.value.remedy
    assert not ServerSettings(host=host, token=SecretStr("t0ken")).is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_it_may_go_without(host):
    assert ServerSettings(host=host).is_loopback


@pytest.mark.parametrize("token", ["", "  \n"])
def test_an_empty_token_is_none(token):
    with pytest.raises(ConfigError):
        ServerSettings(token=SecretStr(token))


@pytest.mark.parametrize("entry", ["*", "*.example", "http://desk.example", "", "a b"])
def test_an_allowed_host_is_a_name(entry):
    with pytest.raises(ConfigError):
        ServerSettings(allowed_hosts=(entry,))


def test_the_token_shows_nowhere():
    assert "hunter2" not in repr(ServerSettings(token=SecretStr("hunter2")))
