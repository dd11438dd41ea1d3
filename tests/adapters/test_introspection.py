"""Asking an issuer about an opaque token: what is sent, which answers count, and that every fault is an outage."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from gateway_auth.adapters.issuers.introspection import HttpIntrospector
from gateway_auth.errors import IssuerUnavailable
from tests.adapters.issuer_server import (
    Endless,
    IssuerServer,
    Page,
    answer,
    bomb,
    broken_off,
    certified,
    dripping,
    redirect,
    silence,
)
from tests.proxy.upstreams import Upstream, Wire

TOKEN = b"se.cret~token+/=="
NAME, SECRET = "gate way", "client secret:%+/="
BASIC = base64.b64encode(b"gate+way:client+secret%3A%25%2B%2F%3D")
ACTIVE = answer(b'{"active": true}')
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n"


@pytest.fixture
async def server() -> AsyncIterator[IssuerServer]:
    async with IssuerServer() as running:
        yield running


@pytest.fixture
async def introspector(server: IssuerServer) -> AsyncIterator[HttpIntrospector]:
    asking = HttpIntrospector("corp", f"{server.url}/introspect?x=1", NAME, SECRET, deadline_seconds=0.5)
    yield asking
    await asking.close()


def say(server: IssuerServer, claims: object) -> None:
    """What the endpoint answers."""
    server.pages["/introspect"] = answer(json.dumps(claims).encode())


async def test_the_claims_of_an_active_token_are_returned(server: IssuerServer, introspector: HttpIntrospector) -> None:
    say(server, {"active": True, "sub": "ada", "scope": "a b"})
    assert await introspector.introspect(TOKEN) == {"active": True, "sub": "ada", "scope": "a b"}


async def test_a_token_that_is_not_active_is_none(server: IssuerServer, introspector: HttpIntrospector) -> None:
    say(server, {"active": False, "sub": "ada"})
    assert await introspector.introspect(TOKEN) is None


async def test_a_token_of_a_form_the_server_never_tells_of_is_none(
    server: IssuerServer, introspector: HttpIntrospector
) -> None:
    server.pages["/introspect"] = answer(b'{"error": "unsupported_token_type"}', status=400)
    assert await introspector.introspect(TOKEN) is None


async def test_the_token_goes_in_the_body_and_our_secret_in_the_header(
    server: IssuerServer, introspector: HttpIntrospector
) -> None:
    say(server, {"active": False})
    await introspector.introspect(TOKEN)
    (seen,) = server.seen
    assert seen.line == b"POST /introspect?x=1 HTTP/1.1"
    assert seen.body == b"token=se.cret~token%2B%2F%3D%3D&token_type_hint=access_token"
    # Form-encoded before they are joined (RFC 6749 section 2.3.1): a colon in either is no separator.
    assert seen.values("authorization") == [b"Basic " + BASIC]
    assert seen.values("accept-encoding") == [b"identity"]


FAULTS: list[tuple[str, Page]] = [
    ("no answer", silence),
    ("500", answer(b"{}", status=500)),
    ("404", answer(b"{}", status=404)),
    ("401", answer(b"{}", status=401)),
    ("400", answer(b'{"error": "invalid_request"}', status=400)),
    ("the token's fault as 500", answer(b'{"error": "unsupported_token_type"}', status=500)),
    ("a redirect", redirect(302, "http://127.0.0.1:9/elsewhere", b'{"active": true}')),
    ("a page", answer(b"<html>", content_type="text/html")),
    ("no JSON", answer(b'{"active": true')),
    ("an array", answer(b'[{"active": true}]')),
    ("active as text", answer(b'{"active": "true"}')),
    ("active as a number", answer(b'{"active": 1}')),
    ("no active", answer(b'{"sub": "ada"}')),
    ("active twice", answer(b'{"active": false, "active": true}')),
    ("a bomb", bomb()),
    ("a body without end", Endless(HEAD)),
    ("a dripping body", dripping(HEAD, b" ")),
    ("a dripping head", dripping(b"HTTP/1.1 200 OK\r\n", b"X")),
    ("broken off", broken_off(HEAD + b'{"active": true', by_reset=False)),
    ("reset", broken_off(HEAD + b'{"active": true', by_reset=True)),
    ("garbage", broken_off(b"\x16\x03\x01\x00garbage\r\n\r\n", by_reset=False)),
    ("empty", broken_off(b"", by_reset=False)),
]


@pytest.mark.parametrize("page", [pytest.param(page, id=name) for name, page in FAULTS])
async def test_every_fault_is_an_outage_and_the_next_question_is_answered(
    server: IssuerServer, introspector: HttpIntrospector, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.pages["/introspect"] = page
    with pytest.raises(IssuerUnavailable) as raised:
        await introspector.introspect(TOKEN)
    told = str(raised.value) + caplog.text
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("issuer corp: introspection at http://127.0.0.1:")
    for secret in (TOKEN.decode(), quote(TOKEN, safe=""), SECRET, quote_plus(SECRET), BASIC.decode()):
        assert secret not in told
    say(server, {"active": True})
    assert await introspector.introspect(TOKEN) == {"active": True}


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(answer(b"{}", status=401), id="401"),
        pytest.param(answer(b"{}", status=403), id="403"),
        pytest.param(answer(b'{"error": "invalid_client"}', status=400), id="400 invalid_client"),
    ],
)
async def test_a_refusal_of_our_own_secret_is_told_once_until_it_is_taken(
    server: IssuerServer, introspector: HttpIntrospector, refusal: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused(times: int) -> int:
        """How often the operator was told of so many refusals."""
        caplog.clear()
        server.pages["/introspect"] = refusal
        for _ in range(times):
            with pytest.raises(IssuerUnavailable):
                await introspector.introspect(TOKEN)
        told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
        return sum("own client id or secret" in message for message in told)

    assert await refused(3) == 1
    say(server, {"active": True})
    await introspector.introspect(TOKEN)
    assert await refused(2) == 1


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(answer(b'{"error": "invalid_request"}', status=400), id="400 of another kind"),
        pytest.param(answer(b"no", status=400), id="400 without a reason"),
        pytest.param(answer(b'{"error": "invalid_client"}', status=500), id="500"),
    ],
)
async def test_another_fault_is_not_blamed_on_our_own_secret(
    server: IssuerServer, introspector: HttpIntrospector, page: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server.pages["/introspect"] = page
    with pytest.raises(IssuerUnavailable):
        await introspector.introspect(TOKEN)
    assert "own client id or secret" not in caplog.text


async def test_one_connection_serves_one_question_after_the_other(
    server: IssuerServer, introspector: HttpIntrospector
) -> None:
    async def patient(wire: Wire) -> None:
        while True:
            await wire.play(ACTIVE)
            await wire.read_request()

    server.pages["/introspect"] = patient
    for _ in range(3):
        assert await introspector.introspect(TOKEN) == {"active": True}
    assert len(server.wires) == 1
    assert len(server.seen) == 3


async def test_a_kept_connection_that_is_closed_just_when_it_is_used_is_no_outage(
    server: IssuerServer, introspector: HttpIntrospector
) -> None:
    async def impatient(wire: Wire) -> None:
        await wire.play(ACTIVE)
        await wire.read_request()

    server.pages["/introspect"] = impatient
    for _ in range(4):
        assert await introspector.introspect(TOKEN) == {"active": True}


async def test_a_server_that_always_closes_is_asked_twice_and_no_more(
    server: IssuerServer, introspector: HttpIntrospector
) -> None:
    server.pages["/introspect"] = broken_off(b"", by_reset=False)
    with pytest.raises(IssuerUnavailable):
        await introspector.introspect(TOKEN)
    assert len(server.seen) == 2


async def test_an_address_that_is_not_https_is_not_asked() -> None:
    asking = HttpIntrospector("corp", "http://192.0.2.1/introspect", "gateway", SECRET)
    with pytest.raises(IssuerUnavailable, match="is not https"):
        await asking.introspect(TOKEN)
    await asking.close()


async def test_nobody_listening_is_an_outage(server: IssuerServer) -> None:
    asking = HttpIntrospector("corp", "http://127.0.0.1:1/introspect", "gateway", SECRET)
    with pytest.raises(IssuerUnavailable, match="ConnectError"):
        await asking.introspect(TOKEN)
    await asking.close()


async def test_a_caller_who_leaves_disturbs_nobody(server: IssuerServer, introspector: HttpIntrospector) -> None:
    server.pages["/introspect"] = silence
    leaving = asyncio.create_task(introspector.introspect(TOKEN))
    await asyncio.sleep(0.05)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    say(server, {"active": True, "sub": "bob"})
    assert await introspector.introspect(b"other") == {"active": True, "sub": "bob"}


async def test_a_handshake_that_never_comes_leaves_no_socket_open() -> None:
    gc.disable()  # It would close what was forgotten, some time.
    try:
        async with Upstream(silence) as upstream:
            address = upstream.url.replace("http:", "https:")
            asking = HttpIntrospector("corp", address, NAME, SECRET, deadline_seconds=0.2)
            with pytest.raises(IssuerUnavailable, match="no complete answer"):
                await asking.introspect(TOKEN)
            await upstream.wires[0].ended()
            await asking.close()
    finally:
        gc.enable()


async def test_a_certificate_nobody_vouches_for_is_an_outage(tmp_path: Path) -> None:
    tls, _ = certified(tmp_path)
    async with IssuerServer(tls) as server:
        asking = HttpIntrospector("corp", f"{server.url}/introspect", NAME, SECRET)
        with pytest.raises(IssuerUnavailable, match="ConnectError"):
            await asking.introspect(TOKEN)
        await asking.close()
    assert server.asked == []


async def test_a_certificate_that_is_trusted_serves(tmp_path: Path) -> None:
    tls, trust = certified(tmp_path)
    async with IssuerServer(tls) as server:
        server.pages["/introspect"] = ACTIVE
        asking = HttpIntrospector("corp", f"{server.url}/introspect", NAME, SECRET, trust=trust)
        assert await asking.introspect(TOKEN) == {"active": True}
        await asking.close()
