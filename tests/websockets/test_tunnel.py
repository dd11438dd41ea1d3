"""The tunnel of the proxy: what goes through it, unchanged, both ways; and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.websockets.edges import Edge, until
from tests.websockets.upstream import Upstream

pytestmark = pytest.mark.slow


async def refusal(
    edge: Edge, path: str, key: str | None = None, **options: object
) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body of a handshake that fails."""
    with pytest.raises(InvalidStatus) as refused:
        async with edge.open(path, key, **options):
            pass
    response = refused.value.response
    return response.status_code, {k.lower(): v for k, v in response.headers.raw_items()}, bytes(response.body or b"")


# -- through ---------------------------------------------------------------------------------------------------------


async def test_text_and_binary_go_both_ways_as_they_are(proxy: Edge, upstream: Upstream) -> None:
    messages: list[str | bytes] = ["a", "ü☃\U0001f600", "", b"", b"\x00\xff", "x" * (1 << 20), bytes(1 << 20)]
    async with proxy.open("/ws/echo") as client:
        for message in messages:
            await client.send(message)
            assert await client.recv() == message
    assert upstream.messages == messages


async def test_fragments_arrive_as_one_message(proxy: Edge, upstream: Upstream) -> None:
    async with proxy.open("/ws/echo") as client:
        await client.send(["one ", "two ", "three"])
        assert await client.recv() == "one two three"
    assert upstream.messages == ["one two three"]


async def test_a_ping_is_answered_by_the_gateway(proxy: Edge) -> None:
    async with proxy.open("/ws/echo") as client:
        await asyncio.wait_for(await client.ping(), 10)


async def test_five_thousand_messages_each_way_keep_their_order(proxy: Edge, upstream: Upstream) -> None:
    count = 5000
    async with proxy.open("/ws/echo") as client:

        async def send() -> None:
            for number in range(count):
                await client.send(str(number))

        sending = asyncio.create_task(send())
        assert [await client.recv() for _ in range(count)] == [str(number) for number in range(count)]
        await sending
    assert len(upstream.messages) == count


async def test_the_upstream_chooses_among_the_subprotocols_asked_for(proxy: Edge) -> None:
    async with proxy.open("/ws/echo", subprotocols=["other", "chat.v1"]) as client:
        assert client.subprotocol == "chat.v1"
    async with proxy.open("/ws/echo") as client:
        assert client.subprotocol is None


async def test_the_handshake_carries_what_a_request_would(proxy: Edge) -> None:
    key, headers = proxy.site.keys["reader"], [
        ("Origin", "https://shop.example"), ("Cookie", "a=1"), ("X-Custom", "caf\u00e9"),
        ("X-Auth-Subject", "root"), ("X_Auth_Subject", "root"), ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-User", "root"), ("Forwarded", "for=203.0.113.9"), ("X-Original-URL", "/admin"),
        ("Sec_WebSocket_Key", "x"), ("Proxy-Authorization", "Basic eDp5"),
    ]  # fmt: skip
    async with proxy.open("/ws/headers/a%20b?q=%20a", key, headers=headers, compression="deflate") as client:
        seen = [(name.lower(), value) for name, value in json.loads(await client.recv())]
    fields = dict(seen)
    assert len(fields) == len(seen)
    assert (fields["origin"], fields["cookie"], fields["x-custom"]) == ("https://shop.example", "a=1", "caf\u00e9")
    assert (fields["x-auth-subject"], fields["x-auth-key-id"]) == ("alice", proxy.site.ids["reader"])
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http"
    assert fields["host"] == fields["x-forwarded-host"] == f"127.0.0.1:{proxy.port}"
    assert fields["via"] == "1.1 gateway-auth"
    assert fields["sec-websocket-version"] == "13"
    gone = ("x-api-key", "x_auth_subject", "forwarded", "x-forwarded-user", "x-original-url", "proxy-authorization",
            "sec_websocket_key", "sec-websocket-extensions", "sec-websocket-protocol", "content-length")  # fmt: skip
    assert [name for name in gone if name in fields] == []


async def test_the_target_is_forwarded_byte_for_byte(proxy: Edge, upstream: Upstream) -> None:
    async with proxy.open("/ws/echo/a%20b;c?q=%20a&r=%2F"):
        pass
    assert upstream.requests[0].path == "/ws/echo/a%20b;c?q=%20a&r=%2F"


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "status", "code"),
    [
        ("/read/echo", None, 401, "credential_required"),
        ("/read/echo", "revoked", 401, "credential_revoked"),
        ("/read/echo", "plain", 403, "insufficient_scope"),
        ("/nowhere", "reader", 403, "no_matching_route"),
    ],
)
async def test_who_may_not_reaches_nobody(
    proxy: Edge, upstream: Upstream, path: str, kind: str | None, status: int, code: str
) -> None:
    key = proxy.site.keys[kind] if kind else None
    answered, _, body = await refusal(proxy, path, key)
    while answered == 503:  # A machine that stalls for a moment is no fault of the store.
        answered, _, body = await refusal(proxy, path, key)
    assert (answered, json.loads(body)["code"]) == (status, code)
    assert upstream.requests == []


