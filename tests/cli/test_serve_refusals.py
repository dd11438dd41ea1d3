"""`serve` checks everything before it starts anything."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from gateway_auth.config import load
from gateway_auth.config.configuration import RedisSettings
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.server.composition import refuse_uncounted
from gateway_auth.server.listening import free_port
from gateway_auth.server.standalone import Server
from tests.cli.command import Workspace


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('upstream = "http://127.0.0.1:9000"', "", ["routes.health.upstream", "routes.orders-read.upstream"]),
        ('upstream = "http://127.0.0.1:9000"', 'upstream = "orders"', ["gateway.upstream"]),
    ],
    ids=["missing", "unknown"],
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


def test_workers_that_would_each_count_by_themselves_are_refused_with_a_way_out(workspace: Workspace) -> None:
    ended = workspace.call("serve", "--workers", "3")
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.error_lines
    assert line.startswith("gateway-auth: gateway.workers: is 3, and limits are counted in each process")
    assert "up to 3 times" in line
    for way in ("[redis]", "one worker", "--local-limits"):
        assert way in line


@pytest.mark.parametrize("url", ["redis://h:99999/0", "redis+cluster://h:1/3", "rediss://h/0?ssl_ca_certs=/none"])
def test_an_address_of_redis_that_cannot_be_used_is_refused(workspace: Workspace, url: str) -> None:
    workspace.change("[secrets]", f'[redis]\nurl = "{url}"\n\n[secrets]')
    for command in (("serve",), ("config", "check")):
        ended = workspace.call(*command)
        assert ended.code == 2
        (line,) = ended.error_lines
        assert line.startswith("gateway-auth: redis.url")


@pytest.mark.parametrize(
    ("changes", "is_local_accepted"),
    [
        ({"workers": 1}, False),
        ({"workers": 2}, True),
        ({"workers": 2, "redis": RedisSettings(url="redis://h")}, False),
        ({"workers": 2, "rules": RuleSet()}, False),
    ],
    ids=["one worker", "accepted", "counted in Redis", "no limits"],
)
def test_what_counts_rightly_is_not_refused(
    workspace: Workspace, changes: dict[str, Any], is_local_accepted: bool
) -> None:
    configuration = replace(load(workspace.directory / "gateway.toml"), **changes)
    refuse_uncounted(configuration, is_local_accepted=is_local_accepted)


def test_a_configuration_read_again_is_refused_alike(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    file = str(workspace.directory / "gateway.toml")
    server = Server(file, {}, partial(refuse_uncounted, is_local_accepted=False), "info")
    workspace.change("[gateway]", "[gateway]\nworkers = 2")
    assert server.renew() is None
    assert "the configuration was not read again: gateway.workers" in caplog.text
