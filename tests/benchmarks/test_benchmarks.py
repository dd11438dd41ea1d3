"""The benchmarks run and their report can be read. Nothing here depends on how fast anything is."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from benchmarks import __main__ as command
from benchmarks import in_process, keys, load, proxy
from benchmarks.figure import Figure, Sizes
from benchmarks.goals import GOALS
from benchmarks.over_http import Round
from benchmarks.pace import offer_steadily
from benchmarks.report import BEGIN, END, as_data, render, verdict, write_into
from benchmarks.servers import cores, serving
from benchmarks.world import api_key, request_scope

TINY = Sizes(
    rounds=2, requests=250, memory_requests=4_000, server_rounds=1, server_seconds=0.3, routes=(10, 20, 30),
    matches=100, keys=400, cold_keys=20, distinct_keys=100, warming_keys=20, starts=1, first_sights=5, storm=40,
    revocations=1, scan_files=60, bulk_bytes=1_000_000,
)  # fmt: skip


MAY_BE_NOTHING = ("http.", "storm.", "shared.", "revoke.", "bulk.growth", "proxy.p99_added")
"""Differences and counts of a round that is too short to see any."""


def names_of(scenario: str) -> set[str]:
    return {name for name in GOALS if name.startswith(f"{scenario}.")}


@pytest.mark.parametrize("scenario", ["in_process", "tokens", "routes", "keys", "imports", "scan"])
def test_a_scenario_gives_its_figures(scenario: str) -> None:
    figures = command.SCENARIOS[scenario](TINY)
    assert {figure.name for figure in figures} == names_of(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["http", "bearer", "storm", "shared", "revoke", "proxy", "bulk", "management"])
def test_a_scenario_with_servers_gives_its_figures(scenario: str) -> None:
    figures = command.SCENARIOS[scenario](TINY)
    assert {figure.name for figure in figures} == names_of(scenario)
    some = [each for each in figures if not each.name.startswith(MAY_BE_NOTHING) and not each.name.endswith("cpu")]
    assert all(figure.value > 0 for figure in some), figures


@pytest.mark.slow
def test_load_is_made_without_wrk_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert load.generator() == "own load generator"
    _, core = cores()
    with serving("upstream", "", core, {}) as upstream:
        made = load.offer(upstream.port, "/", {}, 0.2, core)
    assert made.answered > 0
    assert made.failed == 0


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


def test_every_scenario_is_in_the_command_and_every_figure_in_one() -> None:
    assert {name.partition(".")[0] for name in GOALS} == set(command.SCENARIOS)


def test_the_command_prints_a_table_and_fills_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)
    page, data = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    options = ["--quick", "--only", "routes", "--json", str(data), "--write-docs", str(page)]
    assert command.main(options) == 0
    report = capsys.readouterr().out
    assert page.read_text("utf-8") == f"before\n{BEGIN}\n{report}{END}\nafter\n"
    table = [line for line in report.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {6}
    assert {figure["name"] for figure in json.loads(data.read_text("utf-8"))} == names_of("routes")


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "routes,nonsense"])
    assert ended.value.code == 2
    assert "there is no nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no markers", f"{BEGIN} {END} {BEGIN} {END}", f"{END} {BEGIN}"])
def test_a_document_without_its_markers_stays_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="once each"):
        write_into(page, "figures\n")
    assert page.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("in_process.added", 7.9, "holds"),
        ("in_process.added", 8.0, "holds"),
        ("in_process.added", 8.001, "**not reached: 8.001 of 8**"),
        ("in_process.added", 10.1, "**not reached: 10.1 of 8**"),
        ("http.uvicorn.share", 80.0, "holds"),
        ("http.uvicorn.share", 71.26, "**not reached: 71.3 of 80**"),
        ("imports.heavy", 0.0, "holds"),
        ("imports.heavy", 1.0, "**not reached: 1.00 of 0**"),
        ("proxy.rate", 1.0, ""),
    ],
)
def test_a_goal_that_is_not_reached_is_told(name: str, value: float, words: str) -> None:
    figure = Figure(name, value, "spread")
    assert verdict(figure) == words
    assert render([figure], is_quick=False, load="none").rstrip().endswith(f"| {words} |")


def test_a_figure_in_doubt_reaches_no_goal() -> None:
    figure = Figure("http.uvicorn.share", 121.0, "spread", doubt="the server was not busy")
    assert verdict(figure) == "**undecided: the server was not busy**"
    assert as_data([figure])[0]["holds"] is None


def test_a_benchmark_stops_rather_than_measure_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "request_scope", lambda _: request_scope(api_key("gwk_live_nobody")))
    with pytest.raises(AssertionError, match="measured refusals"):
        in_process.run(TINY)


def test_numbered_keys_are_all_different() -> None:
    minted = [keys.mint(number) for number in range(1, 2_000)]
    assert len({key.key_id for key in minted}) == len(minted)
    assert len({key.text for key in minted}) == len(minted)
