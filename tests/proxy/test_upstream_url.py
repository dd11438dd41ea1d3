"""Which upstream URLs are accepted, and what the refusal says."""

import pytest

from gateway_auth.core.upstream import Server
from gateway_auth.errors import ConfigError
from gateway_auth.proxy import ProxyApp, parse_upstream
from tests.proxy.asgi_client import Judged, ask, proxy, respond


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1:9000"),
        ("http://127.0.0.1:9000/", "127.0.0.1", 9000, "127.0.0.1:9000"),
        ("http://orders", "orders", 80, "orders"),
        ("http://my_service.internal:80", "my_service.internal", 80, "my_service.internal"),
        ("HTTP://Orders.Example:8080", "orders.example", 8080, "orders.example:8080"),
        ("http://[::1]:9000", "::1", 9000, "[::1]:9000"),
        ("http://[2001:DB8::1]", "2001:db8::1", 80, "[2001:db8::1]"),
    ],
)
def test_an_http_url_becomes_host_and_port(url: str, host: str, port: int, authority: str) -> None:
    (server,) = parse_upstream(url).servers
    assert (server, server.authority) == (Server(host, port), authority)


@pytest.mark.parametrize(
    ("url", "server", "authority"),
    [
        ("https://orders", Server("orders", 443, is_tls=True), "orders"),
        ("https://orders:80", Server("orders", 80, is_tls=True), "orders:80"),
        ("http://orders:443", Server("orders", 443), "orders:443"),
        ("unix:/run/app.sock", Server(socket_path="/run/app.sock"), "localhost"),
    ],
)
def test_tls_and_unix_sockets_have_addresses_too(url: str, server: Server, authority: str) -> None:
    upstream = parse_upstream(url)
    assert (upstream.servers, upstream.servers[0].authority, upstream.name) == ((server,), authority, url)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("ws://orders", "not the address of an http or https server"),
        ("ftp://orders", "not the address of an http or https server"),
        ("orders:9000", "not the address"),
        ("127.0.0.1:9000", "not the address"),
        ("", "not the address"),
        ("http://", "not the address"),
        ("http://:9000", "not the address"),
        ("http://or ders", "not the address"),
        ("http://orders\r\n.evil", "not the address"),
        ("http://orders\t", "not the address"),
        ("http://ordérs", "not the address"),
        ("http://user:secret@orders", "user name or password"),
        ("http://@orders", "user name or password"),
        ("http://orders/api", "end after the port"),
        ("http://orders//", "end after the port"),
        ("http://orders?x=1", "end after the port"),
        ("http://orders?", "end after the port"),
        ("http://orders/#top", "end after the port"),
        ("http://orders:99999", "not the address"),
        ("http://orders:0", "no usable host and port"),
        ("http://orders:http", "not the address"),
        ("http://[::1", "not the address"),
        ("http://[fe80::1%25eth0]", "no usable host and port"),
        ("http://[v1.a]", "not the address|no usable host and port"),
        ("http://-orders", "no usable host and port"),
        ("http://or%64ers", "no usable host and port"),
        ("http://a..b", "no usable host and port"),
        ("http://127.1", "no usable host and port"),
        ("unix:run/app.sock", "absolute path"),
        ("unix:", "absolute path"),
        ("unix://run/app.sock", "absolute path"),
        ("unix:/run/", "absolute path"),
        ("unix:@app", "absolute path"),
        ("unix:/" + "a" * 107, "longer than the path of a unix socket may be"),
    ],
)
def test_anything_else_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice) as caught:
        parse_upstream(url)
    assert isinstance(caught.value, ValueError)


def test_a_password_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(ValueError, match="user name or password") as caught:
        parse_upstream("http://user:hunter2@orders")
    assert "hunter2" not in str(caught.value)


async def test_without_any_upstream_the_answer_is_502() -> None:
    answer = await ask(proxy(None))
    assert (answer.status, answer.body) == (502, b"upstream_unavailable req-1")


async def test_an_upstream_that_the_configuration_does_not_know_is_answered_502() -> None:
    answer = await ask(proxy(None), judged=Judged(upstream="https://orders"))
    assert answer.status == 502


def test_nothing_needs_a_running_loop_before_the_first_request() -> None:
    assert isinstance(ProxyApp(parse_upstream("http://orders"), respond=respond), ProxyApp)