async def test_a_socket_holds_its_slot_until_it_ends(proxy: Edge, upstream: Upstream) -> None:
    key = proxy.site.keys["admin"]
    async with proxy.open("/one/echo", key) as client:
        await client.send("a")
        await client.recv()
        status, fields, body = await refusal(proxy, "/one/echo", key)
        assert (status, json.loads(body)["code"]) == (429, "rate_limited")
        assert fields["retry-after"]
    await until(lambda: upstream.open == 0)
    async with proxy.open("/one/echo", key) as client:
        await client.send("b")
        assert await client.recv() == "b"


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
async def test_the_upstreams_refusal_is_the_clients(proxy: Edge, upstream: Upstream, status: int) -> None:
    answered, fields, body = await refusal(proxy, f"/ws/refuse/{status}")
    assert (answered, fields["content-type"], body) == (status, "text/plain", b"nope")
    assert fields["x-why"] == "a, b"
    assert len(upstream.requests) == 1
    assert b"panicked" not in proxy.log.read_bytes()


async def test_an_answer_that_is_neither_yes_nor_no_is_a_bad_gateway(proxy: Edge) -> None:
    status, _, body = await refusal(proxy, "/ws/refuse/200")
    assert (status, json.loads(body)["code"]) == (502, "upstream_unavailable")


async def test_a_client_that_leaves_while_the_upstream_hesitates_leaves_nothing_behind(
    all_edges: tuple[Upstream, dict[str, Edge]], upstream: Upstream
) -> None:
    # Granian tells an app of no disconnect before it has accepted: there the time for a handshake bounds it.
    opening = asyncio.create_task(refusal(all_edges[1]["proxied-uvicorn"], "/ws/hang"))
    await until(lambda: upstream.hanging == 1)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await until(lambda: upstream.hanging == 0)


# -- ended -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (1008, "no"), (4321, "grüße"), (3000, "")])
async def test_the_clients_close_reaches_the_upstream(proxy: Edge, upstream: Upstream, code: int, reason: str) -> None:
    async with proxy.open("/ws/echo") as client:
        await client.send("a")
        await client.recv()
        await client.close(code, reason)
    await until(lambda: len(upstream.closes) == 1)
    assert upstream.closes == [(code, reason)]


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (1011, "broken"), (4321, "grüße")])
async def test_the_upstreams_close_reaches_the_client(proxy: Edge, upstream: Upstream, code: int, reason: str) -> None:
    async with proxy.open("/ws/close") as client:
        await client.send(f"{code} {reason}")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), 10)
        assert (client.close_code, client.close_reason) == (code, reason)
    await until(lambda: len(upstream.closes) == 1)  # or the next test would be told of it


async def test_a_client_that_breaks_off_is_gone_for_the_upstream(proxy: Edge, upstream: Upstream) -> None:
    async with proxy.open("/ws/echo") as client:
        await client.send("a")
        await client.recv()
        client.transport.abort()
    await until(lambda: len(upstream.closes) == 1)
    assert upstream.closes[0][0] == 1001


async def test_an_upstream_that_breaks_off_is_told_as_an_error(proxy: Edge, upstream: Upstream) -> None:
    async with proxy.open("/ws/abort") as client:
        await client.send("a")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), 10)
        assert client.close_code == 1011


TOO_BIG: list[Callable[[], str | bytes]] = [lambda: bytes((2 << 20) + 1), lambda: "ü" * ((1 << 20) + 1)]


@pytest.mark.parametrize("make", TOO_BIG, ids=["bytes", "text"])
async def test_a_message_over_the_cap_goes_no_further(
    proxy: Edge, upstream: Upstream, make: Callable[[], str | bytes]
) -> None:
    async with proxy.open("/ws/echo") as client:
        await client.send(make())
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), 10)
        assert client.close_code == 1009
    await until(lambda: len(upstream.closes) == 1)
    assert (upstream.messages, upstream.closes[0][0]) == ([], 1009)


async def test_a_message_over_the_cap_from_the_upstream_ends_both(proxy: Edge, upstream: Upstream) -> None:
    async with proxy.open("/ws/burst") as client:
        await client.send(f"1 {(2 << 20) + 1}")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), 10)
        assert client.close_code == 1009
    await until(lambda: len(upstream.closes) == 1)
    assert upstream.closes[0][0] == 1009
