"""The shared JWT recipes through every way in: none too many accepted, none too few, and never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.answers import check_refusal
from tests.conformance.edges import EDGES, Edge, fresh_address, serving
from tests.conformance.inside import inside, scope_of
from tests.conformance.jwt_cases import (
    Mint,
    canary,
    check_challenge,
    expected_statuses,
    with_published_keys,
    with_special_keys,
)
from tests.conformance.vectors import Case, shared
from tests.conformance.wire import ask, request
from tests.conformance.world import World, make_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mint() -> Mint:
    """One set of keys for all."""
    return Mint()


@pytest.fixture(scope="module")
def token_world(mint: Mint, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The main world, with the issuers of the recipes."""
    world = make_world("main", tmp_path_factory.mktemp("jwt"))
    world.tables["issuers"] = mint.publish(world.folder)
    return world


@pytest.fixture(scope="module")
def token_edges(token_world: World) -> Iterator[dict[str, Edge]]:
    """Every way into it."""
    with serving(token_world) as edges:
        yield edges


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in with_published_keys()])
def test_a_recipe(name: str, case: Case, mint: Mint, token_edges: dict[str, Edge]) -> None:
    edge = token_edges[name]
    edge.take_records(keeps_credentials=True)
    with canary() as listener:
        token = mint.token(case, listener.getsockname()[1])
        raw = request("GET", "/api/items", [("Authorization", b"Bearer " + token)])
        answer = ask(edge.port, raw, source=fresh_address())
    assert answer.status in expected_statuses(case, token), answer
    assert len(edge.take_records()) == (answer.status == 200)
    if answer.value("content-type") == "application/problem+json":
        check_refusal(answer)
        # Where it was no request at all, nobody is challenged; every other refusal names its error.
        if json.loads(answer.body)["code"] != "malformed_request":
            check_challenge(case, answer.values("www-authenticate"))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in with_special_keys()])
def test_a_recipe_about_published_keys(case: Case, mint: Mint, token_world: World, tmp_path: Path) -> None:
    world = World("main", tmp_path, {**token_world.tables, "issuers": mint.publish_special(tmp_path, case["jwks"])})
    token = mint.token(case)
    with inside(world.write("inside", 8080, 8081, None)) as opened:
        scope = scope_of("GET", b"/api/items", [("Authorization", b"Bearer " + token)], fresh_address())
        answer, _ = opened.ask(scope)
    assert answer.status in expected_statuses(case, token), answer
    check_challenge(case, answer.values("www-authenticate"))


def test_no_recipe_is_left_out() -> None:
    assert len(with_published_keys()) + len(with_special_keys()) == len(shared("jwt"))
