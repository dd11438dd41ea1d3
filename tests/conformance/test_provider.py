"""A real OpenID provider in front of both ways in: discovery, rotation under load, introspection, its outages."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.edges import Edge, fresh_address, serving
from tests.conformance.wire import Answer, Connection, ask, request
from tests.conformance.world import World, make_world
from tests.provider.harness import ES256_RESOURCE, OPAQUE_RESOURCE, RS256_RESOURCE, Endpoint, Provider

pytestmark = pytest.mark.slow

WAYS_IN = ("standalone", "mounted-uvicorn")
ROTATIONS = int(os.environ.get("GATEWAY_AUTH_ROTATIONS", "4"))
ROTATION_SECONDS = 3.0
CACHE_SECONDS = 1
SCOPE = "items:read"


@pytest.fixture(scope="module")
def provider_world(shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The main world, with the provider as its one issuer."""
    world = make_world("main", tmp_path_factory.mktemp("provider"))
    client_id, client_secret = shared_provider.introspection_client
    secret = world.folder / "client-secret"
    secret.touch(mode=0o600)
    secret.write_text(client_secret)
    introspection = {
        "url": shared_provider.introspection_url,
        "client_id": client_id,
        "client_secret": f"file:{secret}",
        "cache_seconds": CACHE_SECONDS,
        "negative_cache_seconds": 1,
    }
    world.tables["issuers"] = [
        {
            "id": "provider",
            "issuer": shared_provider.issuer,
            "discovery": True,
            "audiences": [RS256_RESOURCE, ES256_RESOURCE, OPAQUE_RESOURCE],
            "introspection": introspection,
        }
    ]
    world.tables["gateway"] = {**world.tables["gateway"], "failed_auth": False}
    return world


@pytest.fixture(scope="module")
def provider_edges(provider_world: World) -> Iterator[dict[str, Edge]]:
    """Both ways in."""
    with serving(provider_world, WAYS_IN) as edges:
        yield edges


@pytest.fixture(params=WAYS_IN)
def way_in(request: pytest.FixtureRequest, provider_edges: dict[str, Edge]) -> Edge:
    """One way in after the other."""
    edge = provider_edges[request.param]
    edge.take_records(keeps_credentials=True)
    return edge


def get(edge: Edge, token: str) -> Answer:
    """A request with a token."""
    raw = request("GET", "/api/items", [("Authorization", b"Bearer " + token.encode())])
    return ask(edge.port, raw, source=fresh_address())


@pytest.mark.parametrize("resource", [RS256_RESOURCE, ES256_RESOURCE])
def test_access_tokens_pass_by_keys_found_in_the_metadata(way_in: Edge, provider: Provider, resource: str) -> None:
    token = provider.token(resource, SCOPE)
    assert get(way_in, token).status == 200
    (record,) = way_in.take_records()
    assert record.values("x-auth-method") == ["jwt"]
    assert record.values("x-auth-subject") == ["asker"]
    assert record.values("x-auth-scopes") == [SCOPE]
    assert get(way_in, provider.token(resource, "other")).status == 403


def test_a_token_with_another_signature_does_not_pass(way_in: Edge, provider: Provider) -> None:
    token, other = provider.token(RS256_RESOURCE, SCOPE), provider.token(RS256_RESOURCE, "other")
    signed, _, _ = token.rpartition(".")
    assert get(way_in, f"{signed}.{other.rpartition('.')[2]}").status == 401


def test_opaque_tokens_are_introspected_until_the_provider_revokes_them(way_in: Edge, provider: Provider) -> None:
    token = provider.opaque_token(SCOPE, claims={"sub": "ada"})
    assert [get(way_in, token).status for _ in range(5)] == [200] * 5
    records = way_in.take_records()
    assert {(r.values("x-auth-method")[0], r.values("x-auth-subject")[0]) for r in records} == {("opaque", "ada")}
    assert provider.requests("introspection") == 1
    provider.revoke(token)
    time.sleep(CACHE_SECONDS + 0.2)
    assert get(way_in, token).status == 401


def test_an_opaque_token_without_the_scope_is_403_remembered_or_not(way_in: Edge, provider: Provider) -> None:
    token = provider.opaque_token("other")
    assert [get(way_in, token).status for _ in range(2)] == [403, 403]


def test_an_unknown_opaque_token_is_asked_about_once_in_its_time(way_in: Edge, provider: Provider) -> None:
    assert [get(way_in, "nobody-knows-this").status for _ in range(3)] == [401] * 3
    assert provider.requests("introspection") == 1


@pytest.mark.parametrize("how", ["500", "503", "drop", "hang", "html", "redirect"])
def test_a_provider_that_cannot_introspect_is_503_and_never_401(way_in: Edge, provider: Provider, how: str) -> None:
    token = provider.opaque_token(SCOPE)
    provider.fail("introspection", how)  # type: ignore[arg-type] # the table's words are those
    answer = get(way_in, token)
    assert answer.status == 503
    assert int(answer.value("retry-after") or 0) >= 1
    provider.fail("introspection", None)
    assert get(way_in, token).status == 200


def test_signed_tokens_pass_while_the_provider_is_down(way_in: Edge, provider: Provider) -> None:
    token = provider.token(RS256_RESOURCE, SCOPE)
    assert get(way_in, token).status == 200
    endpoints: tuple[Endpoint, ...] = ("jwks", "discovery", "introspection")
    for endpoint in endpoints:
        provider.fail(endpoint, "drop")
    fresh = provider.token(RS256_RESOURCE, SCOPE)
    assert get(way_in, fresh).status == 200


def test_rotation_under_load_gives_no_false_401_and_ends_the_old_keys(way_in: Edge, provider: Provider) -> None:
    current = provider.token(RS256_RESOURCE, SCOPE)
    holder = [current]
    statuses: Counter[int] = Counter()
    is_over = threading.Event()
    loads = [threading.Thread(target=_ask_on, args=(way_in.port, holder, statuses, is_over)) for _ in range(4)]
    for load in loads:
        load.start()
    old = [current]
    for _ in range(ROTATIONS):
        provider.rotate(keep=1)
        holder[0] = provider.token(RS256_RESOURCE, SCOPE)
        old.append(holder[0])
        time.sleep(ROTATION_SECONDS)
    is_over.set()
    for load in loads:
        load.join()
    assert set(statuses) == {200}, statuses
    assert statuses[200] > ROTATIONS * 10
    # The last fetch, for the last new key, no longer had the first.
    assert get(way_in, old[0]).status == 401
    assert get(way_in, old[-1]).status == 200


def _ask_on(port: int, holder: list[str], statuses: Counter[int], is_over: threading.Event) -> None:
    """Requests with whatever token is current, over one kept connection."""
    with Connection(port, fresh_address()) as connection:
        while not is_over.is_set():
            connection.send(request("GET", "/api/items", [("Authorization", b"Bearer " + holder[0].encode())]))
            statuses[connection.answer().status] += 1
            time.sleep(0.002)


def test_nothing_of_it_is_left_in_the_logs(way_in: Edge, provider: Provider, provider_world: World) -> None:
    tokens = [provider.token(RS256_RESOURCE, SCOPE), provider.opaque_token(SCOPE)]
    for token in tokens:
        get(way_in, token)
    secrets = [*tokens, Path(provider_world.folder / "client-secret").read_text()]
    assert not [secret for secret in secrets if secret.encode() in way_in.log()]
