"""The shared table of tokens, minted afresh, through form, keys, signature and claims."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import pytest

from gateway_auth.adapters.issuers.signatures import unexpected_failures
from gateway_auth.core.claims import Claims, principal_of
from gateway_auth.core.issuer import Issuer
from tests.vectors.judge import judge, published
from tests.vectors.shared import files, load, path_of

TABLES = files("own/jwt_cases.json")
CASES: list[dict[str, Any]] = [case for name in TABLES for case in load(name)["cases"]]
OURS, OTHER = "https://issuer.test", "https://issuer-b.test"
LEEWAY = 30


def issuer(name: str) -> Issuer:
    """An issuer of the table."""
    return Issuer(
        id=name.partition("//")[2], issuer=name, audiences=frozenset(("https://api.test",)),
        algorithms=("RS256", "PS256", "ES256", "Ed25519"), leeway_seconds=LEEWAY,
    )  # fmt: skip


@cache
def mint() -> ModuleType:
    """The table's own way of making its tokens."""
    spec = importlib.util.spec_from_file_location("jwt_case_mint", path_of("own/mint.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    load, loaded = module.load, dict[str, Any]()

    def load_once(keys: Any, name: str) -> Any:
        """Reading a private key takes longer than everything else a case does."""
        if name not in loaded:
            loaded[name] = load(keys, name)
        return loaded[name]

    vars(module)["load"] = load_once
    return module


@pytest.fixture(scope="module")
def keys() -> Any:
    """Fresh keys of both issuers, of an attacker, and of the special sets."""
    return mint().new_keys()


def is_accepted(case: dict[str, Any], keys: Any, change: Callable[[Issuer], Issuer] = lambda issuer: issuer) -> bool:
    """Whether the case's token gets through and may read items."""
    now = int(time.time())
    token = mint().mint(keys, case, now, LEEWAY, 9)
    sets = mint().base_jwks(keys)
    if case["jwks"]:
        sets[OURS] = mint().special_jwks(keys, case["jwks"])
    issuers = {name: (change(issuer(name)), published(sets[name], issuer(name).algorithms)) for name in (OURS, OTHER)}
    outcome = judge(token.encode("utf-8", "surrogateescape"), issuers, now)
    return isinstance(outcome, Claims) and "items:read" in principal_of(outcome, issuer(OURS), {}).granted


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_token_gets_the_verdict_of_the_table(case: dict[str, Any], keys: Any) -> None:
    before = unexpected_failures()
    verdict = is_accepted(case, keys)
    assert verdict is case["expect"].get("accept", verdict)
    assert unexpected_failures() == before


@pytest.mark.parametrize("case", [case for case in CASES if case["area"] == "typ"], ids=lambda case: str(case["id"]))
def test_an_id_token_is_refused_where_typ_may_be_jwt(case: dict[str, Any], keys: Any) -> None:
    def lenient(issuer: Issuer) -> Issuer:
        return msgspec.structs.replace(issuer, token_types=frozenset(("at+jwt", "jwt")))

    assert is_accepted(case, keys, lenient) is ('"typ":"JWT"' in case["header"] and "nonce" not in case["payload"])
