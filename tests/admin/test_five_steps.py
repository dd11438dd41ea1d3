"""The five steps of a rotation, over the API and on the command line, while two workers serve: nobody is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.admin.serving import AdminServer, administering
from tests.cli.command import Workspace, call
from tests.cli.serving import Client, eventually, serving, upstream

pytestmark = pytest.mark.slow

SEEN = 40
"""Requests that are waited for after each step."""
WAIT_SECONDS = 60.0


COMMANDS = {
    ("POST", "/rotate"): ("rotate",), ("POST", "/disable"): ("disable",), ("GET", ""): ("show",),
    ("DELETE", "?force=true"): ("delete", "--force", "--yes"),
}  # fmt: skip


class Way(Protocol):
    """How an operator gives orders."""

    def key(self, method: str, action: str, key_id: str) -> Any: ...


class OverHttp:
    """The admin API."""

    def __init__(self, plane: AdminServer, token: str) -> None:
        self._plane = plane
        self._token = token

    def key(self, method: str, action: str, key_id: str) -> Any:
        """The answer's object."""
        path = f"/api/v1/keys/{key_id}{action}"
        answer = self._plane.ask(method, path, self._token)
        assert answer.status in (200, 201, 204), answer.body
        return answer.json if answer.body else None


class OnTheCommandLine:
    """`gateway-auth keys`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def key(self, method: str, action: str, key_id: str) -> Any:
        """What it printed."""
        command, *options = COMMANDS[method, action]
        ended = self._workspace.call("keys", command, key_id, *options, "--json")
        assert ended.code == 0, ended.err
        return ended.json


class Users:
    """Ask all the time with the key they have, each on a connection of its own. `statuses` are all answers."""

    def __init__(self, port: int, key: str) -> None:
        self.key = key
        self.statuses: list[int] = []
        self._port = port
        self._is_over = threading.Event()

    def ask(self) -> None:
        """Until it is over."""
        client = Client(self._port)
        while not self._is_over.is_set():
            self.statuses.append(client.get("/v1/orders/1", self.key))
            time.sleep(0.005)
        client.close()

    def have_gone_on(self) -> None:
        """Wait until they have asked some more."""
        before = len(self.statuses)
        eventually(lambda: len(self.statuses) >= before + SEEN, WAIT_SECONDS)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Three of them."""
        threads = [threading.Thread(target=self.ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    directory: Path = tmp_path_factory.mktemp("steps") / "gateway"
    assert call("init", directory).code == 0
    made = Workspace(directory)
    made.change('"100/minute"', '"1000000/minute"')
    return made


@pytest.mark.parametrize("way", ["over HTTP", "on the command line"])
def test_nobody_is_refused_while_a_key_is_replaced(workspace: Workspace, way: str) -> None:
    token = workspace.call("admins", "create", way, "--role", "operator", "--json").json["token"]
    old = workspace.key(workspace.app(way), "--scope", "orders:read")
    with (
        upstream() as url,
        serving(workspace.directory, "--upstream", url, "--workers", "2", "--local-limits") as gateway,
        administering(workspace.directory) as plane,
    ):
        orders: Way = OverHttp(plane, token) if way == "over HTTP" else OnTheCommandLine(workspace)
        users = Users(gateway.port, old["key"])
        with users.asking():
            users.have_gone_on()
            new = orders.key("POST", "/rotate", old["id"])  # 1: a second key
            assert new["rotated_from"] == old["id"]
            users.have_gone_on()
            users.key = new["key"]  # 2: move
            users.have_gone_on()
            orders.key("POST", "/disable", old["id"])  # 3: switch the old one off, and
            for client in gateway.clients(2):
                eventually(lambda client=client: client.get("/v1/orders/1", old["key"]) == 401, WAIT_SECONDS)  # type: ignore[misc] # a loop's value
                client.close()
            users.have_gone_on()  # 4: see that nobody misses it
            assert orders.key("GET", "", old["id"])["status"] == "disabled"
            orders.key("DELETE", "?force=true", old["id"])  # 5: delete
            users.have_gone_on()
    assert set(users.statuses) == {200}
    assert len(users.statuses) >= 5 * SEEN
