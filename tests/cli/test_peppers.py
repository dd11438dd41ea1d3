"""A pepper that keys still need cannot be taken away unnoticed."""

from __future__ import annotations

import socket

from tests.cli.command import Workspace


def replace_pepper(workspace: Workspace) -> None:
    """Another pepper in the file that is configured."""
    (workspace.directory / "secrets" / "pepper").write_text("another pepper, thirty-two bytes and more of it")


def test_serve_refuses_to_start_without_a_pepper_that_keys_need_and_says_what_to_do(workspace: Workspace) -> None:
    key_id = workspace.key(workspace.app())["id"]
    replace_pepper(workspace)
    ended = workspace.call("serve")
    assert (ended.code, len(ended.error_lines)) == (2, 1)
    assert "secrets.previous_peppers: a key needs a pepper that is not configured" in ended.err
    assert workspace.call("keys", "revoke", key_id, "--yes").code == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert workspace.call("serve", "--listen", address).code == 1, "past the peppers, at the port"


def test_doctor_counts_the_keys_that_need_it(workspace: Workspace) -> None:
    for _ in range(2):
        workspace.key(workspace.app())
    replace_pepper(workspace)
    checks = workspace.call("doctor", "--json").json["checks"]
    (pepper,) = (check for check in checks if check["check"] == "peppers")
    assert pepper["status"] == "failed"
    assert pepper["detail"].startswith("2 keys were made with a pepper not configured")
