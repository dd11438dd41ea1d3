"""What the configurations of deploy/ promise, with the real proxies: see docs/forward-auth.md."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conformance.answers import check_refusal
from tests.conformance.asking import asked
from tests.conformance.edges import Edge, free_port, fresh_address
from tests.conformance.record import Record
from tests.conformance.upstream import Upstream
from tests.conformance.vectors import UNKNOWN_KEY, key_id
from tests.conformance.wire import Answer, Connection, ask, request
from tests.conformance.world import World
from tests.deploy.accepting import Accepting
from tests.deploy.proxies import available, running

pytestmark = pytest.mark.slow

Fields = list[tuple[str, bytes]]
HANDSHAKE: Fields = [
    ("Connection", b"Upgrade"),
    ("Upgrade", b"websocket"),
    ("Sec-WebSocket-Version", b"13"),
    ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]
LOOK_ALIKES = [
    "X_Auth_Subject",
    "X-Auth_Subject",
    "x_auth-roles",
    "X_Request_Id",
    "X_Forwarded_Uri",
    "X_User_Id",
    "Remote_User",
]
TELLS_ON_SUCCESS = ("nginx", "envoy", "caddy", "haproxy")
"""Traefik hands nothing of an answer that lets pass to the client."""
REMOVES_BY_PREFIX = ("envoy", "traefik", "caddy", "haproxy")
"""nginx, without a module it does not come with, removes a header by its full name only."""


@pytest.fixture(scope="module", params=available())
def edge(request: pytest.FixtureRequest, world: World) -> Iterator[Edge]:
    """One proxy after the other, each with a gateway and an application of its own."""
    with asked(world, request.param, Accepting()) as asked_edge:
        yield asked_edge


def key(edge: Edge, name: str = "KEY") -> tuple[str, bytes]:
    return "X-API-Key", edge.world.keys[name].encode()


def send(
    edge: Edge, method: str, target: str, fields: Fields, *, source: str = "", keeps: bool = False
) -> tuple[Answer, list[Record]]:
    """The answer and what the application saw, checked: identity exactly once, no credential."""
    edge.take_records(keeps_credentials=True)
    answer = ask(edge.port, request(method, target, fields), method=method, source=source or fresh_address())
    return answer, edge.take_records(keeps_credentials=keeps)


def test_a_good_key_passes_and_the_application_learns_whose_it_is(edge: Edge) -> None:
    answer, (record,) = send(edge, "GET", "/api/items/1?a=b&c=%20", [key(edge)])
    assert (answer.status, answer.body) == (200, b'{"served":true}')
    assert (record.method, record.target) == ("GET", b"/api/items/1?a=b&c=%20")
    assert record.values("x-auth-subject") == ["client-1"]
    assert record.values("x-auth-key-id") == [key_id(edge.world.keys["KEY"])]
    assert record.values("x-auth-scopes") == ["items:read"]
    assert record.values("x-auth-method") == ["api_key"]
    if edge.name in TELLS_ON_SUCCESS:
        assert answer.value("x-request-id") == record.values("x-request-id")[0]


@pytest.mark.parametrize(
    ("method", "target", "credential", "status", "code"),
    [
        ("GET", "/api/items/1", None, 401, "credential_required"),
        ("GET", "/api/items/1", "unknown", 401, "invalid_credential"),
        ("GET", "/api/items/1", "REVOKED", 401, "credential_revoked"),
        ("GET", "/api/items/1?k={KEY}", None, 401, "credential_in_url"),
        ("GET", "/api/items/1", "POOR", 403, "insufficient_scope"),
        ("DELETE", "/api/items/1", "KEY", 403, "insufficient_scope"),
        ("PUT", "/api/items", "KEY", 403, "no_matching_route"),
        ("GET", "/nowhere", "KEY", 403, "no_matching_route"),
        ("GET", "/analysts", "KEY", 403, "insufficient_role"),
        ("GET", "/inside", "KEY", 403, "network_not_allowed"),
        ("GET", "/public/../api/items/1", "KEY", 400, "malformed_request"),
        ("GET", "/public//x", None, 400, "malformed_request"),
        ("POST", "/api/items", None, 401, "credential_required"),
        ("OPTIONS", "/api/items", None, 403, "no_matching_route"),
    ],
)
def test_a_refusal_reaches_the_client_whole(
    edge: Edge, method: str, target: str, credential: str | None, status: int, code: str
) -> None:
    keys = {**edge.world.keys, "unknown": UNKNOWN_KEY}
    fields: Fields = [("X-API-Key", keys[credential].encode())] if credential is not None else []
    answer, records = send(edge, method, target.replace("{KEY}", keys["KEY"]), fields)
    assert (answer.status, check_refusal(answer), records) == (status, code, [])
    assert not answer.values("x-gateway-problem")


def test_two_credentials_are_refused(edge: Edge) -> None:
    bearer = ("Authorization", b"Bearer " + edge.world.keys["KEY2"].encode())
    answer, records = send(edge, "GET", "/api/items/1", [key(edge), bearer])
    assert (check_refusal(answer), records) == ("ambiguous_credentials", [])


def test_a_limit_is_told_and_held(edge: Edge) -> None:
    edge.take_records()
    raw = request("GET", "/limited", [key(edge, "KEY2" if edge.name != "nginx" else "KEY")])
    with Connection(edge.port, fresh_address()) as connection:
        answers = []
        for _ in range(3):
            connection.send(raw)
            answers.append(connection.answer())
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert check_refusal(answers[2]) == "rate_limited"
    assert len(edge.take_records()) == 2
    told = answers if edge.name in TELLS_ON_SUCCESS else answers[2:]
    assert all(answer.value("ratelimit-policy") == '"few";q=2;w=3600' and answer.value("ratelimit") for answer in told)


def test_a_head_is_judged_as_a_head_and_answered_without_a_body(edge: Edge) -> None:
    answer, records = send(edge, "HEAD", "/api/items/1", [key(edge)])
    assert (answer.status, answer.body, [record.method for record in records]) == (200, b"", ["HEAD"])
    answer, records = send(edge, "HEAD", "/api/items/1", [])
    assert (answer.status, answer.body, records) == (401, b"", [])
    assert answer.values("www-authenticate")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_the_application_answers_is_not_taken_for_the_gateways(edge: Edge, status: int) -> None:
    answer, records = send(edge, "GET", f"/known/answer-{status}", [key(edge)])
    assert (answer.status, answer.body, answer.value("x-own"), len(records)) == (status, b"own", "yes", 1)


def test_a_request_without_a_host_reaches_nobody(edge: Edge) -> None:
    edge.take_records()
    raw = b"GET /api/items/1 HTTP/1.0\r\nX-API-Key: %b\r\n\r\n" % key(edge)[1]
    with Connection(edge.port, fresh_address()) as connection:
        connection.send(raw)
        answers = connection.answers()
    records = edge.take_records()
    # Some proxies put their own name in its place; then that is the host that was judged.
    assert [answer.status == 200 for answer in answers] == [bool(records)]
    assert all(record.values("x-auth-subject") == ["client-1"] for record in records)


CHUNKED = b"c350\r\n" + b"b" * 50_000 + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("body", [b"b" * 50_000, CHUNKED], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("expect", [[], [("Expect", b"100-continue")]], ids=["at once", "when asked for"])
def test_a_body_arrives_whole(edge: Edge, body: bytes, expect: Fields) -> None:
    edge.take_records()
    framing = ("Transfer-Encoding", b"chunked") if body is CHUNKED else ("Content-Length", b"50000")
    with Connection(edge.port, fresh_address()) as connection:
        connection.send(request("POST", "/api/items", [key(edge), framing, *expect]))
        connection.send(body)
        answer = connection.answer()
    (record,) = edge.take_records()
    assert (answer.status, record.method, record.body) == (200, "POST", b"b" * 50_000)


def test_a_refused_body_reaches_nobody_and_the_connection_goes_on_or_ends(edge: Edge) -> None:
    edge.take_records()
    smuggled = request("GET", "/public/smuggled", [])
    with Connection(edge.port, fresh_address()) as connection:
        connection.send(request("POST", "/api/items", [], smuggled))
        answers = connection.answers()
    assert [answer.status for answer in answers] == [401]
    assert edge.take_records() == []


def test_nobody_can_bring_an_identity(edge: Edge) -> None:
    names = (
        "X-Auth-Subject", "x-auth-subject", "X-AUTH-ROLES", "X-Auth-Scopes", "X-Auth-App", "X-Auth-Key-Id",
        "X-Auth-Method", "X-Request-Id", "Remote-User", "X-Remote-User", "X-Forwarded-User", "X-User-Id",
        "X-Consumer-Username",
    )  # fmt: skip
    forged: Fields = [(name, b"forged") for name in names]
    if edge.name in REMOVES_BY_PREFIX:
        forged += [("X-Auth-Else", b"forged"), ("X-Consumer-Groups", b"forged"), ("X-User-Else", b"forged")][
            : 1 if edge.name == "traefik" else 3
        ]
    for target, credential in (("/public/a", []), ("/optional", []), ("/api/items/1", [key(edge)])):
        answer, (record,) = send(edge, "GET", target, [*forged, *credential])
        assert answer.status == 200
        assert not [pair for pair in record.fields if b"forged" in pair[1]]
        assert record.values("x-auth-method") == (["api_key"] if credential else ["anonymous"])
        assert record.values("x-auth-subject") == (["client-1"] if credential else [])


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_an_underscore_is_no_way_in(edge: Edge, name: str) -> None:
    _, records = send(edge, "GET", "/public/a", [(name, b"forged")])
    assert not [pair for record in records for pair in record.fields if b"forged" in pair[1]]


@pytest.mark.parametrize(
    "forged",
    [
        [("X-Original-URI", b"/public/a"), ("X-Original-Method", b"GET")],
        [("X-Forwarded-Uri", b"/public/a"), ("X-Forwarded-Method", b"GET")],
        [("X-Original-URL", b"/public/a"), ("X-Rewrite-URL", b"/public/a")],
        [("X-Original-URI", b"/public/a"), ("X-Original-URI", b"/public/a"), ("x-original-method", b"GET")],
        [("X-Forwarded-Uri", b"/public/a"), ("Connection", b"close, X-Forwarded-Uri")],
        [("Connection", b"close, X-Original-URI, X-Original-Method, X-Forwarded-Uri, X-Forwarded-Method")],
        [("X-Forwarded-Host", b"evil.test"), ("X-Forwarded-Prefix", b"/public"), ("X-Forwarded-For", b"10.0.0.1")],
        [("Forwarded", b"for=10.0.0.1;proto=https"), ("X-Real-IP", b"10.0.0.1")],
        [("X-HTTP-Method-Override", b"GET"), ("X-Method-Override", b"GET"), ("X-HTTP-Method", b"GET")],
    ],
)
def test_nobody_can_bring_another_method_or_path(edge: Edge, forged: Fields) -> None:
    answer, records = send(edge, "GET", "/api/items/1", forged)
    assert (400 <= answer.status < 500, records) == (True, [])
    answer, records = send(edge, "DELETE", "/api/items/1", [*forged, key(edge)])
    assert (400 <= answer.status < 500, records) == (True, [])
    answer, records = send(edge, "GET", "/inside", [*forged, key(edge)])
    assert (400 <= answer.status < 500, records) == (True, [])


@pytest.mark.parametrize("name", ["X-Auth-Subject", "x-auth-method", "X-Request-Id", "Authorization"])
def test_nobody_can_make_the_identity_vanish_on_the_way(edge: Edge, name: str) -> None:
    _, records = send(edge, "GET", "/api/items/1", [key(edge), ("Connection", b"close, " + name.encode())])
    for record in records:
        assert record.values("x-auth-subject") == ["client-1"]
        assert name.lower() not in ",".join(record.values("connection")).lower()


def test_nobody_reaches_the_question_itself(edge: Edge) -> None:
    forged: Fields = [("X-Original-URI", b"/public/a"), ("X-Original-Method", b"GET")]
    for target in ("/.gateway/authorize", "/.gateway/authorize/public/a", "/.gateway/"):
        answer, records = send(edge, "GET", target, forged)
        assert (400 <= answer.status < 500, records) == (True, [])


def test_only_a_websocket_may_be_upgraded_to(edge: Edge) -> None:
    fields: Fields = [("Connection", b"Upgrade, HTTP2-Settings"), ("Upgrade", b"h2c"), ("HTTP2-Settings", b"AAMAAABk")]
    _, records = send(edge, "GET", "/api/items/1", [key(edge), *fields])
    assert not [record for record in records if record.values("upgrade")]


def test_credentials_go_on_where_the_route_lets_them(edge: Edge) -> None:
    answer, (record,) = send(edge, "GET", "/keeping", [key(edge)], keeps=True)
    assert answer.status == 200
    assert record.values("x-api-key") == ([edge.world.keys["KEY"]] if edge.name != "envoy" else [])
    answer, (record,) = send(edge, "GET", "/public/a", [("Authorization", b"Basic dTpw")], keeps=True)
    assert record.values("authorization") == (["Basic dTpw"] if edge.name != "envoy" else [])


def test_the_client_is_who_connects(edge: Edge) -> None:
    forged: Fields = [("X-Forwarded-For", b"10.0.0.1"), ("X-Real-IP", b"10.0.0.1"), key(edge)]
    answer, records = send(edge, "GET", "/inside", forged)
    assert (check_refusal(answer), records) == ("network_not_allowed", [])


def test_identity_never_carries_over_on_a_kept_connection(edge: Edge) -> None:
    edge.take_records()
    calls = [("KEY", 200), (None, 401), ("KEY2", 200), ("REVOKED", 401), ("KEY", 200)] * 4

    def visit(_: int) -> list[int]:
        with Connection(edge.port, fresh_address()) as connection:
            found = []
            for number, (name, _status) in enumerate(calls):
                fields = [key(edge, name)] if name is not None else []
                connection.send(request("GET", f"/api/items/{name}-{number}", fields))
                found.append(connection.answer().status)
            return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(visit, range(4))) == [[status for _, status in calls]] * 4
    records = edge.take_records()
    assert len(records) == 4 * sum(status == 200 for _, status in calls)
    for record in records:
        name = record.target.decode().rpartition("/")[2].partition("-")[0]
        assert record.values("x-auth-key-id") == [key_id(edge.world.keys[name])]


def test_a_websocket_passes_on_routes_that_take_one(edge: Edge) -> None:
    edge.take_records()
    with Connection(edge.port, fresh_address()) as connection:
        connection.send(request("GET", "/socket", [*HANDSHAKE, key(edge)]))
        assert connection.answer().status == 101
        connection.send(b"ping")
        assert connection.first_bytes(10.0, 4) == b"ping"
    (record,) = edge.take_records()
    assert record.values("x-auth-subject") == ["client-1"]


@pytest.mark.parametrize(
    ("target", "count", "statuses"),
    [
        ("/socket", 4, [401]),
        ("/client", 4, [403]),
        # Half a handshake is refused by some proxies themselves.
        ("/client", 3, [403, 400]),
    ],
)
def test_no_other_websocket_passes(edge: Edge, target: str, count: int, statuses: list[int]) -> None:
    fields = [*HANDSHAKE[:count], *([key(edge)] if target == "/client" else [])]
    answer, records = send(edge, "GET", target, fields)
    assert answer.status in statuses
    assert records == []


@pytest.mark.parametrize("name", available())
def test_nothing_passes_while_the_gateway_is_away(tmp_path: Path, name: str) -> None:
    listen = free_port()
    with Upstream() as upstream, running(name, tmp_path, listen=listen, gateway=free_port(), application=upstream.port):
        answer = ask(listen, request("GET", "/public/a", []))
        assert upstream.records == []
    if name == "traefik":
        # It has its own words for this, and no others.
        assert answer.status == 500
        return
    assert (answer.status, answer.value("retry-after")) == (503, "1")
    assert answer.value("content-type") == "application/problem+json"
    assert b'"code":"dependency_unavailable"' in answer.body
