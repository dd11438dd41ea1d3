"""The admin plane as operators run it: a process beside `serve`, over one store. What it changes, the gateway obeys."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.admin.serving import AdminServer, administering
from tests.cli.command import Workspace, call, command, environment
from tests.cli.serving import STOP_SECONDS, Client, eventually, serving, upstream
from tests.leaks.search import find

pytestmark = pytest.mark.slow

SLOW = 300
PROMISE_SECONDS = 20.0
"""A loaded machine is waited for; what is promised, 2 s, the promise's own tests measure."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    directory = tmp_path_factory.mktemp("admin") / "gateway"
    assert call("init", directory).code == 0
    made = Workspace(directory)
    # Whoever waits for a change asks more often than any client should.
    made.change('"100/minute"', '"1000000/minute"')
    return made


@pytest.fixture(scope="module")
def plane(workspace: Workspace) -> Iterator[AdminServer]:
    with administering(workspace.directory) as server:
        yield server


def token_of(workspace: Workspace, name: str, role: str, *options: str) -> str:
    created = workspace.call("admins", "create", name, "--role", role, *options, "--json")
    assert (created.code, created.err) == (0, "")
    assert {"token", "id", "role"} <= set(created.json)
    return str(created.json["token"])


class Operator:
    """Asks as one admin, and expects to be served."""

    def __init__(self, plane: AdminServer, token: str) -> None:
        self._plane = plane
        self._token = token

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's object."""
        answer = self._plane.ask(method, f"/api/v1{path}", self._token, body)
        assert answer.status in (200, 201, 204), answer.body
        return answer.json if answer.body else None

    def key(self, **fields: object) -> Any:
        """A new key of a new app."""
        app = self.ask("POST", "/apps", {"name": "shop", "owner": "ann", "plan": "free"})
        return self.ask("POST", "/keys", {"app_id": app["id"], "scopes": ["orders:read"], **fields})


def becomes(client: Client, key: str, status: int) -> None:
    """The gateway answers so, soon."""
    eventually(lambda: client.get("/v1/orders/1", key) == status, PROMISE_SECONDS)


def test_a_key_is_rotated_and_stopped_over_http_and_a_running_gateway_obeys(
    workspace: Workspace, plane: AdminServer
) -> None:
    operator = Operator(plane, token_of(workspace, "one", "operator"))
    with upstream() as url, serving(workspace.directory, "--upstream", url) as gateway:
        client = Client(gateway.port)
        first = operator.key(name="ci")
        path = f"/keys/{first['id']}"
        becomes(client, first["key"], 200)
        second = operator.ask("POST", f"{path}/rotate", {"overlap": "1h"})
        assert second["rotated_from"] == first["id"]
        becomes(client, second["key"], 200)
        becomes(client, first["key"], 200)
        for end, status in (("disable", 401), ("enable", 200), ("revoke", 401)):
            operator.ask("POST", f"{path}/{end}")
            becomes(client, first["key"], status)
        becomes(client, second["key"], 200)
        client.close()


