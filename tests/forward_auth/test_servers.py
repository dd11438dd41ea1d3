"""`ForwardAuth` as an app of its own on both servers: what they make of a question, and of one that is an upgrade."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import pytest

from gateway_auth.forward_auth import ForwardAuth
from tests.asgi.world import ROUTES, Site, build_site
from tests.conformance.edges import free_port, process, wait_until_ready
from tests.conformance.wire import Connection, ask, request

pytestmark = pytest.mark.slow

CONFIG = "FORWARD_AUTH_CONFIG"
COMMANDS = {
    "granian": ["-m", "granian", "--interface", "asgi", "--http", "1", "--no-access-log", "--factory"],
    "uvicorn": ["-m", "uvicorn", "--http", "httptools", "--no-proxy-headers", "--no-access-log", "--factory"],
}
APP = "tests.forward_auth.test_servers:app"
TOLD = [("X-Forwarded-For", b"198.51.100.9"), ("X-Forwarded-Proto", b"https")]
HANDSHAKE = [
    ("Connection", b"Upgrade"),
    ("Upgrade", b"websocket"),
    ("Sec-WebSocket-Version", b"13"),
    ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


def app() -> ForwardAuth:
    """What the servers load."""
    return ForwardAuth(json.loads(os.environ[CONFIG]))


class Served:
    """A server's port and the keys."""

    def __init__(self, port: int, site: Site) -> None:
        self.port = port
        self.key = ("X-API-Key", site.keys["reader"].encode())

    def asked(self, method: str, uri: bytes, *fields: tuple[str, bytes]) -> bytes:
        """The bytes of a question by headers."""
        told = [("X-Original-Method", method.encode()), ("X-Original-URI", uri)]
        return request("GET", "/.gateway/authorize", [*TOLD, *told, *fields])


@pytest.fixture(scope="module", params=COMMANDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server after the other."""
    folder = tmp_path_factory.mktemp(request.param)
    site, port, log = build_site(folder), free_port(), folder / "log"
    config = json.dumps(site.config(ROUTES, trusted_proxies=["127.0.0.1/32"]))
    words = [sys.executable, *COMMANDS[request.param], "--port", str(port), APP]
    with process(words, {**os.environ, CONFIG: config}, log) as started:
        wait_until_ready(port, started, log)
        yield Served(port, site)


def test_questions_of_every_kind_on_one_connection(served: Served) -> None:
    questions = [
        (served.asked("GET", b"/orders/1", served.key), 200),
        (served.asked("GET", b"/orders/1"), 401),
        (served.asked("GET", b"/known/%2e%2e/orders/1", served.key), 400),
        (request("GET", b"/.gateway/authorize/orders/1?a=b", [*TOLD, served.key]), 200),
        (request("POST", b"/.gateway/authorize/orders/1", [*TOLD, served.key]), 403),
        (request("GET", b"/.gateway/authorize/known/../orders/1", [*TOLD, served.key]), 400),
        (request("GET", b"/.gateway/authorize/known/%2e%2e/orders/1", [*TOLD, served.key]), 400),
        (request("GET", b"/.gateway/authorize//orders/1", [*TOLD, served.key]), 400),
        (request("GET", b"/%2egateway/authorize/orders/1", [*TOLD, served.key]), 403),
    ]
    with Connection(served.port) as connection:
        for raw, status in questions:
            connection.send(raw)
            assert connection.answer().status == status, raw


def test_strangers_are_told_to_be_trusted(served: Served) -> None:
    answer = ask(served.port, served.asked("GET", b"/orders/1", served.key), source="127.9.9.9")
    assert (answer.status, json.loads(answer.body)["code"]) == (403, "network_not_allowed")


def test_a_question_by_head_has_no_body(served: Served) -> None:
    raw = request("HEAD", b"/.gateway/authorize/orders/1", [*TOLD])
    answer = ask(served.port, raw, method="HEAD")
    assert (answer.status, answer.body) == (401, b"")


def test_a_question_that_is_an_upgrade_is_answered_like_any(served: Served) -> None:
    for uri, fields, status in (
        (b"/socket", (served.key,), 200),
        (b"/socket", (), 401),
        (b"/orders/1", (served.key,), 403),
    ):
        answer = ask(served.port, served.asked("GET", uri, *fields, *HANDSHAKE))
        assert answer.status == status
        assert bool(answer.values("x-auth-subject")) == (status == 200)
