"""Which names a request may use."""

import pytest

from executor.hosts import HostList, Netloc, is_foreign, is_loopback, parse_netloc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", Netloc("localhost", None)),
        ("LocalHost:8787", Netloc("localhost", 8787)),
        ("127.0.0.1:1", Netloc("127.0.0.1", 1)),
        ("[::1]:8787", Netloc("::1", 8787)),
        ("[0:0:0:0:0:0:0:1]", Netloc("::1", None)),
        ("desk.example", Netloc("desk.example", None)),
    ],
)
def test_a_host_is_read_in_one_spelling(text, expected):
    assert parse_netloc(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":80", "a b", "user@localhost", "localhost:", "localhost:x", "localhost:123456", "[localhost]", "::1",
     "localhost/..", "localhost\r\nX: y", "*", "*.example", "localhost,evil", "[::1", "localhost:80:80"],
)  # fmt: skip
def test_what_is_no_host_is_not_read_as_one(text):
    assert parse_netloc(text) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("", False), ("192.168.1.2", False), ("localhost.evil", False), ("desk.example", False)],
)  # fmt: skip
def test_loopback_is_what_only_this_machine_can_reach(host, expected):
    assert is_loopback(host) is expected


HOSTS = HostList("127.0.0.1", [8787], ["desk.example", "tunnel.example:9000"])


@pytest.mark.parametrize(
    "host",
    ["localhost:8787", "LOCALHOST:8787", "127.0.0.1:8787", "127.8.8.8:8787", "[::1]:8787", "desk.example",
     "desk.example:1234", "tunnel.example:9000"],
)  # fmt: skip
def test_our_own_names_are_allowed(host):
    assert HOSTS.allows_host(host)
    assert HOSTS.allows_origin(f"http://{host}")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8787", "localhost", "localhost:80", "127.0.0.1:3000", "localhost.:8787",
     "localhost.evil:8787", "192.168.1.2:8787", "tunnel.example", "tunnel.example:9001", "x.desk.example", "", "null"],
)  # fmt: skip
def test_other_names_are_not(host):
    assert not HOSTS.allows_host(host)
    assert not HOSTS.allows_origin(f"http://{host}")


@pytest.mark.parametrize(
    "origin",
    ["null", "", "file://", "localhost:8787", "ftp://localhost:8787", "http://localhost:8787/", "http://localhost:8787#",
     "http://localhost:8787@evil.example", "http://evil.example\\@localhost:8787", "HTTP://localhost:8787 "],
)  # fmt: skip
def test_what_is_no_origin_of_ours_is_refused(origin):
    assert not HOSTS.allows_origin(origin)


def test_a_bound_address_is_a_name_of_ours_with_our_port_only():
    hosts = HostList("192.168.1.2", [8787], [])
    assert hosts.allows_host("192.168.1.2:8787")
    assert not hosts.allows_host("192.168.1.2")


def test_without_a_port_the_schemes_own_is_meant():
    assert HostList("127.0.0.1", [80], []).allows_host("localhost")
    assert HostList("127.0.0.1", [443], []).allows_origin("https://localhost")
    assert not HostList("127.0.0.1", [80], []).allows_origin("https://localhost")


@pytest.mark.parametrize(
    ("hosts", "origins", "foreign"),
    [
        (["127.0.0.1:8080"], [], False),
        (["localhost"], ["http://localhost:3000"], False),
        (["[::1]:1"], ["https://127.0.0.1"], False),
        ([], [], False),
        (["evil.example:8080"], [], True),
        (["127.0.0.1.evil.example"], [], True),
        (["127.0.0.1"], ["http://evil.example"], True),
        (["127.0.0.1"], ["null"], True),
        (["127.0.0.1", "evil.example"], [], True),
        (["127.0.0.1@evil.example"], [], True),
        (["192.168.1.2"], [], True),
        ([""], [], True),
    ],
)
def test_what_names_another_machine_is_foreign(hosts, origins, foreign):
    assert is_foreign(hosts, origins) is foreign
