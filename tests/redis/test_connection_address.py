"""What may stand in redis.url, and what a message about it must not say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.adapters.redis.address import Endpoint, Mode, RedisAddress, parse_address, tls_context
from gateway_auth.errors import ConfigError


def at(mode: Mode, *hosts: str, **more: Any) -> RedisAddress:
    """An address; hosts are "name port"."""
    endpoints = tuple(Endpoint(name, int(port)) for name, port in (host.split() for host in hosts))
    return RedisAddress(mode=mode, endpoints=endpoints, **more)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://127.0.0.1", at("standalone", "127.0.0.1 6379")),
        ("redis://127.0.0.1:7000/", at("standalone", "127.0.0.1 7000")),
        ("redis://cache.internal:7000/3", at("standalone", "cache.internal 7000", db=3)),
        ("REDIS://h", at("standalone", "h 6379")),
        ("redis://[::1]:7000/0", at("standalone", "::1 7000")),
        ("rediss://h", at("standalone", "h 6379", is_tls=True)),
        ("redis://:p%40ss%3A@h", at("standalone", "h 6379", password="p@ss:")),
        ("redis://me:secret@h", at("standalone", "h 6379", username="me", password="secret")),
        ("redis+sentinel://a:1,b/mymaster", at("sentinel", "a 1", "b 26379", service="mymaster")),
        (
            "rediss+sentinel://u:p@a,[::1]:3/my.master-1/2",
            at("sentinel", "a 26379", "::1 3", is_tls=True, service="my.master-1", db=2, username="u", password="p"),
        ),
        ("redis+cluster://a:1,b:2", at("cluster", "a 1", "b 2")),
        ("redis+cluster://a/0", at("cluster", "a 6379")),
        ("rediss://h?ssl_ca_certs=/etc/ca.pem", at("standalone", "h 6379", is_tls=True, ssl_ca_certs="/etc/ca.pem")),
        (
            "rediss://h/1?ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            at("standalone", "h 6379", is_tls=True, db=1, ssl_certfile="/c.pem", ssl_keyfile="/k.pem"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_address_is_read(url: str, expected: RedisAddress) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is not an address of Redis"),
        ("http://hunter2", "is not an address of Redis"),
        ("redis://h ost", "is not an address of Redis"),
        ("redis+other://h", "is not an address of Redis"),
        ("redis://" + "h" * 3000, "is not an address of Redis"),
        ("redis://", "no usable host"),
        ("redis://:6379", "no usable host"),
        ("redis://h:0", "between 1 and 65535"),
        ("redis://h:65536", "between 1 and 65535"),
        ("redis://h:port", "no usable host"),
        ("redis://[::1", "no usable host"),
        ("redis://u:hunter2@", "no usable host"),
        ("redis://a,b", "begin it with redis+sentinel"),
        ("redis+cluster://" + ",".join("h" * 65), "more than 64"),
        ("redis://hunter2@h", "without a password"),
        ("redis://u:@h", "without a password"),
        ("redis://u:hunter2:x@h", "write them as %3A"),
        ("redis://u:hunter2@x@h", "write them as %3A"),
        ("redis://u:hunter2#@h", "%23"),
        ("redis://u:hunter2%ff@h", "not UTF-8"),
        ("redis://h/hunter2", "not a number"),
        ("redis://h/0/1", "not a number"),
        ("redis+sentinel://h", "does not name the master"),
        ("redis+sentinel://h/a b", "is not an address"),
        ("redis+sentinel://h/master/x", "not a number"),
        ("redis+cluster://h/1", "a cluster has only number 0"),
        ("redis://h?ssl_ca_certs=/x", "begin it with rediss"),
        ("rediss://h?ssl_ca_certs=x", "absolute path"),
        ("rediss://h?ssl_ca_certs=/x&ssl_ca_certs=/y", "absolute path of one"),
        ("rediss://h?ssl_keyfile=/x", "without ssl_certfile"),
        ("rediss://h?ssl_cert_reqs=none", "it takes ssl_ca_certs"),
    ],
)
def test_another_is_refused_in_words_that_hold_no_secret(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url") as caught:
        parse_address(url)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert "write for example" in problem.message
    assert "hunter2" not in str(caught.value)


def test_no_repr_shows_the_password() -> None:
    address = parse_address("redis://me:hunter2@h:1/0")
    assert "hunter2" not in repr(address) + str(address)
    assert repr(address) == "RedisAddress(standalone h:1)"


@given(st.text(max_size=60))
def test_whatever_is_written_is_read_or_refused(rest: str) -> None:
    with suppress(ConfigError):
        assert parse_address(f"redis://{rest}").endpoints


@pytest.mark.parametrize("parameter", ["ssl_ca_certs", "ssl_certfile"])
@pytest.mark.parametrize("content", [None, "no certificate"], ids=["absent", "not PEM"])
def test_a_certificate_file_that_cannot_be_used_is_told_at_start(
    tmp_path: Path, parameter: str, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "file.pem").write_text(content)
    with pytest.raises(ConfigError, match="cannot be read as PEM"):
        tls_context(parse_address(f"rediss://h?{parameter}={tmp_path}/file.pem"))


def test_without_tls_there_is_nothing_to_check_certificates_by() -> None:
    assert tls_context(parse_address("redis://h")) is None
