"""What a proxy is answered: the decision of the request it asks about, whichever kind of proxy asks."""

from __future__ import annotations

import json

import pytest

from gateway_auth.forward_auth.answer import PROBLEM_HEADER
from tests.asgi.raw import call, connect, http_scope
from tests.asgi.world import Site
from tests.forward_auth.asking import AUTHORIZE, PROXIES, asked
from tests.forward_auth.conftest import Ask

KINDS = sorted(set(PROXIES.values()))
IDENTITY = ("x-auth-subject", "x-auth-app", "x-auth-key-id", "x-auth-scopes", "x-auth-roles", "x-auth-method")
CAN_ANSWER: dict[str, object] = {"websocket.http.response": {}}


@pytest.mark.parametrize(("proxy", "kind"), PROXIES.items())
async def test_a_good_request_is_let_pass_with_the_identity_and_nothing_else(
    start: Ask, site: Site, proxy: str, kind: str
) -> None:
    app = await start(proxy)
    answer = await call(app, asked(kind, "GET", "/orders/1?a=b", [("x-api-key", site.keys["reader"])]))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.only("x-auth-method") == "api_key"
    assert answer.only("x-auth-subject") == "alice"
    assert answer.only("x-auth-key-id") == site.ids["reader"]
    assert answer.only("x-auth-scopes") == "orders:read"
    assert answer.values("x-auth-roles") == []
    assert answer.only("x-request-id")
    assert answer.only("cache-control") == "no-store"
    assert not [value for _, value in answer.start["headers"] if site.keys["reader"].encode() in value]


@pytest.mark.parametrize(
    ("method", "uri", "key", "status", "code"),
    [
        ("GET", "/orders/1", None, 401, "credential_required"),
        ("GET", "/orders/1", "revoked", 401, "credential_revoked"),
        ("GET", "/orders/1", "plain", 403, "insufficient_scope"),
        ("POST", "/orders/1", "reader", 403, "insufficient_scope"),
        ("DELETE", "/orders/1", "wildcard", 403, "no_matching_route"),
        ("GET", "/analysts", "reader", 403, "insufficient_role"),
        ("GET", "/inside", "plain", 403, "network_not_allowed"),
        ("GET", "/console", "plain", 403, "referrer_not_allowed"),
        ("GET", "/nowhere", "reader", 403, "no_matching_route"),
        ("GET", "/known/../orders/1", "reader", 400, "malformed_request"),
        ("GET", "/known/%2e%2e/orders/1", "reader", 400, "malformed_request"),
        ("GET", "//orders/1", "reader", 400, "malformed_request"),
        ("GET", "/orders%2f1", "reader", 400, "malformed_request"),
        ("get", "/orders/1", "reader", 400, "malformed_request"),
        ("CONNECT", "/orders/1", "reader", 403, "no_matching_route"),
    ],
)
async def test_a_refusal_is_the_one_the_client_would_get(
    start: Ask, site: Site, method: str, uri: str, key: str | None, status: int, code: str
) -> None:
    credential = [("x-api-key", site.keys[key])] if key is not None else []
    app = await start()
    for kind in KINDS:
        answer = await call(app, asked(kind, method, uri, credential))
        assert answer.refusal == (status, code), kind
        assert [answer.values(name) for name in IDENTITY] == [[]] * len(IDENTITY)
        assert bool(answer.values("www-authenticate")) == (status == 401 or code == "insufficient_scope")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_in_the_original_query_is_found(start: Ask, site: Site, kind: str) -> None:
    answer = await call(await start(), asked(kind, "GET", f"/orders/1?k={site.keys['reader']}"))
    assert answer.refusal == (401, "credential_in_url")


