"""What an upstream is told about the client, in both spellings."""

from __future__ import annotations

import pytest

from gateway_auth.proxy.client_facts import forwarded, x_forwarded


@pytest.mark.parametrize(
    ("address", "host", "is_https", "expected"),
    [
        ("192.0.2.7", b"api.test", False, b'for=192.0.2.7;host="api.test";proto=http'),
        ("2001:db8::7", b"api.test:8443", True, b'for="[2001:db8::7]";host="api.test:8443";proto=https'),
        (None, b"[::1]:80", False, b'for=unknown;host="[::1]:80";proto=http'),
        ("192.0.2.7", b"", False, b"for=192.0.2.7;proto=http"),
        ("192.0.2.7", b'a";for="6.6.6.6', False, rb'for=192.0.2.7;host="a\";for=\"6.6.6.6";proto=http'),
        ("192.0.2.7", b'a\\"', False, rb'for=192.0.2.7;host="a\\\"";proto=http'),
    ],
)
def test_forwarded_is_one_element_that_no_host_can_break_out_of(
    address: str | None, host: bytes, is_https: bool, expected: bytes
) -> None:
    assert forwarded(address, host, is_https=is_https) == b"forwarded: " + expected


def test_what_is_not_known_is_not_told() -> None:
    assert x_forwarded(None, b"", is_https=True) == [b"x-forwarded-proto: https"]
    assert x_forwarded("::1", b"a", is_https=False) == [
        b"x-forwarded-for: ::1",
        b"x-forwarded-host: a",
        b"x-forwarded-proto: http",
    ]
