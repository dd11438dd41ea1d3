"""`serve` checks everything before it starts anything."""

from __future__ import annotations

import socket

import pytest

from gateway_auth.cli.listening import free_port
from tests.cli.command import Workspace


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('upstream = "http://127.0.0.1:9000"', "", ["routes.health.upstream", "routes.orders-read.upstream"]),
        ('upstream = "http://127.0.0.1:9000"', 'upstream = "https://example.com"', ["gateway.upstream"]),
    ],
    ids=["missing", "unsupported"],
)
def test_an_upstream_that_cannot_be_forwarded_to_is_refused(
    workspace: Workspace, old: str, new: str, words: list[str]
) -> None:
    workspace.change(old, new)
    ended = workspace.call("serve")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.error_lines) == len(words)
    for word in words:
        assert word in ended.err


def test_a_port_in_use_is_one_line(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = workspace.call("serve", "--listen", address)
    assert ended.code == 1
    assert ended.error_lines == [f"gateway-auth: {address} is in use by another program; stop that or listen elsewhere"]


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_one_line(workspace: Workspace, host: str) -> None:
    ended = workspace.call("serve", "--listen", f"{host}:{free_port()}")
    assert ended.code == 1
    assert len(ended.error_lines) == 1
    assert host in ended.err
