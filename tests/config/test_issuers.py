"""`[[issuers]]`: what they compile to, and what of them cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway_auth.config import load
from gateway_auth.core.resource import METADATA_PATH
from tests.config.writing import ENVIRON, problems, route, written

SECRET = "4vN8yq1R-tB6_wZkM0sXcGj7LhPfUa2dEo9iKrQ5"
WITH_SECRETS = ENVIRON | {"MAC": SECRET, "CLIENT": "  a client secret\n"}


def issuer(**keys: Any) -> dict[str, Any]:
    """The least issuer, with these keys; None takes one away."""
    table = {"id": "corp", "issuer": "https://idp.example.com", "audiences": ["orders"], **keys}
    return {key: value for key, value in table.items() if value is not None}


INTROSPECTION = {"url": "https://idp.example.com/introspect", "client_id": "gw", "client_secret": "env:CLIENT"}
HMAC = {"secret": "env:MAC", "algorithms": ["HS256"]}


@pytest.mark.parametrize(
    ("keys", "has_keys", "is_introspected", "is_discovered"),
    [
        pytest.param({}, True, False, True, id="nothing said: discovery"),
        pytest.param({"discovery": True}, True, False, True, id="discovery"),
        pytest.param({"jwks_url": "https://idp.example.com/jwks"}, True, False, False, id="an address"),
        pytest.param(HMAC, True, False, False, id="a shared secret"),
        pytest.param({"introspection": INTROSPECTION}, False, True, False, id="introspection alone"),
        pytest.param({"introspection": INTROSPECTION, "discovery": True}, True, True, True, id="both"),
    ],
)
def test_where_keys_come_from(keys: dict[str, Any], has_keys: bool, is_introspected: bool, is_discovered: bool) -> None:
    (found,) = load(written(issuers=[issuer(**keys)]), environ=WITH_SECRETS).issuers
    assert (found.rules.has_keys, found.rules.is_introspected, found.is_discovered) == (
        has_keys, is_introspected, is_discovered,
    )  # fmt: skip


def test_a_route_without_kinds_accepts_what_can_be_verified() -> None:
    source = written(issuers=[issuer(introspection=INTROSPECTION)], routes=[route()])
    assert load(source, environ=WITH_SECRETS).rules.policies[0].credentials == {"api_key", "opaque"}


def test_a_client_secret_is_taken_without_blanks_around_it() -> None:
    (found,) = load(written(issuers=[issuer(introspection=INTROSPECTION)]), environ=WITH_SECRETS).issuers
    assert found.introspection is not None
    assert found.introspection.client_secret.reveal() == b"a client secret"


def test_types_are_compared_in_one_spelling() -> None:
    source = written(issuers=[issuer(token_types=["AT+JWT", "application/JWT", ""])])
    assert load(source, environ=ENVIRON).rules.issuers[0].token_types == {"at+jwt", "jwt", ""}


def test_a_key_set_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    file = tmp_path / "gateway.toml"
    file.write_text(
        "[secrets]\npepper = 'env:GATEWAY_AUTH_PEPPER'\n"
        "[[issuers]]\nid = 'corp'\nissuer = 'https://idp.example.com'\n"
        "audiences = ['orders']\njwks_file = 'keys.json'\n"
    )
    assert load(file, environ=ENVIRON).issuers[0].jwks_file == str(tmp_path / "keys.json")


def test_the_metadata_has_routes_of_its_own_where_there_are_issuers() -> None:
    with_issuers = load(written(issuers=[issuer()], routes=[route()]), environ=ENVIRON)
    assert [policy.path for policy in with_issuers.rules.policies if policy.is_metadata] == [
        METADATA_PATH, METADATA_PATH + "/{resource:path}",
    ]  # fmt: skip
    assert with_issuers.routes_without_upstream() == ("orders",)
    assert not [p for p in load(written(routes=[route()]), environ=ENVIRON).rules.policies if p.is_metadata]


def test_a_configured_route_of_that_path_stays() -> None:
    own = {"id": "own", "path": METADATA_PATH, "access": "public"}
    rules = load(written(issuers=[issuer()], routes=[own]), environ=ENVIRON).rules
    found = rules.routes.match("GET", METADATA_PATH)
    assert found is not None
    assert found.id == "own"


REFUSED = [
    pytest.param([issuer(), issuer(issuer="https://b.example")], "issuers[1].id", "already", id="one id twice"),
    pytest.param([issuer(), issuer(id="b")], "issuers[1].issuer", "already", id="one issuer twice"),
    pytest.param([issuer(discovery=False)], "issuers[0].discovery", "nothing else", id="no source of keys"),
    pytest.param(
        [issuer(discovery=True, jwks_url="https://idp.example.com/k")], "issuers[0].jwks_url", "one place", id="two"
    ),
    pytest.param(
        [issuer(jwks_url="https://idp.example.com/k", **HMAC)], "issuers[0].secret", "one place", id="public and shared"
    ),
    pytest.param([issuer(algorithms=["HS256"])], "issuers[0].algorithms[0]", "shared secret", id="HMAC without secret"),
    pytest.param([issuer(secret="env:MAC")], "issuers[0].algorithms[0]", "HS256", id="a secret for RSA"),
    pytest.param([issuer(algorithms=["none"])], "issuers[0].algorithms[0]", "must be", id="no signature"),
    pytest.param([issuer(algorithms=[])], "issuers[0].algorithms", "empty", id="no algorithm"),
    pytest.param([issuer(audiences=[])], "issuers[0].audiences", "empty", id="no audience"),
    pytest.param([issuer(audience_claims=[])], "issuers[0].audience_claims", "empty", id="audiences nowhere"),
    pytest.param([issuer(jwks_file="missing.json")], "issuers[0].jwks_file", "cannot be read", id="no such file"),
    pytest.param([issuer(issuer="http://idp.example.com")], "issuers[0].issuer", "https", id="plain http"),
    pytest.param([issuer(issuer="https://idp.example.com/?a")], "issuers[0].issuer", "query", id="a query"),
    pytest.param([issuer(token_types=["at jwt"])], "issuers[0].token_types[0]", "type", id="no media type"),
    pytest.param([issuer(token_types=["Application/"])], "issuers[0].token_types[0]", "empty", id="a type of nothing"),
    pytest.param([issuer(secret="literal", algorithms=["HS256"])], "issuers[0].secret", "reference", id="a literal"),
]


@pytest.mark.parametrize(("issuers", "path", "words"), REFUSED)
def test_an_issuer_that_cannot_be_meant_is_refused(issuers: list[dict[str, Any]], path: str, words: str) -> None:
    (told,) = problems(written(issuers=issuers), WITH_SECRETS)
    assert told.startswith(f"{path}: ")
    assert words in told


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        pytest.param("opaque", {}, "has introspection", id="nobody is asked"),
        pytest.param("jwt", {"introspection": INTROSPECTION}, "says where its keys are", id="nobody has keys"),
    ],
)
def test_a_route_for_tokens_that_nobody_proves_is_refused(kind: str, changes: dict[str, Any], words: str) -> None:
    source = written(issuers=[issuer(**changes)], routes=[route(credentials=[kind])])
    assert problems(source, WITH_SECRETS) == [f"routes[0].credentials: nobody could pass: no issuer {words}"]
    load(source | {"routes": [route(credentials=[kind, "api_key"])]}, environ=WITH_SECRETS)


def test_whether_a_route_can_be_passed_is_not_told_while_an_issuer_is_wrong() -> None:
    source = written(issuers=[issuer(introspection={"url": 1})], routes=[route(credentials=["opaque"])])
    assert not [told for told in problems(source, WITH_SECRETS) if told.startswith("routes")]


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        pytest.param("x" * 20 + "0123456789", "30 bytes", id="short"),
        pytest.param("ab" * 20, "repeats itself", id="monotonous"),
        pytest.param("a-string-secret-at-least-256-bits-long", "known", id="of a tutorial"),
        pytest.param("please-change-me-" + SECRET, "placeholder", id="of a template"),
    ],
)
def test_a_weak_shared_secret_is_refused_without_being_told(secret: str, words: str) -> None:
    (told,) = problems(written(issuers=[issuer(**HMAC)]), ENVIRON | {"MAC": secret})
    assert told.startswith("issuers[0].secret: ")
    assert words in told
    assert secret not in told


def test_a_secret_is_long_enough_for_the_longest_algorithm() -> None:
    table = issuer(secret="env:MAC", algorithms=["HS256", "HS512"])
    (told,) = problems(written(issuers=[table]), WITH_SECRETS)
    assert "HS512 needs at least 64" in told