def test_a_key_is_narrowed_and_granted_over_http_and_all_of_it_is_on_record(
    workspace: Workspace, plane: AdminServer
) -> None:
    token = token_of(workspace, "two", "admin")
    admin = Operator(plane, token)
    with upstream() as url, serving(workspace.directory, "--upstream", url) as gateway:
        client = Client(gateway.port)
        key = admin.key()
        path, app = f"/keys/{key['id']}", f"/apps/{key['app_id']}"
        becomes(client, key["key"], 200)
        admin.ask("PATCH", path, {"scopes": []})
        becomes(client, key["key"], 403)
        granted = admin.ask("POST", f"{path}/grant", {"scope": "orders:read", "expires_in": "1h"})
        assert [grant["scope"] for grant in granted["grants"]] == ["orders:read"]
        becomes(client, key["key"], 200)
        checked = admin.ask("POST", "/keys/verify", {"key": key["key"]})
        assert (checked["outcome"], checked["usable"], checked["id"]) == ("valid", True, key["id"])
        for end, status in (("disable", 401), ("enable", 200)):
            admin.ask("POST", f"{app}/{end}")
            becomes(client, key["key"], status)
        # The gateway takes no admin token, and the admin plane no key.
        assert client.get("/v1/orders/1", token) == 401
        assert plane.ask("GET", "/api/v1/keys", key["key"]).status == 401
        client.close()
        gateway.stop()
    # What was used is written down at the latest when the gateway stops.
    usage = admin.ask("GET", f"/usage?app_id={key['app_id']}&by=all")
    assert sum(row["count"] for row in usage if row["status"] == "2xx") > 0
    assert plane.ask("DELETE", f"/api/v1{path}", token).status == 409, "it was used a moment ago"
    admin.ask("DELETE", f"{path}?force=true")
    admin.ask("DELETE", app)
    audit = admin.ask("GET", "/audit?actor=admin:two")
    assert [record["action"] for record in reversed(audit)] == [
        "app.create", "key.create", "key.update", "key.grant", "app.disable", "app.enable", "key.delete", "app.delete",
    ]  # fmt: skip
    assert {record["address"] for record in audit} == {"127.0.0.1"}
    assert len({record["request_id"] for record in audit}) == 8


def test_the_command_line_takes_a_token_away_while_it_runs(workspace: Workspace, plane: AdminServer) -> None:
    token = token_of(workspace, "temp", "auditor")
    assert plane.ask("GET", "/api/v1/apps", token).status == 200
    assert workspace.call("admins", "disable", "temp").code == 0
    assert plane.ask("GET", "/api/v1/apps", token).json["code"] == "credential_disabled"
    assert workspace.call("admins", "enable", "temp").code == 0
    fresh = workspace.call("admins", "rotate", "temp", "--json").json["token"]
    assert [plane.ask("GET", "/api/v1/apps", one).status for one in (token, fresh)] == [401, 200]


def test_no_secret_is_found_in_what_it_keeps_and_says_after_the_answer_that_made_it(
    workspace: Workspace, plane: AdminServer
) -> None:
    token = token_of(workspace, "leaks", "admin")
    app = plane.ask("POST", "/api/v1/apps", token, {"name": "leaks"}).json["id"]
    once = {"Idempotency-Key": "only-once-0123456789abcdef"}
    made = [plane.ask("POST", "/api/v1/keys", token, {"app_id": app}, once) for _ in range(2)]
    assert made[0].body == made[1].body
    key = made[0].json["key"]
    plane.said = b""
    guessed = token[:-7] + ("0" if token[-7] != "0" else "1") + token[-6:]
    for path in ("/api/v1/keys", "/api/v1/audit", "/api/v1/usage", "/metrics", "/openapi.json", f"/api/v1/apps/{app}"):
        plane.ask("GET", path, token)
    plane.ask("POST", "/api/v1/keys/verify", token, {"key": key})
    plane.ask("GET", f"/api/v1/keys?x={key}", token)
    plane.ask("GET", f"/api/v1/keys/{key}", token)
    plane.ask("GET", f"/{token}?{key}", guessed, headers={"X-Api-Key": key, "Referer": f"http://x/{key}"})
    plane.ask("POST", "/api/v1/tokens/revoke", token, {"subject": key})
    secrets = {"key": key.split("_")[3], "token": token.split("_")[2], "idempotency key": once["Idempotency-Key"]}
    secrets["pepper"] = (workspace.directory / "secrets" / "pepper").read_text("ascii").strip()
    arguments = Path(f"/proc/{plane.process.pid}/cmdline")
    searched = {path.name: path.read_bytes() for path in workspace.directory.glob("gateway.*")}
    searched |= {"log": plane.log.read_bytes(), "answers": plane.said}
    searched |= {"arguments": arguments.read_bytes()} if arguments.exists() else {}
    assert set(searched) >= {"gateway.db", "log", "answers"}
    assert {name: find(data, secrets) for name, data in searched.items() if find(data, secrets)} == {}


