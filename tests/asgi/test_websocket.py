"""WebSockets: judged before they are accepted, like a GET of the same path, on routes that want them."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import WebSocketException
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from gateway_auth import GatewayAuth, requires
from tests.asgi.raw import connect, http_scope, websocket_scope
from tests.asgi.world import Echo, Mount, Site

CAN_ANSWER: dict[str, object] = {"websocket.http.response": {}}
REFUSED = [
    ("/socket", None, 401, "credential_required"),
    ("/socket", "plain", 403, "insufficient_scope"),
    ("/socket", "revoked", 401, "credential_revoked"),
    ("/socket", "gwk_nonsense", 401, "invalid_credential"),
    ("/known", "plain", 403, "request_not_allowed"),
    ("/public", None, 403, "request_not_allowed"),
    ("/nowhere", "reader", 403, "no_matching_route"),
    ("/socket/../socket", "reader", 400, "malformed_request"),
]


def presented(site: Site, kind: str | None) -> list[tuple[str, str]]:
    return [] if kind is None else [("x-api-key", site.keys.get(kind, kind))]


@pytest.mark.parametrize(("path", "kind", "status", "code"), REFUSED)
async def test_it_is_refused_before_it_is_accepted(
    gateway: GatewayAuth, app: Echo, site: Site, path: str, kind: str | None, status: int, code: str
) -> None:
    answer = await connect(gateway, websocket_scope(path, presented(site, kind)))
    assert answer.messages == [{"type": "websocket.close", "code": 1008, "reason": code}]
    assert app.scopes == []


@pytest.mark.parametrize(("path", "kind", "status", "code"), REFUSED)
async def test_the_whole_answer_is_sent_where_the_server_can_carry_it(
    gateway: GatewayAuth, app: Echo, site: Site, path: str, kind: str | None, status: int, code: str
) -> None:
    scope = websocket_scope(path, presented(site, kind), extensions=CAN_ANSWER)
    answer = await connect(gateway, scope)
    assert answer.refusal == (status, code)
    assert bool(answer.values("www-authenticate")) == (status == 401 or code == "insufficient_scope")
    assert app.scopes == []


async def test_a_refused_upgrade_repeats_no_header_name(gateway: GatewayAuth) -> None:
    # Granian 2.8.7 panics on a repeated one, and the worker with all its connections is gone.
    answer = await connect(gateway, websocket_scope("/socket", extensions=CAN_ANSWER))
    names = [name for name, _ in answer.start["headers"]]
    assert len(names) == len(set(names))
    assert answer.only("www-authenticate") == 'Bearer realm="orders", ApiKey realm="orders"'


async def test_a_good_credential_is_accepted_and_known_to_the_app(gateway: GatewayAuth, app: Echo, site: Site) -> None:
    answer = await connect(gateway, websocket_scope("/socket", presented(site, "wildcard")))
    assert [message["type"] for message in answer.messages] == ["websocket.accept"]
    assert app.last["user"].key_id == site.ids["wildcard"]
    assert (app.values("x-api-key"), app.values("x-auth-subject")) == ([], ["alice"])


async def test_the_keys_a_server_may_leave_out_may_be_missing(gateway: GatewayAuth, site: Site) -> None:
    full = websocket_scope("/socket", presented(site, "reader"))
    for names in (["http_version"], ["extensions"], ["scheme"], ["raw_path"], ["root_path", "query_string", "client"]):
        scope = {name: value for name, value in full.items() if name not in names}
        assert (await connect(gateway, scope)).messages[0]["type"] == "websocket.accept"


async def test_an_upgrade_that_arrives_as_http_is_judged_as_http(gateway: GatewayAuth, app: Echo, site: Site) -> None:
    upgrade = [("connection", "upgrade"), ("upgrade", "websocket")]
    scope = http_scope("GET", "/socket", [*upgrade, *presented(site, "plain")])
    assert (await connect(gateway, scope)).refusal == (403, "insufficient_scope")
    assert app.scopes == []


class Chat(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(f"{websocket.user.subject}: {data}")


def test_frames_go_both_ways_untouched(site: Site) -> None:
    app = GatewayAuth(Starlette(routes=[WebSocketRoute("/socket", Chat)]), config=site.config())
    with (
        TestClient(app) as client,
        client.websocket_connect("/socket", headers={"x-api-key": site.keys["reader"]}) as socket,
    ):
        for text in ("a", "b" * 100_000, "ü"):
            socket.send_text(text)
            assert socket.receive_text() == f"alice: {text}"


def test_a_client_sees_why_it_was_refused(site: Site) -> None:
    app = GatewayAuth(Starlette(routes=[WebSocketRoute("/socket", Chat)]), config=site.config())
    with TestClient(app) as client:
        with pytest.raises(WebSocketDenialResponse) as refusal, client.websocket_connect("/socket"):
            pass
        assert refusal.value.status_code == 401
        assert refusal.value.json()["code"] == "credential_required"


@requires(roles=["auditor"])
async def audited(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("audit")


@requires(scopes=["orders:write"])
async def written(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("written")
    await websocket.close()


async def accepted_first(websocket: WebSocket) -> None:
    await websocket.accept()
    await audited(websocket)


def app_of_endpoints() -> Starlette:
    return Starlette(
        routes=[
            WebSocketRoute("/audited", audited),
            WebSocketRoute("/written", written),
            WebSocketRoute("/late", accepted_first),
        ]
    )


SOCKETS = [
    {"id": name, "path": f"/{name}", "websocket": True, "access": "optional"} for name in ("audited", "written", "late")
]


@pytest.mark.parametrize(
    ("path", "kind", "status", "code", "scopes"),
    [
        ("/audited", "analyst", 403, "insufficient_role", None),
        ("/audited", None, 401, "credential_required", None),
        ("/written", "reader", 403, "insufficient_scope", 'scope="orders:write"'),
    ],
)
async def test_requires_refuses_inside_the_app_with_the_gateways_answer(
    mount: Mount, site: Site, path: str, kind: str | None, status: int, code: str, scopes: str | None
) -> None:
    gateway = await mount(app_of_endpoints(), routes=SOCKETS)
    plain = await connect(gateway, websocket_scope(path, presented(site, kind)))
    assert plain.messages == [{"type": "websocket.close", "code": 1008, "reason": code}]
    full = await connect(gateway, websocket_scope(path, presented(site, kind), extensions=CAN_ANSWER))
    assert full.refusal == (status, code)
    assert scopes is None or scopes in full.only("www-authenticate")


async def test_requires_lets_pass_who_may(mount: Mount, site: Site) -> None:
    gateway = await mount(app_of_endpoints(), routes=SOCKETS)
    answer = await connect(gateway, websocket_scope("/written", presented(site, "wildcard")))
    assert [message["type"] for message in answer.messages] == ["websocket.accept", "websocket.send", "websocket.close"]


@pytest.mark.parametrize("extensions", [{}, CAN_ANSWER], ids=["plain", "can-answer"])
async def test_a_refusal_after_the_accept_closes_with_1008(
    mount: Mount, site: Site, extensions: dict[str, object]
) -> None:
    gateway = await mount(app_of_endpoints(), routes=SOCKETS)
    scope = websocket_scope("/late", presented(site, "analyst"), extensions=extensions)
    answer = await connect(gateway, scope)
    assert [message["type"] for message in answer.messages] == ["websocket.accept", "websocket.close"]
    assert answer.messages[1]["code"] == 1008


async def test_an_app_that_swallows_the_refusal_does_not_accept(mount: Mount, site: Site) -> None:
    async def stubborn(websocket: WebSocket) -> None:
        try:
            await audited(websocket)
        except WebSocketException:
            await websocket.accept()
            await websocket.send_text("secret")

    gateway = await mount(Starlette(routes=[WebSocketRoute("/audited", stubborn)]), routes=SOCKETS)
    answer = await connect(gateway, websocket_scope("/audited", presented(site, "analyst")))
    assert [m for m in answer.messages if m["type"] in ("websocket.accept", "websocket.send")] == []
