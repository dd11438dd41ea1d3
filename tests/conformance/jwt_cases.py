"""The shared JWT recipes: minted by the script that stands beside them, and judged as they say."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway_auth.core.jose import MAX_TOKEN_BYTES
from tests.conformance.vectors import Case, shared, shared_folder

ISSUER, OTHER_ISSUER = "https://issuer.test", "https://issuer-b.test"
AUDIENCE = "https://api.test"
LEEWAY_SECONDS = 30
ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519"]


def with_published_keys() -> list[Case]:
    """The recipes whose keys are the issuer's ordinary ones."""
    return [case for case in shared("jwt") if not case["jwks"]]


def with_special_keys() -> list[Case]:
    """The recipes that are about what an issuer publishes."""
    return [case for case in shared("jwt") if case["jwks"]]


class Mint:
    """Fresh keys, and the recipes as tokens."""

    def __init__(self) -> None:
        folder = shared_folder()
        assert folder is not None
        self._script = _load(folder / "own" / "mint.py")
        self._keys = self._script.new_keys()
        # Reading one takes 50 ms, most of it to see that its primes are some; the script reads it anew for each token.
        read = cache(partial(self._script.load, self._keys))
        vars(self._script)["load"] = lambda _keys, name: read(name)

    def token(self, case: Case, canary_port: int = 9) -> bytes:
        """The token of a recipe, made for this moment."""
        text: str = self._script.mint(self._keys, case, int(time.time()), LEEWAY_SECONDS, canary_port)
        return text.encode("utf-8", "surrogatepass")

    def publish(self, folder: Path) -> list[dict[str, Any]]:
        """The `[[issuers]]` tables of both issuers, their key sets written to files."""
        sets = self._script.base_jwks(self._keys)
        return [_table(folder, name, issuer, json.dumps(sets[issuer])) for name, issuer in _NAMED]

    def publish_special(self, folder: Path, name: str) -> list[dict[str, Any]]:
        """The table of the one issuer with a special key set."""
        document = self._script.special_jwks(self._keys, name)
        return [_table(folder, "a", ISSUER, document if isinstance(document, str) else json.dumps(document))]


_NAMED = (("a", ISSUER), ("b", OTHER_ISSUER))


def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location("shared_mint", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    was_writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = was_writing
    return module


def _table(folder: Path, name: str, issuer: str, document: str) -> dict[str, Any]:
    path = folder / f"{name}.jwks.json"
    path.write_text(document)
    return {
        "id": name, "issuer": issuer, "audiences": [AUDIENCE], "algorithms": ALGORITHMS, "jwks_file": str(path),
        "leeway_seconds": LEEWAY_SECONDS,
    }  # fmt: skip


def expected_statuses(case: Case, token: bytes) -> set[int]:
    """The statuses a case allows."""
    expect = case["expect"]
    if expect.get("accept_any"):
        return {200, 401, 403}
    if expect["accept"]:
        return {200}
    statuses = set(expect.get("status_any") or [expect["status"]])
    if b"\n" in token:
        # A line break ends the field it stands in: what is left is no request, and never gets to the gateway.
        return statuses | {400}
    # A server may refuse a field that is longer than any token before the gateway sees it.
    return statuses | {431} if len(token) > MAX_TOKEN_BYTES else statuses


def check_challenge(case: Case, challenges: list[str]) -> None:
    """The error a case names is in a challenge."""
    wanted = case["expect"].get("error")
    if wanted is not None:
        assert [text for text in challenges if f'error="{wanted}"' in text], (case["id"], challenges)


@contextmanager
def canary() -> Iterator[socket.socket]:
    """A listener that nobody must have connected to when the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener
        try:
            listener.accept()
        except BlockingIOError:
            return
        raise AssertionError("somebody followed an address out of a token")