@pytest.mark.parametrize("kind", KINDS)
async def test_limits_count_and_are_told(start: Ask, site: Site, kind: str) -> None:
    app = await start()
    question = asked(kind, "GET", "/limited", [("x-api-key", site.keys["metered"])])
    answers = [await call(app, question) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert all(answer.only("ratelimit") and answer.only("ratelimit-policy") for answer in answers)
    assert int(answers[2].only("retry-after")) >= 1


async def test_a_head_is_judged_as_a_head(start: Ask, site: Site) -> None:
    app = await start()
    key = [("x-api-key", site.keys["reader"])]
    assert [(await call(app, asked(kind, "HEAD", "/orders/1", key))).status for kind in KINDS] == [200] * len(KINDS)


async def test_a_preflight_goes_on_as_anonymous(start: Ask, site: Site) -> None:
    headers = [("origin", "https://shop.example"), ("access-control-request-method", "GET")]
    app = await start()
    for kind in KINDS:
        answer = await call(app, asked(kind, "OPTIONS", "/orders/1", [*headers, ("x-api-key", site.keys["reader"])]))
        assert (answer.status, answer.only("x-auth-method")) == (200, "anonymous")
        assert (await call(app, asked(kind, "OPTIONS", "/strict", headers))).status == 401


async def test_the_client_is_who_the_proxy_says_and_never_the_proxy(start: Ask, site: Site) -> None:
    app = await start(trusted_proxies=["10.0.0.0/8"])
    key = ("x-api-key", site.keys["plain"])
    question = asked("original", "GET", "/inside", [key], client=("10.1.2.3", 1))
    inside = [(n, b"10.1.2.4" if n == b"x-forwarded-for" else v) for n, v in question["headers"]]
    nobody = [pair for pair in question["headers"] if pair[0] != b"x-forwarded-for"]
    blank = [(n, b" " if n == b"x-forwarded-for" else v) for n, v in question["headers"]]
    assert (await call(app, {**question, "headers": inside})).status == 200
    for headers in (question["headers"], nobody, blank):
        assert (await call(app, {**question, "headers": headers})).refusal == (403, "network_not_allowed")


async def test_an_unknown_client_is_one_client_to_limits_and_the_brake(start: Ask, site: Site) -> None:
    app = await start(failed_auth={"rate": "2/minute", "by": "address"})
    told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/by-address")]
    nobody = http_scope("GET", AUTHORIZE, told)
    assert [(await call(app, nobody)).status for _ in range(2)] == [200, 429]
    assert (await call(app, asked("forwarded", "GET", "/by-address"))).status == 200
    guess = http_scope("GET", AUTHORIZE, [told[0], ("x-forwarded-uri", "/known"), ("x-api-key", "gwk_nonsense")])
    assert [(await call(app, guess)).status for _ in range(3)] == [401, 401, 429]


async def test_https_is_what_the_proxy_says(start: Ask, site: Site) -> None:
    app = await start(require_https=True)
    question = asked("forwarded", "GET", "/orders/1", [("x-api-key", site.keys["reader"])])
    assert (await call(app, question)).status == 200
    for value, status in ((b"http", 403), (b"ws", 403), (b"wss", 200), (b"gopher", 403), (b"https,http", 403)):
        told = [(n, value if n == b"x-forwarded-proto" else v) for n, v in question["headers"]]
        assert (await call(app, {**question, "headers": told})).status == status
    untold = [pair for pair in question["headers"] if pair[0] != b"x-forwarded-proto"]
    assert (await call(app, {**question, "headers": untold, "scheme": "https"})).refusal == (403, "https_required")


async def test_the_challenge_names_the_original_host(start: Ask) -> None:
    app = await start()
    told = await call(app, asked("forwarded", "GET", "/orders/1", [("x-forwarded-host", "shop.example:8443")]))
    assert told.status == 401
    for host in ("a/b", "", "a b"):
        answer = await call(app, asked("forwarded", "GET", "/orders/1", [("x-forwarded-host", host)]))
        assert answer.refusal == (400, "malformed_request")


@pytest.mark.parametrize(
    ("route", "headers", "kept"),
    [
        ("/public", [("authorization", "Basic dTpw")], [("authorization", "Basic dTpw")]),
        ("/keeping", [("x-api-key", "{plain}")], [("x-api-key", "{plain}")]),
        ("/known", [("x-api-key", "{plain}")], []),
        ("/public", [("authorization", "Bearer {plain}")], []),
    ],
)
async def test_credentials_go_on_where_the_route_lets_them(
    start: Ask, site: Site, route: str, headers: list[tuple[str, str]], kept: list[tuple[str, str]]
) -> None:
    sent = [(name, value.replace("{plain}", site.keys["plain"])) for name, value in headers]
    answer = await call(await start(), asked("original", "GET", route, sent))
    assert answer.status == 200
    found = [(name, value) for name in ("authorization", "x-api-key") for value in answer.values(name)]
    assert found == [(name, value.replace("{plain}", site.keys["plain"])) for name, value in kept]


async def test_proxies_that_pass_on_no_body_get_it_in_a_header(start: Ask) -> None:
    app = await start()
    header = PROBLEM_HEADER.decode()
    for kind in KINDS:
        answer = await call(app, asked(kind, "GET", "/orders/1"))
        assert answer.values(header) == ([answer.body.decode()] if kind == "original" else [])
    assert (await call(app, asked("original", "GET", "/public"))).values(header) == []


@pytest.mark.parametrize(
    "handshake",
    [
        [("upgrade", "websocket")],
        [("upgrade", "WebSocket"), ("connection", "Upgrade")],
        [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")],
        [("sec-websocket-version", "13")],
    ],
)
async def test_a_websocket_is_judged_as_one(start: Ask, site: Site, handshake: list[tuple[str, str]]) -> None:
    app = await start()
    headers = [*handshake, ("x-api-key", site.keys["reader"])]
    for kind in KINDS:
        assert (await call(app, asked(kind, "GET", "/socket", headers))).status == 200
        assert (await call(app, asked(kind, "GET", "/orders/1", headers))).refusal == (403, "request_not_allowed")
        assert (await call(app, asked(kind, "POST", "/orders/1", headers))).refusal == (400, "malformed_request")


async def test_a_question_that_is_itself_an_upgrade_is_answered(start: Ask, site: Site) -> None:
    app = await start()
    question = asked("forwarded", "GET", "/socket", [("x-api-key", site.keys["reader"])])
    question |= {"type": "websocket", "scheme": "ws", "subprotocols": [], "extensions": CAN_ANSWER}
    answer = await connect(app, question)
    assert (answer.status, answer.only("x-auth-subject")) == (200, "alice")
    names = [name for name, _ in answer.start["headers"]]
    assert len(names) == len(set(names))
    assert (await connect(app, {**question, "path": "/", "raw_path": b"/"})).refusal == (403, "no_matching_route")
    mute = await connect(app, {**question, "extensions": {}})
    assert mute.messages == [{"type": "websocket.close", "code": 1008}]


async def test_what_a_question_carries_of_the_connection_decides_nothing(start: Ask, site: Site) -> None:
    headers = [
        ("x-api-key", site.keys["reader"]), ("content-length", "99999999999"), ("content-length", "x"),
        ("transfer-encoding", "chunked"), ("expect", "100-continue"), ("connection", "x-api-key"), ("te", "trailers"),
    ]  # fmt: skip
    assert (await call(await start(), asked("original", "GET", "/orders/1", headers))).status == 200


async def test_the_body_of_a_question_is_not_read(start: Ask, site: Site) -> None:
    question = asked("original", "GET", "/orders/1", [("x-api-key", site.keys["reader"])])
    assert (await call(await start(), question, b"a" * 99_999, b"b")).status == 200


async def test_refusals_are_problems_in_form(start: Ask) -> None:
    answer = await call(await start(), asked("original", "GET", "/orders/1"))
    assert json.loads(answer.values(PROBLEM_HEADER.decode())[0]) == answer.problem
    assert AUTHORIZE not in answer.body.decode()
