"""`doctor` on Redis: whether it is there, fit to count in, near enough, and told apart from one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway_auth.adapters.redis.examination import Findings
from gateway_auth.cli.check_redis import told_of
from gateway_auth.server.listening import free_port
from tests.cli.command import Workspace
from tests.redis.server import running_server

Found = dict[str, dict[str, str]]
Look = Callable[[str], Found]


@pytest.fixture
def look(workspace: Workspace) -> Look:
    """What was found, by check, with Redis at an URL."""
    workspace.change("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    workspace.app()
    before = workspace.config.read_text("utf-8")

    def look_at(url: str) -> Found:
        workspace.config.write_text(f'{before}\n[redis]\nurl = "{url}"\ntimeout_seconds = 1.0\n', "utf-8")
        return {check["check"]: check for check in workspace.call("doctor", "--json").json["checks"]}

    return look_at


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_server() as at:
        yield at


def test_a_server_that_is_well_is_named(look: Look, port: int) -> None:
    found = look(f"redis://127.0.0.1:{port}/0")
    assert found["redis"]["status"] == "ok"
    assert "answers in" in found["redis"]["detail"]
    assert not {"redis eviction", "redis clock", "redis tls"} & set(found)


def test_one_that_is_not_there_fails_and_says_what_that_means(look: Look) -> None:
    found = look("redis://127.0.0.1:1/0")
    assert found["redis"]["status"] == "failed"
    assert "refuses connections" in found["redis"]["detail"]
    assert "on_unavailable" in found["redis"]["detail"]


def test_a_wrong_password_fails_and_is_not_repeated(look: Look, port: int) -> None:
    found = look(f"redis://somebody:hunter2@127.0.0.1:{port}/0")
    assert found["redis"]["status"] == "failed"
    assert "hunter2" not in str(found)


def test_one_that_evicts_is_a_warning(look: Look) -> None:
    with running_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as at:
        assert look(f"redis://127.0.0.1:{at}/0")["redis eviction"]["status"] == "warning"


def test_one_elsewhere_without_tls_is_a_warning(look: Look) -> None:
    found = look("redis://192.0.2.1.invalid:6379/0")
    assert "rediss://" in found["redis tls"]["detail"]


def test_without_redis_there_is_nothing_to_say(workspace: Workspace) -> None:
    checks = workspace.call("doctor", "--json").json["checks"]
    assert not [check for check in checks if check["check"].startswith("redis")]


@pytest.mark.parametrize(
    ("product", "version", "is_too_old"),
    [
        ("Redis", "6.0.16", True),
        ("Redis", "5.9", True),
        ("Redis", "6.2.0", False),
        ("Redis", "10.1", False),
        ("Valkey", "1.0", False),
        ("Redis", "unstable", False),
        ("", "", False),
    ],
)
def test_servers_older_than_the_scripts_need_are_known(product: str, version: str, is_too_old: bool) -> None:
    assert Findings(product, version, 0, 0, None).is_too_old == is_too_old


def test_a_clock_that_is_off_and_a_long_way_are_warnings() -> None:
    far = Findings("Valkey", "9.1.2", -5.0, 0.04, None)
    assert [(check.check, check.status) for check in told_of(far, "there", 0.05)] == [
        ("redis", "warning"),
        ("redis clock", "warning"),
    ]
    assert [check.status for check in told_of(far, "there", 1.0)] == ["ok", "warning"]
    old = Findings("Redis", "6.0.16", 0.0, 0.001, None)
    assert [check.status for check in told_of(old, "there", 0.05)] == ["failed"]
