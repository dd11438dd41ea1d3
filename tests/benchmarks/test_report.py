"""The report can be read, and says what was not reached. Nothing here depends on how fast anything is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks import __main__ as command
from benchmarks import results, routes
from benchmarks.figure import QUICK, Figure, summarize
from benchmarks.goals import GOALS
from benchmarks.machine import look
from benchmarks.report import blocks, marks, render, summary, verdict, write_into
from benchmarks.systems import BARE, SYSTEMS, figures_of

TINY = msgspec.structs.replace(QUICK, routes=(10, 20, 30), matches=100)
HERE = look("none", "bench")
BEGIN, END = marks("figures")
STEPS_BEGIN, STEPS_END = marks("steps")


def test_every_scenario_is_in_the_command_and_every_figure_in_one() -> None:
    assert {name.partition(".")[0] for name in GOALS} == set(command.SCENARIOS)


def test_the_command_prints_a_table_and_fills_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)
    page, data = tmp_path / "page.md", tmp_path / "new" / "figures.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter {STEPS_BEGIN} old {STEPS_END}\n", "utf-8")
    options = ["--quick", "--only", "routes", "--json", str(data), "--write-docs", str(page), "--baseline", str(data)]
    assert command.main(options) == 0
    report, _, comparison = capsys.readouterr().out.partition("\nSince ")
    assert page.read_text("utf-8") == f"before\n{BEGIN}\n{report}{END}\nafter {STEPS_BEGIN} old {STEPS_END}\n"
    table = [line for line in report.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {6}
    kept = results.read(data)
    assert set(kept.by_name()) == {name for name in GOALS if name.startswith("routes.")}
    assert len(kept.by_name()["routes.match"].rounds) == routes.ROUNDS
    assert "0 changed, " in comparison  # with itself
    assert comparison.endswith(" of 4 figures.\n")


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "routes,nonsense"])
    assert ended.value.code == 2
    assert "there is no nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("text", [f"{BEGIN} {END} {BEGIN} {END}", f"{END} {BEGIN}", BEGIN])
def test_a_document_without_its_markers_stays_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="once each"):
        write_into(page, {"figures": "figures\n"})
    assert page.read_text("utf-8") == text


def test_a_part_stands_under_its_picture_as_seen_from_the_document(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(f"{STEPS_BEGIN}{STEPS_END}", "utf-8")
    write_into(page, {"steps": "table\n"}, tmp_path / "docs" / "pictures")
    picture = "![Cost of each step of a request](pictures/steps.svg)"
    assert page.read_text("utf-8") == f"{STEPS_BEGIN}\n{picture}\n\ntable\n{STEPS_END}"


def test_a_document_without_any_markers_is_a_mistake(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers", "utf-8")
    with pytest.raises(ValueError, match="no markers for any of figures"):
        write_into(page, {"figures": "figures\n"})


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
    assert render([figure], HERE).rstrip().endswith(f"| {words} |")


def test_a_figure_in_doubt_reaches_no_goal() -> None:
    figure = Figure("http.uvicorn.share", 121.0, "spread", doubt="the server was not busy")
    assert verdict(figure) == "**undecided: the server was not busy**"
    assert results.keep(HERE, [figure]).figures[0].holds is None


def test_goals_that_do_not_hold_are_named_in_full() -> None:
    figures = [
        Figure("in_process.added", 7.0, ""),
        Figure("tokens.es256", 3.0, ""),
        Figure("http.uvicorn.share", 90.0, "", doubt="the server was not busy"),
        Figure("proxy.rate", 1.0, ""),
    ]
    assert summary(figures).splitlines() == [
        "1 of 3 goals hold.",
        "",
        "- Token seen for the first time, RS256, over the bare signature check … ES256: **not reached: 3.00 of 2**",
        "- uvicorn, Starlette JSON app: requests/s kept: **undecided: the server was not busy**",
    ]


def test_systems_stand_beside_each_other_and_missing_ones_are_named() -> None:
    names = [name for name in (*BARE, *SYSTEMS) if not (BARE.get(name) or SYSTEMS[name]).is_apart]
    figures = [summarize(figure, [50.0, 40.0, 60.0]) for name in names for figure in figures_of(name)]
    table = blocks(figures, HERE)["beside"]
    assert "| **gateway-auth, key in memory** | key | 50.0 | 50 % (40–60) | 50.0 µs | 2.00 × |" in table
    assert table.rstrip().endswith("so not measured: keyshield, keys in memory, fastapi-limiter, fastapi-guard.")
