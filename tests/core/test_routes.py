"""The most specific route wins, whatever their order; a request that matches none has none."""

from __future__ import annotations

import time
from itertools import permutations
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.malformed import Malformed
from gateway_auth.core.path import canonical_path
from gateway_auth.core.policy import Policy
from gateway_auth.core.routes import NEVER_ROUTED, RouteTable, explain_template, find_conflicts


def route(path: str, *methods: str, is_websocket: bool = False) -> Policy:
    return Policy(
        id=f"{'|'.join(methods) or 'any'} {path}",
        path=path,
        methods=frozenset(methods) or None,
        is_websocket=is_websocket,
    )


def found(table: RouteTable, method: str, path: str) -> str | None:
    policy = table.match(method, path)
    return policy.id if policy else None


# -- against a reference -------------------------------------------------------------------------------------------

SEGMENTS = ["a", "b", "{x}", "{y}", "{rest:path}", ""]
templates = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
method_sets = st.frozensets(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), max_size=3)
requests = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE"]),
    st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts)),
)


def reference(policies: list[Policy], method: str, path: str) -> Policy | None:
    """The definition: of all routes that match, the one of the smallest rank."""
    ranked = [
        (fit, by_method, policy)
        for policy in policies
        if (fit := rank_of_path(policy.path, path)) is not None
        and (by_method := rank_of_method(policy, method, policies)) is not None
    ]
    return min(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def rank_of_path(template: str, path: str) -> list[int] | None:
    """0 for a literal, 1 for {name}, 2 for {name:path}, segment by segment; None where it does not match."""
    wanted, given_segments = template.split("/")[1:], path.split("/")[1:]
    rank: list[int] = []
    for position, segment in enumerate(wanted):
        if position >= len(given_segments):
            return None
        if segment.endswith(":path}"):
            return [*rank, 2]
        is_parameter = segment.startswith("{")
        if not (given_segments[position] if is_parameter else segment == given_segments[position]):
            return None
        rank.append(int(is_parameter))
    return rank if len(wanted) == len(given_segments) else None


def rank_of_method(policy: Policy, method: str, policies: list[Policy]) -> int | None:
    if policy.methods is None:
        return 2
    if method in policy.methods:
        return 0
    return 1 if method == "HEAD" and "GET" in policy.methods else None


@given(
    st.lists(st.builds(lambda path, methods: route(path, *methods), templates, method_sets), max_size=10),
    st.lists(requests),
)
def test_the_choice_is_what_the_definition_says(policies: list[Policy], asked: list[tuple[str, str]]) -> None:
    refused = {position for position, _ in find_conflicts(enumerate(policies))}
    kept = [policy for position, policy in enumerate(policies) if position not in refused]
    table = RouteTable(kept)
    for method, path in asked:
        assert table.match(method, path) is reference(kept, method, path), (method, path)


@given(st.lists(st.builds(lambda path, methods: route(path, *methods), templates, method_sets), max_size=5), requests)
def test_the_order_of_routes_does_not_matter(policies: list[Policy], asked: tuple[str, str]) -> None:
    refused = {position for position, _ in find_conflicts(enumerate(policies))}
    kept = [policy for position, policy in enumerate(policies) if position not in refused]
    assert len({found(RouteTable(order), *asked) for order in list(permutations(kept))[:24]}) <= 1


@given(st.lists(st.builds(lambda path: route(path, "GET"), templates), max_size=8), requests)
def test_head_is_judged_as_get_where_nobody_named_it(policies: list[Policy], asked: tuple[str, str]) -> None:
    refused = {position for position, _ in find_conflicts(enumerate(policies))}
    table = RouteTable(policy for position, policy in enumerate(policies) if position not in refused)
    assert table.match("HEAD", asked[1]) is table.match("GET", asked[1])


# -- in words ------------------------------------------------------------------------------------------------------

TABLE = RouteTable(
    [
        route("/"),
        route("/orders", "GET", "POST"),
        route("/orders/"),
        route("/orders/{id}", "GET"),
        route("/orders/{id}"),
        route("/orders/new", "POST"),
        route("/orders/{id}/lines", "GET"),
        route("/files/{rest:path}"),
        route("/files/{rest:path}", "DELETE"),
        route("/files/public/{name}", "GET"),
        route("/named", "HEAD"),
        route("/named", "GET"),
    ]
)

CHOICES = {
    ("GET", "/"): "any /",
    ("GET", "/orders"): "GET|POST /orders",
    ("HEAD", "/orders"): "GET|POST /orders",
    ("DELETE", "/orders"): None,
    ("GET", "/orders/"): "any /orders/",
    ("GET", "/orders/1"): "GET /orders/{id}",
    ("HEAD", "/orders/1"): "GET /orders/{id}",
    ("POST", "/orders/1"): "any /orders/{id}",
    ("POST", "/orders/new"): "POST /orders/new",
    ("GET", "/orders/new"): "GET /orders/{id}",
    ("PATCH", "/orders/new"): "any /orders/{id}",
    ("GET", "/orders/1/lines"): "GET /orders/{id}/lines",
    ("POST", "/orders/1/lines"): None,
    ("GET", "/orders/1/lines/"): None,
    ("GET", "/orders/1/"): None,
    ("GET", "/ORDERS"): None,
    ("GET", "/files"): None,
    ("GET", "/files/"): "any /files/{rest:path}",
    ("GET", "/files/a/b/c"): "any /files/{rest:path}",
    ("DELETE", "/files/a"): "DELETE /files/{rest:path}",
    ("GET", "/files/public/a"): "GET /files/public/{name}",
    ("POST", "/files/public/a"): "any /files/{rest:path}",
    ("GET", "/files/public/"): "any /files/{rest:path}",
    ("GET", "/files/public/a/b"): "any /files/{rest:path}",
    ("HEAD", "/named"): "HEAD /named",
    ("GET", "/named"): "GET /named",
    ("TRACE", "/"): None,
    ("TRACK", "/"): None,
    ("CONNECT", "/"): None,
    ("GET", "/nowhere"): None,
    ("GET", "/orders;x=1"): None,
    ("GET", "/orders;x=1/1"): None,
    ("GET", "/orders/1;x=1"): "GET /orders/{id}",
}


@pytest.mark.parametrize(("asked", "chosen"), CHOICES.items(), ids=[" ".join(asked) for asked in CHOICES])
def test_a_request_finds_its_route(asked: tuple[str, str], chosen: str | None) -> None:
    assert found(TABLE, *asked) in (chosen, chosen and chosen.replace("GET|POST", "POST|GET"))


@pytest.mark.parametrize("method", sorted(NEVER_ROUTED))
def test_no_route_is_for_a_method_that_echoes_or_tunnels(method: str) -> None:
    table = RouteTable([route("/{rest:path}"), route("/a", method), route("/b", method, "GET")])
    for path in ("/a", "/b", "/x"):
        assert table.match(method, path) is None


@pytest.mark.parametrize("character", list(":@!$&'()*+,=|[];"))
def test_an_escaped_spelling_of_a_literal_is_judged_as_the_literal(character: str) -> None:
    """Frameworks match decoded paths: `/orders%3Apurge` reaches the handler of `/orders:purge`, past its route."""
    strict, loose = route(f"/orders{character}purge"), route("/{id}")
    table = RouteTable([strict, loose])
    for raw in (f"/orders%{ord(character):02X}purge", f"/orders%{ord(character):02x}purge"):
        canonical = canonical_path(raw.encode())
        assert isinstance(canonical, Malformed) or table.match("GET", canonical) is strict, (
            f"{raw} passed as {loose.id}"
        )


@given(st.text(st.sampled_from("ab:,;@+=é%"), min_size=1, max_size=6), st.data())
def test_two_paths_a_framework_takes_for_one_fall_under_one_route(literal: str, data: st.DataObject) -> None:
    spelled = canonical_path(("/" + "".join(map(escaped, literal))).encode())
    other = canonical_path(
        ("/" + "".join(data.draw(st.sampled_from([escaped(c), plain(c)])) for c in literal)).encode()
    )
    if isinstance(spelled, Malformed) or isinstance(other, Malformed):
        return
    assert unquote(spelled) == unquote(other)
    table = RouteTable([route(spelled), route("/{id}")])
    assert table.match("GET", spelled) is table.match("GET", other)


def escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def plain(character: str) -> str:
    return character if character.isascii() and character != "%" else escaped(character)


def test_a_table_without_routes_matches_nothing() -> None:
    assert RouteTable(()).match("GET", "/") is None


def test_many_routes_that_almost_match_do_not_slow_a_look_up() -> None:
    depth = 12
    policies = [
        route("/" + "/".join("a" if bits >> i & 1 else "{x}" for i in range(depth)) + "/end") for bits in range(4096)
    ]
    table = RouteTable(policies)
    started = time.perf_counter()
    assert table.match("GET", "/a" * depth + "/no") is None
    assert time.perf_counter() - started < 0.25


# -- what cannot be meant ------------------------------------------------------------------------------------------

UNUSABLE = {
    "relative": ("orders", 'must begin with "/"'),
    "empty": ("", 'must begin with "/"'),
    "reserved": ("/.gateway/authorize", "belongs to the gateway"),
    "reserved parameter": ("/.gateway/{x}", "belongs to the gateway"),
    "half a parameter": ("/a/{id", "is not a segment"),
    "parameter inside": ("/a/x{id}", "is not a segment"),
    "two parameters": ("/a/{x}{y}", "is not a segment"),
    "odd name": ("/a/{1x}", "is not a segment"),
    "nameless": ("/a/{}", "is not a segment"),
    "other kind": ("/a/{x:int}", "is not a segment"),
    "rest in the middle": ("/a/{x:path}/b", "must be the last"),
    "rest before a slash": ("/a/{x:path}/", "must be the last"),
    "double slash": ("/a//b", "can never be reached: path contains an empty segment"),
    "dots": ("/a/../b", "can never be reached: path contains a dot segment"),
    "escaped letter": ("/%61", 'can never be reached: write "/a"'),
    "lower-case escape": ("/caf%c3%a9", 'write "/caf%C3%A9"'),
    "unescaped letter": ("/café", "must be percent-encoded"),
    "query": ("/a?x=1", "must be percent-encoded"),
    "wildcard brace": ("/a b", "must be percent-encoded"),
}


@pytest.mark.parametrize(("path", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_path_that_can_never_be_reached_is_explained(path: str, problem: str) -> None:
    assert problem in (explain_template(path) or "")
    with pytest.raises(ValueError, match="route any"):
        RouteTable([route(path)])
    assert [position for position, _ in find_conflicts([(7, route(path))])] == [7]


@pytest.mark.parametrize(
    "path", ["/", "/a", "/a/", "/{x}", "/{x}/{x}", "/{_a1}/b/{rest:path}", "/.gateway", "/.well-known/x", "/a*"]
)
def test_a_path_that_can_be_reached_is_taken(path: str) -> None:
    assert explain_template(path) is None


CONFLICTS: dict[str, tuple[list[Policy], dict[int, str]]] = {
    "none": ([route("/a"), route("/a", "GET"), route("/{x}"), route("/{x:path}")], {}),
    "same path": ([route("/a"), route("/a")], {1: 'ties with route "any /a"'}),
    "same path and one method": ([route("/a", "GET", "PUT"), route("/a", "POST", "PUT")], {1: "method PUT"}),
    "parameters of other names": ([route("/a/{x}"), route("/a/{y}")], {1: "neither is more specific"}),
    "rests of other names": ([route("/a/{x:path}"), route("/a/{y:path}")], {1: "ties"}),
    "trace alone": ([route("/a", "TRACE")], {0: "no request passes with method TRACE"}),
    "all that never pass": ([route("/a", "TRACE", "CONNECT")], {0: "CONNECT, TRACE"}),
    "trace among others": ([route("/a", "TRACE", "GET")], {0: "no request passes with method TRACE"}),
    "websocket without GET": ([route("/a", "POST", is_websocket=True)], {0: "an upgrade is judged as GET"}),
    "websocket with GET": ([route("/a", "GET", is_websocket=True), route("/b", is_websocket=True)], {}),
    "head beside get": ([route("/a", "GET"), route("/a", "HEAD")], {}),
    "three alike": ([route("/a"), route("/a"), route("/a")], {1: "ties", 2: "ties"}),
}  # fmt: skip


@pytest.mark.parametrize(("policies", "problems"), CONFLICTS.values(), ids=CONFLICTS)
def test_ties_and_routes_without_requests_are_found(policies: list[Policy], problems: dict[int, str]) -> None:
    conflicts = dict(find_conflicts(enumerate(policies)))
    assert conflicts.keys() == problems.keys()
    for position, problem in problems.items():
        assert problem in conflicts[position]


def test_an_empty_list_of_methods_is_found() -> None:
    nobody = Policy(id="nobody", path="/a", methods=frozenset())
    assert "of an empty list" in dict(find_conflicts([(0, nobody)]))[0]


def test_a_tie_stops_the_table() -> None:
    with pytest.raises(ValueError, match='route any /a: ties with route "any /a"'):
        RouteTable([route("/a"), route("/a")])
