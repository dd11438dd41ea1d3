"""Groups of servers in the configuration: what they become, and what is said against them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway_auth.core.upstream import HealthCheck, Server, TlsFiles, Upstream, UpstreamLimits
from tests.config.writing import ENVIRON, Written, loaded, problems, route, written

ONE = ["http://10.0.0.5:9000"]


def with_group(**keys: object) -> Written:
    """A configuration with one group, `orders`, of these keys."""
    return written(upstreams={"orders": {"servers": ONE, **keys}})


def test_a_group_becomes_what_the_proxy_forwards_to(tmp_path: Path) -> None:
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).write_text("-")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "gateway.toml").write_text("""
[secrets]
pepper = "env:GATEWAY_AUTH_PEPPER"
[gateway]
upstream = "orders"
[upstreams.orders]
servers = ["https://Orders.Internal/", "http://[2001:DB8::5]:9000", "unix:/run/app.sock"]
host = "orders.internal:443"
connect_timeout_seconds = 1
response_timeout_seconds = 2.5
idle_timeout_seconds = 3
max_connections = 4
fail_after = 5
fail_seconds = 6
forwarded = true
allow_metadata_address = true
[upstreams.orders.tls]
ca_file = "ca.pem"
server_name = "orders.internal"
client_certificate = "client.pem"
client_key = "client.key"
[upstreams.orders.health]
path = "/healthz"
interval_seconds = 7
timeout_seconds = 8
unhealthy_after = 9
healthy_after = 10
status = "204"
""")
    configuration = loaded(tmp_path / "gateway.toml")
    assert configuration.default_upstream == "orders"
    assert configuration.upstreams == {
        "orders": Upstream(
            name="orders",
            servers=(
                Server("orders.internal", 443, is_tls=True),
                Server("2001:db8::5", 9000),
                Server(socket_path="/run/app.sock"),
            ),
            host="orders.internal:443",
            tls=TlsFiles(
                ca_file=f"{tmp_path}/ca.pem",
                server_name="orders.internal",
                client_certificate=f"{tmp_path}/client.pem",
                client_key=f"{tmp_path}/client.key",
            ),
            limits=UpstreamLimits(
                connect_timeout_seconds=1, response_timeout_seconds=2.5, idle_timeout_seconds=3, max_connections=4
            ),
            health=HealthCheck(
                path="/healthz", interval_seconds=7, timeout_seconds=8, unhealthy_after=9, healthy_after=10,
                lowest_status=204, highest_status=204,
            ),
            fail_after=5,
            fail_seconds=6,
            is_forwarded_told=True,
            may_be_metadata=True,
        )
    }  # fmt: skip


def test_the_schema_and_the_proxy_have_the_same_defaults() -> None:
    configuration = loaded(with_group(health={"path": "/"}))
    expected = Upstream(name="orders", servers=(Server("10.0.0.5", 9000),), health=HealthCheck(path="/"))
    assert configuration.upstreams == {"orders": expected}


def test_routes_name_groups_and_addresses_and_how_long_to_wait() -> None:
    routes = [
        route(upstream="orders", timeout_seconds=2),
        route(id="b", path="/b", upstream="unix:/run/b.sock"),
        route(id="c", path="/c", upstream="https://C.example/"),
    ]
    policies = loaded(with_group() | {"routes": routes}).rules.policies
    assert [(policy.upstream, policy.timeout_seconds) for policy in policies] == [
        ("orders", 2),
        ("unix:/run/b.sock", None),
        ("https://c.example", None),
    ]


def test_the_environment_reaches_into_groups() -> None:
    configuration = loaded(with_group(), GATEWAY_AUTH_UPSTREAMS__ORDERS__SERVERS__0="http://10.0.0.9:1")
    assert configuration.upstreams["orders"].servers == (Server("10.0.0.9", 1),)


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        pytest.param({"servers": []}, "servers", "must not be empty", id="no server"),
        pytest.param({"servers": ["orders"]}, "servers[0]", "http or https server", id="a name"),
        pytest.param({"servers": [*ONE, *ONE]}, "servers", "twice", id="a server twice"),
        pytest.param({"servers": [*ONE, "http://10.0.0.5:9000/"]}, "servers", "twice", id="a server spelt otherwise"),
        pytest.param({"servers": ["http://a/b"]}, "servers[0]", "after the port", id="a path"),
        pytest.param({"servers": ["unix:app.sock"]}, "servers[0]", "absolute path", id="a relative socket"),
        pytest.param({"server": ONE}, "server", 'did you mean "servers"', id="a key misspelt"),
        pytest.param({"host": "a b"}, "host", "Host header", id="host with a space"),
        pytest.param({"host": "a\r\nx: y"}, "host", "Host header", id="host with a line break"),
        pytest.param({"host": "a/b"}, "host", "Host header", id="host with a path"),
        pytest.param({"host": "a:0"}, "host", "Host header", id="host with port 0"),
        pytest.param({"response_timeout_seconds": 0}, "response_timeout_seconds", "more than 0", id="no time"),
        pytest.param({"max_connections": 0}, "max_connections", "at least 1", id="no connection"),
        pytest.param({"health": {}}, "health.path", "is missing", id="health without path"),
        pytest.param({"health": {"path": "x"}}, "health.path", "must be a path", id="health of no path"),
        pytest.param({"health": {"path": "/a\r\nx: y"}}, "health.path", "must be a path", id="health with CRLF"),
        pytest.param({"health": {"path": "/", "status": "2xx"}}, "health.status", "200-399", id="odd statuses"),
        pytest.param({"health": {"path": "/", "status": "100-200"}}, "health.status", "200 to 599", id="interim"),
        pytest.param({"health": {"path": "/", "status": "399-200"}}, "health.status", "200-399", id="reversed"),
        pytest.param({"tls": {}}, "tls", "no server is https", id="TLS for nobody"),
        pytest.param({"tls": {"server_name": "a:1"}}, "tls.server_name", "host name", id="name with a port"),
        pytest.param({"tls": {"verify": False}}, "tls.verify", "unknown key", id="verification turned off"),
    ],
)
def test_what_is_wrong_with_a_group_is_told_with_its_place(keys: Written, path: str, words: str) -> None:
    (found,) = problems(with_group(**keys))
    assert found.startswith(f"upstreams.orders.{path}: ")
    assert words in found


@pytest.mark.parametrize(
    "server",
    [
        "http://169.254.169.254", "http://[fd00:ec2::254]", "http://100.100.100.200", "https://metadata.google.internal",
        "http://169.254.1.1:9000", "http://[fe80::1]", "http://[::ffff:169.254.169.254]",
    ],
)  # fmt: skip
def test_where_clouds_hand_out_credentials_nothing_is_forwarded_to_unless_that_is_written(server: str) -> None:
    (found,) = problems(with_group(servers=[*ONE, server]))
    assert found.startswith("upstreams.orders.servers[1]: is a link-local or metadata address")
    assert problems(with_group(servers=[*ONE, server], allow_metadata_address=True)) == []
    (found,) = problems(written(gateway={"upstream": server}))
    assert "allow_metadata_address = true" in found


def test_an_unknown_group_is_told_with_the_one_that_is_meant() -> None:
    found = problems(with_group() | {"gateway": {"upstream": "order"}, "routes": [route(upstream="billing")]})
    assert found == [
        'gateway.upstream: unknown upstream "order", did you mean "orders"?',
        'routes[0].upstream: unknown upstream "billing"; add [upstreams.billing], or write an address: "http://billing"',
    ]


@pytest.mark.parametrize("name", ["http://a", "a.b", "1st", "", "a" * 65])
def test_a_name_that_could_be_taken_for_an_address_is_refused(name: str) -> None:
    (found,) = problems(written(upstreams={name: {"servers": ONE}}))
    assert "must be a name" in found


def test_files_of_tls_are_there_and_the_key_is_nobody_elses(tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    key.write_text("-")
    key.chmod(0o644)
    (tmp_path / "client.pem").write_text("-")
    tls = {"ca_file": "absent.pem", "client_certificate": "client.pem", "client_key": "client.key"}
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        found = problems(with_group(servers=["https://a"], tls=tls), ENVIRON)
        assert len(found) == 2
        assert found[0].startswith("upstreams.orders.tls.ca_file: cannot be read")
        assert found[1].startswith("upstreams.orders.tls.client_key: ")
        assert f"chmod 600 {key}" in found[1]
        key.chmod(0o600)
        assert len(problems(with_group(servers=["https://a"], tls=tls), ENVIRON)) == 1
    finally:
        os.chdir(here)


def test_a_certificate_without_its_key_is_refused() -> None:
    (found,) = problems(with_group(servers=["https://a"], tls={"client_certificate": "client.pem"}))
    assert found == "upstreams.orders.tls: client_certificate and client_key go together; write both or neither"
