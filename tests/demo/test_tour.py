"""The tour as data: its lines are safe to paste, and a wrong answer is noticed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gateway_auth.adapters.memory_registry import MemoryRegistry
from gateway_auth.cli.demo_check import take_tour
from gateway_auth.cli.demo_text import tell_check
from gateway_auth.config import Configuration, load
from gateway_auth.core.decision import REASONS, Reason
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.demo.cast import make_keys
from gateway_auth.demo.configuration import DEMO_TOML
from gateway_auth.demo.tour import TourStep, tour
from gateway_auth.server.listening import free_port


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """The demo's own."""
    (tmp_path / "gateway.toml").write_text(DEMO_TOML, "utf-8")
    (tmp_path / "secrets").mkdir()
    pepper = tmp_path / "secrets" / "pepper"
    pepper.write_text("a pepper of forty different bytes 0123456789", "utf-8")
    pepper.chmod(0o600)
    return load(tmp_path / "gateway.toml", environ={})


@pytest.fixture
async def steps(configuration: Configuration) -> list[TourStep]:
    """The tour over fresh keys."""
    return tour(await make_keys(MemoryRegistry(), configuration), KeyFormat())


async def test_keys_of_an_earlier_demo_go_and_nobody_elses(configuration: Configuration) -> None:
    registry = MemoryRegistry()
    first = await make_keys(registry, configuration)
    second = await make_keys(registry, configuration)
    assert {key.key_id for key in first.values()}.isdisjoint(key.key_id for key in second.values())
    async with registry.transaction() as transaction:
        assert len(await transaction.apps.page(limit=100)) == 2
        assert len(await transaction.keys.page(limit=100)) == len(second)


async def test_no_key_shows_its_text_by_accident(configuration: Configuration) -> None:
    for key in (await make_keys(MemoryRegistry(), configuration)).values():
        assert key.text not in repr(key)


def test_every_expected_code_has_its_status(steps: list[TourStep]) -> None:
    for step in steps:
        assert not step.code or REASONS[Reason(step.code)].status == step.status


def test_the_configuration_has_a_route_for_every_step_but_the_one_that_shows_there_is_none(
    steps: list[TourStep], configuration: Configuration
) -> None:
    unrouted = [step for step in steps if configuration.rules.routes.match(step.method, step.path) is None]
    assert [step.code for step in unrouted] == ["no_matching_route"]


def test_a_line_for_the_shell_has_every_header_and_body_whole(steps: list[TourStep]) -> None:
    for step in steps:
        words = shlex.split(step.curl("http://127.0.0.1:1"))
        assert words[-1] == f"http://127.0.0.1:1{step.path}"
        assert [word for word in words if ": " in word and word[0] != "{"] == [f"{n}: {v}" for n, v in step.headers]
        assert ("-d" in words) is (step.method == "POST")


def test_answers_that_do_not_come_fail_the_check(steps: list[TourStep], capsys: pytest.CaptureFixture[str]) -> None:
    taken = take_tour(steps[:2], free_port())
    assert tell_check(taken) is False
    out = capsys.readouterr().out
    assert "no answer: ConnectionRefusedError" in out
    assert "0 of 2 answers are as expected" in out
