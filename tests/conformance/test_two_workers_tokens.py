"""What is taken back of tokens holds on every worker within the promised two seconds, and so does a token's own end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.edges import free_port
from tests.conformance.upstream import Upstream
from tests.conformance.workers import PROMISE_SECONDS, Seen, Wire, command, two_workers, wires_to_both
from tests.conformance.world import TOKENS, make_world

pytestmark = pytest.mark.slow

LEEWAY_SECONDS = 1


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The configuration and the port of two workers. Tokens are remembered for as long as they are good."""
    world = make_world("main", tmp_path_factory.mktemp("tokens"))
    world.tables["issuers"] = [{**world.tables["issuers"][0], "leeway_seconds": LEEWAY_SECONDS}]
    world.tables["gateway"] = {**world.tables["gateway"], "failed_auth": False}
    port = free_port()
    with Upstream() as upstream:
        config = world.write("pair", port, free_port(), upstream.port)
        with two_workers(config, port, world.folder / "pair.log"):
            yield config, port


def claim(name: str, **claims: object) -> str:
    """A token of a subject of its own."""
    return TOKENS.token(sub=name, **claims)  # type: ignore[arg-type] # claims are whatever a test wants


REVOCATIONS = {"by its id": ("--jti", "jti-a"), "by its subject": ("--subject", "b"), "by itself": ("--token-stdin",)}


@pytest.mark.parametrize("how", REVOCATIONS)
def test_a_token_revoked_while_both_workers_remember_it_is_refused_in_time(pair: tuple[Path, int], how: str) -> None:
    config, port = pair
    words = REVOCATIONS[how]
    # Made now: they live for minutes, and a whole run of the tests takes as long.
    token = {"by its id": claim("a", jti="jti-a"), "by its subject": claim("b"), "by itself": claim("c")}[how]
    given = token if how == "by itself" else ""
    with wires_to_both(port, token, each=2) as wires, _asking(wires, token) as seen:
        time.sleep(0.5)
        done = command(config, "tokens", "revoke", *words, given=given)
        assert done.returncode == 0, done.stderr
        done_at = time.monotonic()
        time.sleep(PROMISE_SECONDS + 0.5)
    for worker in {wire.worker for wire in wires}:
        statuses = [found.status for found in seen if found.worker == worker]
        assert set(statuses) == {200, 401}
        assert statuses == sorted(statuses), "accepted again after it had been refused"
    late = max(found.asked_at for found in seen if found.status == 200) - done_at
    assert late <= PROMISE_SECONDS, f"accepted {late:.3f} s after the command had ended"


def test_a_token_that_ends_while_it_is_hot_is_refused_at_its_second(pair: tuple[Path, int]) -> None:
    end = int(time.time()) + 3
    token = claim("d", exp=end)
    with wires_to_both(pair[1], token, each=2) as wires, _asking(wires, token) as seen:
        time.sleep(max(0.0, end + LEEWAY_SECONDS - time.time()) + 0.5)
    over_at = time.monotonic() - (time.time() - end - LEEWAY_SECONDS)
    assert {found.status for found in seen if found.asked_at < over_at - 0.1} == {200}
    assert {found.status for found in seen if found.asked_at > over_at + 0.01} == {401}


class _asking:
    """Requests with one token over every connection until the block ends; gives the list of what came back."""

    def __init__(self, wires: list[Wire], token: str) -> None:
        self._seen: list[Seen] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, args=(wires, token))

    def __enter__(self) -> list[Seen]:
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(10)

    def _ask_on(self, wires: list[Wire], token: str) -> None:
        while not self._is_over.is_set():
            self._seen.extend(wire.ask(token) for wire in wires)
            time.sleep(0.005)
