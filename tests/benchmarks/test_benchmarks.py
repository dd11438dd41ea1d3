"""The benchmarks run and their report can be read. Nothing here depends on how fast anything is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from msgspec.structs import replace

from benchmarks import __main__ as command
from benchmarks import beside, growth, growth_servers, in_process, keys, latency, load, proxy, steps, varied
from benchmarks.axes import AXES
from benchmarks.figure import Sizes
from benchmarks.goals import GOALS, STEP_TITLES
from benchmarks.over_http import Round
from benchmarks.pace import offer_steadily
from benchmarks.servers import cores, serving
from benchmarks.systems import GROUPS, SYSTEMS
from benchmarks.world import api_key, request_scope

TINY = Sizes(
    rounds=2, requests=250, memory_requests=4_000, server_rounds=1, server_seconds=0.3, routes=(10, 20, 30),
    matches=100, keys=400, cold_keys=20, distinct_keys=100, warming_keys=20, starts=1, first_sights=5, storm=40,
    revocations=1, scan_files=60, bulk_bytes=1_000_000, beside_rounds=1, beside_seconds=0.1, beside_keys=10,
    beside_tokens=20, latency_rounds=1, latency_seconds=0.1, growth_rounds=2, growth_requests=250, growth_key_points=1,
    growth_seconds=0.1,
)  # fmt: skip


MAY_BE_NOTHING = ("storm.", "shared.", "revoke.", "bulk.growth", "proxy.p99_added")
"""Differences and counts of a round that is too short to see any."""


def names_of(scenario: str) -> set[str]:
    return {name for name in GOALS if name.startswith(f"{scenario}.")}


@pytest.mark.parametrize("scenario", ["in_process", "steps", "tokens", "routes", "keys", "imports", "scan"])
def test_a_scenario_gives_its_figures(scenario: str) -> None:
    figures = command.SCENARIOS[scenario](TINY)
    assert {figure.name for figure in figures} == names_of(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["storm", "shared", "revoke", "proxy", "bulk", "management"])
def test_a_scenario_with_servers_gives_its_figures(scenario: str) -> None:
    figures = command.SCENARIOS[scenario](TINY)
    assert {figure.name for figure in figures} == names_of(scenario)
    some = [each for each in figures if not each.name.startswith(MAY_BE_NOTHING) and not each.name.endswith("cpu")]
    assert all(figure.value > 0 for figure in some), figures


@pytest.mark.slow
def test_systems_are_held_against_the_bare_app_of_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "GROUPS", {"tokens": GROUPS["tokens"]})
    monkeypatch.setattr(beside, "SYSTEMS", {name: SYSTEMS[name] for name in ("first_sight", "keyshield")})
    monkeypatch.delenv("BENCHMARK_PEERS_PYTHON", raising=False)
    figures = {figure.name: figure for figure in beside.run(TINY)}
    parts = {"beside.first_sight.kept", "beside.first_sight.cpu_kept"}
    for name in ("bare", "first_sight"):
        parts |= {f"beside.{name}.rate", f"beside.{name}.cpu"}
    assert set(figures) == parts  # nobody has made a Python for the other
    kept, rate, bare = (
        figures[f"beside.{name}"].rounds[0] for name in ("first_sight.kept", "first_sight.rate", "bare.rate")
    )
    assert kept == pytest.approx(rate / bare * 100)


@pytest.mark.slow
def test_latency_is_told_by_percentile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "TITLES", {"bare": "app alone"})
    values = [figure.value for figure in latency.run(TINY)]
    assert values == sorted(values)
    assert values[0] > 0


@pytest.mark.slow
def test_growth_is_told_along_its_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"routes": (10,), "limits": (0, 1), "connections": (), "workers": (), "body": (100,), "nodes": ()}
    axes = {name: replace(axis, at=points.get(name, axis.at)) for name, axis in AXES.items()}
    monkeypatch.setattr(growth, "AXES", axes)
    monkeypatch.setattr(growth_servers, "AXES", axes)
    found = {figure.name for figure in growth.run(TINY)}
    points["keys"] = AXES["keys"].at[:1]
    assert found == {f"growth.{name}.{at}.{line}" for name in axes for at in points[name] for line in axes[name].lines}


@pytest.mark.slow
def test_requests_that_differ_are_all_put_and_answered() -> None:
    _, core = cores()
    requests = [varied.request_bytes(f"/{number}", {"x-number": str(number)}) for number in range(3)]
    with serving("upstream", "", core, {}) as upstream:
        made = varied.offer_varied(upstream.port, requests, 0.1, core, 2)
    assert made.answered > 0


def test_a_large_answer_in_pieces_is_one_answer() -> None:
    client = varied.Client(iter([b"first", b"second"]).__next__)
    for piece in (b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 6\r\n\r\nab", b"cd", b"ef"):
        assert client.answered == 0
        client.data_received(piece)
    client.data_received(b"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n")
    assert (client.answered, client.failed) == (2, 1)


def test_the_steps_are_those_of_the_report_and_hold_all_instructions() -> None:
    counted = asyncio.run(steps.count_steps())
    assert {*counted, "all"} == set(STEP_TITLES)
    assert all(count > 0 for count in counted.values())


def test_time_is_put_down_to_the_step_it_was_spent_in() -> None:
    now = iter(range(0, 1000, 10))
    ledger = steps.Ledger(lambda: next(now))
    inner = ledger.door("inner", lambda: None)
    outer = ledger.door("outer", lambda: inner())
    ledger.start()
    outer()
    ledger.stop()
    passage = ledger.take()
    assert passage.spent == {"pass": 20, "outer": 20, "inner": 10}
    assert passage.entered == {"outer": 1, "inner": 1}
    assert passage.settled(inside=10, outside=10)["inner"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("is_awake", [True, False], ids=["awake", "asleep"])
def test_load_is_made_with_and_without_sleeping(is_awake: bool) -> None:
    _, core = cores()
    with serving("upstream", "", core, {}) as upstream:
        made = load.offer(upstream.port, "/", {}, 0.2, core, is_awake=is_awake)
    assert made.answered > 0
    assert made.failed == 0


def test_a_generator_without_a_core_of_its_own_sleeps() -> None:
    assert load.manner(1, True) == load.AWAKE
    assert load.manner(None, True) != load.AWAKE
    assert load.manner(1, False) != load.AWAKE


@pytest.mark.slow
def test_load_at_a_steady_rate_is_as_much_as_was_asked_for() -> None:
    _, core = cores()
    with serving("upstream", "", core, {}) as upstream:
        pace = offer_steadily(upstream.port, "/", {}, rate=500, seconds=0.4, core=core)
    assert pace.answered == 200
    assert 0 < pace.p50 <= pace.p99


@pytest.mark.slow
def test_a_steady_load_stops_rather_than_time_refusals() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    with _answering(refusal) as port, pytest.raises(AssertionError, match="5 of 5 requests were not answered with 200"):
        offer_steadily(port, "/", {}, rate=50, seconds=0.1, core=None)


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """A port where every request gets this answer, in two pieces."""

    def serve(client: socket.socket) -> None:
        with client:
            while client.recv(65536):
                client.sendall(answer[:10])
                client.sendall(answer[10:])

    def accept() -> None:
        with suppress(OSError):  # closed
            while True:
                Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def test_the_proxy_is_held_against_the_best_proxy_in_python_of_the_same_round() -> None:
    rounds = [
        {"gateway": Round(10_000, 95), "httpx2": Round(1_000, 990), "aiohttp": Round(2_500, 390)},
        {"gateway": Round(9_000, 105)},
        {"gateway": Round(8_000, 120), "httpx2": Round(4_000, 240), "aiohttp": Round(2_000, 480)},
    ]
    rate, cpu = proxy.compare("proxy.python", rounds, ["httpx2", "aiohttp"])
    assert rate.value == pytest.approx((4.0 + 2.0) / 2)
    assert cpu.value == pytest.approx((390 / 95 + 240 / 120) / 2)
    assert rate.doubt == ""


def test_a_proxy_that_did_not_have_its_core_decides_nothing() -> None:
    rounds = [{"gateway": Round(10_000, 95), "envoy": Round(6_000, 60)}]
    rate, cpu = proxy.compare("proxy.envoy", rounds, ["envoy"])
    assert rate.doubt == "envoy had only 36% of the core"
    assert cpu.doubt == ""


def test_a_benchmark_stops_rather_than_measure_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "request_scope", lambda _: request_scope(api_key("gwk_live_nobody")))
    with pytest.raises(AssertionError, match="measured refusals"):
        in_process.run(TINY)


def test_numbered_keys_are_all_different() -> None:
    minted = [keys.mint(number) for number in range(1, 2_000)]
    assert len({key.key_id for key in minted}) == len(minted)
    assert len({key.text for key in minted}) == len(minted)
