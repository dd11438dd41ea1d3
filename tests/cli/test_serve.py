"""`serve` with two workers, as its clients and its operator see it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Workspace
from tests.cli.serving import Client, Server, eventually, serving, upstream

pytestmark = pytest.mark.slow

PROMISE_SECONDS = 2.0
ROUNDS = 10


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, made_once: Path) -> Workspace:
    """A directory of the module's own, for servers that several tests share."""
    workspace = Workspace(shutil.copytree(made_once, tmp_path_factory.mktemp("served") / "gateway"))
    workspace.app()
    return workspace


@pytest.fixture(scope="module")
def server(place: Workspace) -> Iterator[Server]:
    """Two workers in front of an upstream."""
    with upstream() as url, serving(place.directory, "--upstream", url, "--workers", "2", "--local-limits") as running:
        yield running


def test_a_request_with_a_key_reaches_the_upstream_without_it(place: Workspace, server: Server) -> None:
    key = place.key("shop", "--scope", "orders:read")
    client = Client(server.port)
    status, body = client.answer("/v1/orders/1", key["key"])
    client.close()
    assert status == 200
    assert key["id"].encode() in body
    assert key["key"].encode() not in body
    assert b"x-api-key" not in body


def test_a_second_server_on_the_same_port_is_refused(place: Workspace, server: Server) -> None:
    ended = place.call("serve", "--listen", f"127.0.0.1:{server.port}")
    assert ended.code == 1
    assert "is in use" in ended.err


def test_the_doctor_recognises_a_running_gateway(place: Workspace, server: Server) -> None:
    before = place.config.read_text("utf-8")
    place.change("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    try:
        checks = {check["check"]: check for check in place.call("doctor", "--json").json["checks"]}
    finally:
        place.config.write_text(before, "utf-8")
    assert checks["port"]["status"] == "ok"
    assert "a gateway answers" in checks["port"]["detail"]


def test_a_disabled_key_is_refused_by_both_workers_within_two_seconds(place: Workspace, server: Server) -> None:
    keys = [place.key("shop", "--scope", "orders:read") for _ in range(ROUNDS)]
    clients = server.clients(2)
    for key in keys:
        assert [client.get("/v1/orders/1", key["key"]) for client in clients] == [200, 200]
        assert place.call("keys", "disable", key["id"]).code == 0
        waiting = set(clients)

        def all_refuse(waiting: set[Client] = waiting, text: str = key["key"]) -> bool:
            waiting -= {client for client in waiting if client.get("/v1/orders/1", text) == 401}
            return not waiting

        assert eventually(all_refuse, PROMISE_SECONDS) < PROMISE_SECONDS
    for client in clients:
        client.close()


def test_the_log_is_one_json_object_a_line_with_the_posture_and_no_secret(place: Workspace, server: Server) -> None:
    key = place.key("shop", "--scope", "other")["key"]
    client = Client(server.port)
    assert client.get("/v1/orders/1", key) == 403
    assert client.get(f"/v1/orders/1?key={key}") == 401
    client.close()
    lines = server.log_lines()
    assert {line["event"] for line in lines if line["logger"] == "gateway_auth.decisions" and "event" in line} == {
        "refused"
    }
    assert any(line["message"] == "public routes: health (GET /healthz)" for line in lines if "message" in line)
    assert any("limits are counted in each process" in line.get("message", "") for line in lines)
    text = server.log.read_text("utf-8")
    assert key.rsplit("_", 1)[1] not in text
    assert (place.directory / "secrets" / "pepper").read_text("utf-8").strip() not in text
    assert "Traceback" not in text