def test_an_audit_that_cannot_be_written_refuses_the_change_and_nothing_changes(
    workspace: Workspace, plane: AdminServer
) -> None:
    token = token_of(workspace, "blocked", "admin")
    app = plane.ask("POST", "/api/v1/apps", token, {"name": "still"}).json
    file = workspace.directory / "gateway.db"
    connection = sqlite3.connect(file, isolation_level=None, timeout=20)
    connection.execute("CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'read only'); END")
    try:
        for method, path, body in (
            ("POST", "/api/v1/apps", {"name": "new"}), ("PATCH", f"/api/v1/apps/{app['id']}", {"name": "changed"}),
            ("DELETE", f"/api/v1/apps/{app['id']}", None), ("POST", "/api/v1/keys", {"app_id": app["id"]}),
        ):  # fmt: skip
            answer = plane.ask(method, path, token, body)
            assert (answer.status, answer.json["code"]) == (503, "dependency_unavailable")
        assert plane.ask("GET", f"/api/v1/apps/{app['id']}", token).json == app
    finally:
        connection.execute("DROP TRIGGER no_audit")
        connection.close()
    assert plane.ask("PATCH", f"/api/v1/apps/{app['id']}", token, {"name": "changed"}).status == 200


def test_the_bytes_of_a_foreign_protocol_end_the_connection_and_nothing_else(plane: AdminServer) -> None:
    for data in (
        b"\x16\x03\x01" + b"a" * 50,
        b"GET / HTTP/9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", plane.port), timeout=20) as raw:
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            assert b" 200 " not in raw.recv(200)
    assert plane.ask("GET", "/healthz").status == 200


def test_an_upgrade_is_refused_in_words_as_everything_is(plane: AdminServer) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    for host, expected in (("localhost", (404, "not_found")), ("evil.test", (421, "misdirected_request"))):
        answer = plane.ask("GET", "/api/v1/apps", headers={**upgrade, "Host": host})
        assert (answer.status, answer.json["code"]) == expected
        assert answer.headers["x-request-id"] == answer.json["request_id"]
        assert answer.headers["cache-control"] == "no-store"


def test_slow_clients_do_not_keep_others_out(plane: AdminServer) -> None:
    with ExitStack() as slow:
        for _ in range(SLOW):
            connection = slow.enter_context(socket.create_connection(("127.0.0.1", plane.port), timeout=20))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        assert plane.ask("GET", "/healthz").status == 200


def test_it_stops_when_told_and_says_nothing_unexpected(tmp_path: Path) -> None:
    assert call("init", tmp_path / "gateway").code == 0
    with administering(tmp_path / "gateway") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in server.log.read_text("utf-8")


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    assert call("init", tmp_path / "gateway").code == 0
    with administering(tmp_path / "gateway") as server:
        words = command("admin", "--listen", f"127.0.0.1:{server.port}")
        ended = subprocess.run(
            words, cwd=tmp_path / "gateway", env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
        assert "is in use" in ended.stderr


def test_it_says_where_it_listens_and_warns_where_others_reach_it(tmp_path: Path) -> None:
    assert call("init", tmp_path / "gateway").code == 0
    with administering(tmp_path / "gateway", host="0.0.0.0") as server:
        eventually(lambda: "reachable from other machines" in server.log.read_text("utf-8"), 30)
        assert "the admin plane listens on http://0.0.0.0:" in server.log.read_text("utf-8")
    with administering(tmp_path / "gateway") as server:
        eventually(lambda: "the admin plane listens on" in server.log.read_text("utf-8"), 30)
        assert "reachable" not in server.log.read_text("utf-8")
