"""Which upstream URLs are accepted, and what the refusal says."""

import pytest

from gateway_auth.errors import ConfigError
from gateway_auth.proxy import ProxyApp, Upstream, parse_upstream
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
    upstream = parse_upstream(url)
    assert (upstream, upstream.authority) == (Upstream(host, port), authority)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("https://orders", "TLS towards upstreams comes in a later version"),
        ("ws://orders", "WebSocket towards upstreams comes in a later version"),
        ("wss://orders", "comes in a later version"),
        ("ftp://orders", "must begin with http://"),
        ("orders:9000", "must begin with http://"),
        ("127.0.0.1:9000", "must begin with http://"),
        ("", "printable ASCII"),
        ("http://", "needs a host name"),
        ("http://:9000", "needs a host name"),
        ("http://or ders", "printable ASCII"),
        ("http://orders\r\n.evil", "printable ASCII"),
        ("http://orders\t", "printable ASCII"),
        ("http://ordérs", "printable ASCII"),
        ("http://user:secret@orders", "user and password"),
        ("http://@orders", "user and password"),
        ("http://orders/api", "base path"),
        ("http://orders//", "base path"),
        ("http://orders?x=1", "query or fragment"),
        ("http://orders?", "query or fragment"),
        ("http://orders/#top", "query or fragment"),
        ("http://orders:99999", "Port out of range"),
        ("http://orders:0", "port 0"),
        ("http://orders:http", "Port could not be cast"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://[fe80::1%25eth0]", "not an IPv6 address"),
        ("http://[v1.a]", "not an IPv6 address"),
        ("http://-orders", "needs a host name"),
        ("http://or%64ers", "needs a host name"),
        ("http://a..b", "needs a host name"),
    ],
)
def test_anything_else_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice) as caught:
        parse_upstream(url)
    assert isinstance(caught.value, ValueError)


def test_a_password_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(ValueError, match="user and password") as caught:
        parse_upstream("http://user:hunter2@orders")
    assert "hunter2" not in str(caught.value)


async def test_without_any_upstream_the_answer_is_502() -> None:
    answer = await ask(proxy(None))
    assert (answer.status, answer.body) == (502, b"upstream_unavailable req-1")


async def test_an_upstream_url_that_slipped_past_the_configuration_is_answered_502() -> None:
    answer = await ask(proxy(None), judged=Judged(upstream="https://orders"))
    assert answer.status == 502


def test_nothing_needs_a_running_loop_before_the_first_request() -> None:
    assert isinstance(ProxyApp(parse_upstream("http://orders"), respond=respond), ProxyApp)
