"""Many requests of many callers on one connection: who a request is from is asked of every one anew."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.answers import check_pass, check_refusal
from tests.conformance.edges import Edge, fresh_address
from tests.conformance.vectors import UNKNOWN_KEY, key_id
from tests.conformance.wire import Connection, request

pytestmark = pytest.mark.slow

LENGTH = 60
CONNECTIONS = 8


def calls(edge: Edge, seed: int) -> list[tuple[str, str | None, bytes]]:
    """(target, key id expected behind or None, raw request): keys, none, a bad one and a public route, at random."""
    chance = random.Random(seed)  # repeatable, and no secret
    found = []
    bad = 0
    for number in range(LENGTH):
        kind = chance.choice(("KEY", "KEY2", "none", "public", "bad"))
        # The brake would turn the answers of a whole address; it is asked elsewhere.
        kind = "none" if kind == "bad" and bad == 3 else kind
        bad += kind == "bad"
        target = f"/public/{seed}-{number}" if kind == "public" else f"/api/items/{seed}-{number}"
        key = {"bad": UNKNOWN_KEY, "public": UNKNOWN_KEY, "none": ""}.get(kind) or edge.world.keys.get(kind, "")
        fields = [("X-API-Key", key.encode())] if key else []
        found.append((target, key_id(key) if kind.startswith("KEY") else None, request("GET", target, fields)))
    return found


@pytest.mark.parametrize("is_pipelined", [False, True], ids=["one after the other", "pipelined"])
def test_identity_never_carries_over(edge: Edge, is_pipelined: bool) -> None:
    wanted = calls(edge, seed=1)
    with Connection(edge.port, fresh_address()) as connection:
        if is_pipelined:
            connection.send(b"".join(raw for _, _, raw in wanted))
            answers = [connection.answer() for _ in wanted]
        else:
            answers = []
            for _, _, raw in wanted:
                connection.send(raw)
                answers.append(connection.answer())
    for (target, identity, _), answer in zip(wanted, answers, strict=True):
        if identity is not None or target.startswith("/public/"):
            check_pass(answer)
        else:
            check_refusal(answer)
    assert_identities(edge, wanted)


def test_identity_never_crosses_between_connections(edge: Edge) -> None:
    wanted = [calls(edge, seed) for seed in range(100, 100 + CONNECTIONS)]

    def run(one: list[tuple[str, str | None, bytes]]) -> None:
        with Connection(edge.port, fresh_address()) as connection:
            for start in range(0, LENGTH, 5):
                connection.send(b"".join(raw for _, _, raw in one[start : start + 5]))
                for target, identity, _ in one[start : start + 5]:
                    passes = identity is not None or target.startswith("/public/")
                    assert connection.answer().status == (200 if passes else 401)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(run, wanted))
    assert_identities(edge, [call for one in wanted for call in one])


def assert_identities(edge: Edge, wanted: list[tuple[str, str | None, bytes]]) -> None:
    """Behind, every request that passed came once, as exactly the caller it was from."""
    behind = {record.target.decode(): record.values("x-auth-key-id") for record in edge.take_records()}
    passed = {target: identity for target, identity, _ in wanted if identity or target.startswith("/public/")}
    assert behind == {target: [identity] if identity else [] for target, identity in passed.items()}
