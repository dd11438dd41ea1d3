"""What is on the way back: our request id on every answer, our limits, and nothing the app says in our name."""

from __future__ import annotations

import re

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_auth import GatewayAuth
from tests.asgi.raw import call, connect, get, http_scope, websocket_scope
from tests.asgi.world import Echo, Mount

OUR_NAMES = ["x-request-id", "X-Request-ID", "X-REQUEST-ID"]


def answering(*headers: tuple[bytes, bytes], status: int = 200) -> ASGIApp:
    """An app that answers with these headers, and refuses every WebSocket with an answer that has them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        kind = "websocket.http" if scope["type"] == "websocket" else "http"
        await send({"type": f"{kind}.response.start", "status": status, "headers": list(headers)})
        await send({"type": f"{kind}.response.body", "body": b""})

    return app


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/public", None, 200),
        ("/known", None, 401),
        ("/orders/1", "plain", 403),
        ("/nowhere", None, 403),
        ("/a//b", None, 400),
    ],
)
async def test_every_answer_has_one_request_id_and_it_is_ours(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], path: str, kind: str | None, status: int
) -> None:
    ids = set()
    for _ in range(3):
        answer = await get(gateway, path, key[kind] if kind else None, [("x-request-id", "theirs")])
        assert answer.status == status
        ids.add(answer.only("x-request-id"))
    assert len(ids) == 3
    assert "theirs" not in ids
    assert all(re.fullmatch(r"[0-9a-zA-Z-]{8,64}", text) for text in ids)


async def test_the_app_is_given_the_id_the_client_gets(gateway: GatewayAuth, app: Echo) -> None:
    answer = await get(gateway, "/public", headers=[("x-request-id", "theirs"), ("X-Request-Id", "again")])
    assert app.values("x-request-id") == [answer.only("x-request-id")]
    assert app.last["gateway_auth"].request_id == answer.only("x-request-id")


async def test_the_clients_own_id_is_kept_for_the_log_bounded_and_in_one_line(
    gateway: GatewayAuth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway_auth.decisions")
    await get(gateway, "/known", headers=[("x-request-id", 'evil\r\n"forged": "line' + "x" * 100_000)])
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gateway_auth.decisions"]
    assert "\n" not in line
    assert '"client_request_id": "evil\\r\\n' in line
    assert len(line) < 500


@pytest.mark.parametrize("name", OUR_NAMES)
@pytest.mark.parametrize("path", ["/public", "/limited"])
async def test_the_app_cannot_answer_with_a_request_id_of_its_own(
    mount: Mount, key: dict[str, str], name: str, path: str
) -> None:
    gateway = await mount(answering((name.encode(), b"forged")))
    answer = await get(gateway, path, key["plain"] if path == "/limited" else None)
    assert answer.only("x-request-id") != "forged"


@pytest.mark.parametrize("name", ["ratelimit", "RateLimit", "ratelimit-policy", "RateLimit-Policy"])
async def test_the_app_cannot_speak_of_limits_where_we_do(mount: Mount, key: dict[str, str], name: str) -> None:
    gateway = await mount(answering((name.encode(), b'"forged";q=9;w=9')))
    answer = await get(gateway, "/limited", key["plain"])
    assert answer.only(name.lower()).startswith('"per-key"')


async def test_an_app_with_limits_of_its_own_may_say_so_where_we_have_none(mount: Mount) -> None:
    gateway = await mount(answering((b"ratelimit", b'"theirs";r=1;t=1')))
    assert (await get(gateway, "/public")).only("ratelimit") == '"theirs";r=1;t=1'


async def test_header_pairs_may_be_lists_and_come_from_a_generator(mount: Mount) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        headers = ([name, b"1"] for name in (b"x-a", b"x-request-id", b"x-b"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    answer = await get(await mount(app), "/public")
    assert [bytes(name) for name, _ in answer.start["headers"]] == [b"x-a", b"x-b", b"x-request-id"]


async def test_an_answer_without_headers_gets_ours(mount: Mount) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    assert (await get(await mount(app), "/public")).only("x-request-id")


@pytest.mark.parametrize("status", [301, 401, 404, 500, 503])
async def test_the_apps_own_answers_stay_its_own(mount: Mount, status: int) -> None:
    headers = [(b"www-authenticate", b"Basic"), (b"retry-after", b"9"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
    answer = await get(await mount(answering(*headers, status=status)), "/public")
    assert answer.status == status
    assert [pair for pair in answer.start["headers"] if pair[0] != b"x-request-id"] == headers


async def test_an_accepted_websocket_carries_our_headers(gateway: GatewayAuth, key: dict[str, str]) -> None:
    answer = await connect(gateway, websocket_scope("/socket", [("x-api-key", key["reader"])]))
    (accept,) = answer.messages
    assert [name for name, _ in accept["headers"]] == [b"x-request-id"]


@pytest.mark.parametrize("name", OUR_NAMES)
async def test_the_apps_own_refusal_of_a_websocket_carries_our_request_id(
    mount: Mount, key: dict[str, str], name: str
) -> None:
    gateway = await mount(answering((name.encode(), b"forged"), status=404))
    scope = websocket_scope("/socket", [("x-api-key", key["reader"])], extensions={"websocket.http.response": {}})
    answer = await connect(gateway, scope)
    assert answer.status == 404
    assert answer.only("x-request-id") != "forged"


async def test_a_refusal_is_one_complete_answer(gateway: GatewayAuth) -> None:
    answer = await call(gateway, http_scope("GET", "/known"))
    assert [message["type"] for message in answer.messages] == ["http.response.start", "http.response.body"]
    assert not answer.messages[1].get("more_body")
    assert answer.problem["type"].endswith("credential_required")
