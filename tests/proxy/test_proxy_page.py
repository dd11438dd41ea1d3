"""The users' page says what is so: its examples load, and its figures are those of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway_auth.core.upstream import HealthCheck, Upstream, UpstreamLimits
from gateway_auth.proxy.balancer import MAX_SERVERS_TRIED
from gateway_auth.proxy.response import MAX_FIELDS, MAX_OVERHEAD_BYTES
from gateway_auth.proxy.upload import CROWDED_BYTES_PER_SECOND, GATHERED_BYTES
from tests.config.writing import loaded, written

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "proxy.md").read_text("utf-8")


def test_its_examples_are_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: dict[str, Any] = {}
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        tables |= tomllib.loads(block)
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").write_text("-")
    monkeypatch.chdir(tmp_path)
    configuration = loaded(written(**tables))
    assert configuration.rules.policies[0].upstream == "billing"
    assert configuration.upstreams["billing"].health == HealthCheck(path="/healthz")


def test_its_figures_are_those_of_the_code() -> None:
    limits, check = UpstreamLimits(), HealthCheck(path="/")
    upstream = Upstream(name="a", servers=())
    for words in (
        f"| {limits.connect_timeout_seconds:.0f} | `connect_timeout_seconds` | 504; 502 when {limits.max_waiting:,}",
        f"| {limits.response_timeout_seconds:.0f} | `response_timeout_seconds`",
        f"| {limits.idle_timeout_seconds:.0f} | `idle_timeout_seconds`",
        f"| an unused connection | {limits.keep_alive_seconds:.0f} |",
        f"`max_connections` ({limits.max_connections})",
        f"every {check.interval_seconds:.0f} s, for\n{check.timeout_seconds:.0f} s at most",
        f"{check.lowest_status} to {check.highest_status} is good",
        f"fails `fail_after` ({upstream.fail_after}) requests in a row",
        f"`fail_seconds` ({upstream.fail_seconds:.0f})",
        f"more than {MAX_FIELDS} fields or {MAX_OVERHEAD_BYTES // 1024} KiB",
        f"{GATHERED_BYTES // 1024} KiB of it",
        f"must send {CROWDED_BYTES_PER_SECOND // 1024} KiB a\nsecond",
    ):
        assert words in PAGE, words
    assert (MAX_SERVERS_TRIED, check.unhealthy_after, check.healthy_after) == (3, 3, 2)
