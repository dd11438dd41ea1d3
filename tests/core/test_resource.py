"""What the API says of itself, and where (RFC 9728)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.policy import Policy
from gateway_auth.core.resource import (
    METADATA_PATH,
    ResourceMetadata,
    metadata_policies,
    metadata_url,
    metadata_url_of,
)
from gateway_auth.core.routes import RouteTable

SIGNED = Issuer(id="signed", issuer="https://signed.example", audiences=frozenset(("a",)))
ASKED = Issuer(
    id="asked", issuer="https://asked.example", audiences=frozenset(("a",)), has_keys=False, is_introspected=True
)
JWT: frozenset[CredentialKind] = frozenset(("jwt",))
READ = Policy(
    id="read", path="/orders/{id}", methods=frozenset(("GET",)), credentials=JWT, scopes=frozenset(("orders:read",))
)
WRITE = Policy(
    id="write",
    path="/orders/{id}",
    methods=frozenset(("PUT",)),
    credentials=frozenset(("jwt", "opaque")),
    any_scopes=frozenset(("orders:write", "orders:all")),
)
KEYS_ONLY = Policy(id="keys", path="/keys", credentials=frozenset(("api_key",)))
PLAIN = Policy(id="plain", path="/plain", credentials=frozenset(("opaque",)))
POLICIES = (READ, WRITE, KEYS_ONLY, PLAIN)
ALL = (*POLICIES, *metadata_policies(POLICIES))
METADATA = ResourceMetadata(ALL, RouteTable(ALL), (SIGNED, ASKED), "orders")


def document(path: str) -> dict[str, Any]:
    """What is told of a path."""
    found: dict[str, Any] = json.loads(METADATA.document("https://api.example" + path, METADATA.policies_at(path)))
    return found


def test_a_path_tells_the_scopes_and_issuers_of_all_its_methods() -> None:
    assert document("/orders/1") == {
        "resource": "https://api.example/orders/1",
        "resource_name": "orders",
        "authorization_servers": ["https://signed.example", "https://asked.example"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["orders:all", "orders:read", "orders:write"],
    }


def test_the_root_speaks_for_every_route() -> None:
    assert METADATA.policies_at("/") == [READ, WRITE, PLAIN]


def test_a_path_tells_only_issuers_whose_tokens_it_accepts() -> None:
    assert document("/plain")["authorization_servers"] == ["https://asked.example"]
    assert "scopes_supported" not in document("/plain")


def test_where_no_issuer_fits_none_is_named() -> None:
    lone = ResourceMetadata(ALL, RouteTable(ALL), (SIGNED,), "orders")
    found = json.loads(lone.document("https://api.example/plain", (PLAIN,)))
    assert "authorization_servers" not in found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/plain", [PLAIN], id="the routes at its path"),
        pytest.param("/v1", [READ, WRITE, PLAIN], id="all, where its path is none of ours"),
        pytest.param("", [READ, WRITE, PLAIN], id="all, without a path"),
        pytest.param("/", [READ, WRITE, PLAIN], id="all, for the root"),
    ],
)
def test_an_identifier_speaks_for_the_routes_it_is_for(path: str, expected: list[Policy]) -> None:
    assert METADATA.policies_of("https://api.example" + path) == expected


@pytest.mark.parametrize("path", ["/keys", "/nowhere", METADATA_PATH])
def test_a_path_without_tokens_has_nothing_to_tell(path: str) -> None:
    assert METADATA.policies_at(path) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", "https://h" + METADATA_PATH, id="the root has no slash of its own"),
        pytest.param("/a/b", "https://h" + METADATA_PATH + "/a/b", id="the path follows"),
        pytest.param("/" + "a" * 2000, "https://h" + METADATA_PATH, id="too long: the whole API's"),
        pytest.param('/a"b', "", id="a quote has no place in a quoted string"),
        pytest.param("/a\\b", "", id="nor has a backslash"),
    ],
)
def test_the_address_of_the_metadata(path: str, expected: str) -> None:
    assert metadata_url("https://h", path) == expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("https://api.example", "https://api.example" + METADATA_PATH),
        ("https://api.example/", "https://api.example" + METADATA_PATH),
        ("https://api.example/v1", "https://api.example" + METADATA_PATH + "/v1"),
    ],
)
def test_the_well_known_path_stands_between_host_and_path(resource: str, expected: str) -> None:
    assert metadata_url_of(resource) == expected


def test_a_route_of_the_operators_own_is_not_doubled() -> None:
    own = Policy(id="own", path=METADATA_PATH)
    assert [policy.path for policy in metadata_policies((own,))] == [METADATA_PATH + "/{resource:path}"]
