"""Who may ask: every mix of host, origin, method and token."""

import itertools

import pytest
from pydantic import SecretStr

from executor.server.gate import Ask, Gate
from executor.server.settings import ServerSettings

TOKEN = "correct-horse-battery"
GOOD_HOST, GOOD_ORIGIN = "localhost:8787", "http://localhost:8787"
HOSTS = ["evil.example", "evil.example:8787", "localhost", "localhost:3000", "0.0.0.0:8787", "attacker.localhost:8787"]
ORIGINS = ["http://evil.example", "null", "http://localhost:3000", "https://localhost", "", "file://"]
METHODS = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"]
PATHS = ["/healthz", "/readyz", "/metrics", "/api/events", "/api/commands", "/nowhere"]

LOCAL = Gate(ServerSettings(token=SecretStr(TOKEN)), [8787])
PUBLIC = Gate(ServerSettings(host="0.0.0.0", token=SecretStr(TOKEN), allowed_hosts=("desk.example",)), [8787])
TOKENLESS = Gate(ServerSettings(), [8787])
WITH_TOKEN = (f"Bearer {TOKEN}",)


@pytest.mark.parametrize("gate", [LOCAL, PUBLIC, TOKENLESS])
@pytest.mark.parametrize("method", METHODS)
def test_a_foreign_host_is_refused_whatever_else_it_brings(gate, method):
    for host, path, origin in itertools.product(HOSTS, PATHS, [(), (GOOD_ORIGIN,)]):
        refusal = gate.judge(Ask(method, path, (host,), origin, WITH_TOKEN))
        assert refusal is not None
        assert (refusal.status, "allowed_hosts" in refusal.remedy) == (403, True)


@pytest.mark.parametrize("gate", [LOCAL, PUBLIC, TOKENLESS])
@pytest.mark.parametrize("method", METHODS)
def test_a_foreign_origin_is_refused_whatever_else_it_brings(gate, method):
    for origin, path in itertools.product(ORIGINS, PATHS):
        refusal = gate.judge(Ask(method, path, (GOOD_HOST,), (origin,), WITH_TOKEN))
        assert refusal is not None
        assert refusal.status == 403


@pytest.mark.parametrize("hosts", [(), (GOOD_HOST, GOOD_HOST), (GOOD_HOST, "evil.example")])
def test_exactly_one_host_is_named(hosts):
    assert LOCAL.judge(Ask("GET", "/healthz", hosts)).status == 403


def test_one_good_origin_does_not_excuse_a_foreign_one():
    assert LOCAL.judge(Ask("GET", "/healthz", (GOOD_HOST,), (GOOD_ORIGIN, "http://evil.example"))).status == 403


@pytest.mark.parametrize("path", PATHS)
def test_this_machine_reads_without_a_token(path):
    assert LOCAL.judge(Ask("GET", path, (GOOD_HOST,))) is None
    assert TOKENLESS.judge(Ask("GET", path, (GOOD_HOST,), (GOOD_ORIGIN,))) is None


@pytest.mark.parametrize("path", PATHS)
def test_from_outside_only_probes_go_without_a_token(path):
    refusal = PUBLIC.judge(Ask("GET", path, ("desk.example",)))
    assert (refusal is None) is (path in ("/healthz", "/readyz"))
    assert refusal is None or refusal.status == 401
    assert PUBLIC.judge(Ask("GET", path, ("desk.example",), (), WITH_TOKEN)) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", PATHS)
def test_what_could_change_something_always_needs_the_token(method, path):
    assert LOCAL.judge(Ask(method, path, (GOOD_HOST,))).status == 401
    assert LOCAL.judge(Ask(method, path, (GOOD_HOST,), (), WITH_TOKEN)) is None
    refusal = TOKENLESS.judge(Ask(method, path, (GOOD_HOST,), (), WITH_TOKEN))
    assert (refusal.status, "EXECUTOR_TOKEN" in refusal.remedy) == (403, True)


@pytest.mark.parametrize(
    "authorizations",
    [(), ("",), ("Bearer",), ("Bearer ",), (TOKEN,), (f"Basic {TOKEN}",), (f"Bearer {TOKEN}x",),
     (f"Bearer {TOKEN[:-1]}",), (f"Bearer {TOKEN.upper()}",), ("Bearer \udcff",), WITH_TOKEN * 2],
)  # fmt: skip
def test_only_the_token_itself_is_the_token(authorizations):
    assert LOCAL.judge(Ask("POST", "/api/commands", (GOOD_HOST,), (), authorizations)).status == 401


def test_details_are_for_this_machine_and_for_holders_of_the_token():
    assert LOCAL.trusts(Ask("GET", "/readyz", (GOOD_HOST,)))
    assert not PUBLIC.trusts(Ask("GET", "/readyz", ("desk.example",)))
    assert PUBLIC.trusts(Ask("GET", "/readyz", ("desk.example",), (), WITH_TOKEN))
