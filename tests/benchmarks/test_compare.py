"""Two runs beside each other: a change is told from noise. Nothing here is timed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import __main__ as command
from benchmarks.compare import Word, compare, render
from benchmarks.evidence import chance_of_no_difference, interval_of_ratio
from benchmarks.machine import Machine, Usage
from benchmarks.results import Kept, Results, read, write

HERE = Machine(
    cores=2, processor="p", python="CPython 3.11.7", system="Linux", kernel="6", generator="own", date="2026-01-01",
    size="bench", commit="abc", versions={},
)  # fmt: skip


def results(*rounds: float, unit: str = "µs", doubt: str = "", value: float | None = None) -> Results:
    middle = sorted(rounds)[len(rounds) // 2] if value is None else value
    figure = Kept("in_process.added", "Added", middle, unit, None, None, doubt, "", rounds)
    return Results(HERE, [figure])


@pytest.mark.parametrize(
    ("one", "other", "chance"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        ([6, 7, 8, 9, 10], [1, 2, 3, 4, 5], 2 / 252),
        ([1, 2, 3], [4, 5, 6], 2 / 20),
        ([1, 4], [2, 3], 1.0),
        ([1, 2, 3, 8], [4, 5, 6, 7], 2 * 12 / 70),
        ([5, 5, 5, 5], [5, 5, 5, 5], 1.0),
    ],
    ids=["apart", "the other way round", "three each", "in the middle", "one outlier", "all the same"],
)
def test_the_chance_of_ranks_is_that_of_the_tables(one: list[float], other: list[float], chance: float) -> None:
    assert chance_of_no_difference(one, other) == pytest.approx(chance)


def test_with_ties_and_with_many_rounds_the_chance_is_near_the_exact_one() -> None:
    one, other = [float(n) for n in range(20)], [n + 7.5 for n in range(20)]
    exact = chance_of_no_difference(one, other)
    assert chance_of_no_difference([*one, 10.0], [*other, 17.5]) == pytest.approx(exact, abs=0.004)


def test_the_interval_of_the_ratio_is_around_it_and_narrow_where_rounds_agree() -> None:
    low, high = interval_of_ratio([100, 101, 102, 103, 104], [110, 111, 112, 113, 114])
    assert 1.05 < low < 112 / 102 < high < 1.15


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (results(10.0, 10.1, 10.2, 9.9, 9.8), results(11.5, 11.6, 11.4, 11.7, 11.3), "changed"),
        (results(10.0, 10.1, 10.2, 9.9, 9.8), results(10.05, 10.15, 9.95, 9.85, 10.25), "unchanged"),
        (results(10.00, 10.01, 10.02, 9.99, 9.98), results(10.1, 10.11, 10.12, 10.09, 10.08), "unchanged"),
        (results(10.0, 15.0, 9.0, 30.0, 11.0), results(12.0, 9.5, 40.0, 10.5, 16.0), "unchanged"),
        (results(10.0, 10.1, 10.2), results(20.0, 20.1, 20.2), "undecided"),
        (results(10.0, 10.1, 10.2, 9.9), results(20.0, 20.1, 20.2, 20.3, doubt="busy"), "undecided"),
        (results(0.1, -0.1, 0.2, 0.3), results(2.0, 2.1, 2.2, 2.3), "undecided"),
        (results(value=1465, unit="instructions"), results(value=1466, unit="instructions"), "changed"),
        (results(value=1465, unit="instructions"), results(value=1465, unit="instructions"), "unchanged"),
    ],
    ids=[
        "15 % more", "the same", "certain but small", "noise", "too few rounds", "in doubt", "nearly nothing",
        "one instruction", "counted alike",
    ],
)  # fmt: skip
def test_a_change_is_told_from_noise(before: Results, after: Results, word: Word) -> None:
    assert [each.word for each in compare([before], after)] == [word]


def test_on_a_busy_machine_times_decide_nothing_and_counts_do() -> None:
    busy = replace(HERE, used_by_others=0.4)
    timed = (results(10.0, 10.1, 10.2, 9.9), results(20.0, 20.1, 20.2, 20.3))
    assert [each.word for each in compare([replace(timed[0], machine=busy)], timed[1])] == ["undecided"]
    counted = (results(value=1465, unit="instructions"), results(value=1500, unit="instructions"))
    assert [each.word for each in compare([replace(counted[0], machine=busy)], counted[1])] == ["changed"]


def test_what_lies_within_several_runs_of_one_thing_has_not_changed() -> None:
    before = [results(10.0, 10.1, 10.2, 9.9, 9.8), results(11.0, 11.1, 11.2, 10.9, 10.8)]
    after = results(11.0, 11.12, 11.22, 10.92, 10.82)
    assert [each.word for each in compare(before[:1], after)] == ["changed"]
    assert [each.word for each in compare(before, after)] == ["unchanged"]
    assert [each.word for each in compare(before, results(12.0, 12.1, 12.2, 11.9, 11.8))] == ["changed"]


def test_what_others_used_of_a_machine_is_what_this_run_did_not() -> None:
    before, now = Usage(all=100.0, used=50.0, ours=10.0), Usage(all=120.0, used=65.0, ours=20.0)
    assert now.by_others_since(before) == 0.25
    assert before.by_others_since(before) == 0.0


def test_of_runs_of_one_thing_hardly_any_figure_is_called_changed() -> None:
    chance = random.Random(7)
    called = 0
    for _ in range(60):
        before, after = (results(*(chance.lognormvariate(0, 0.15) for _ in range(7))) for _ in range(2))
        called += compare([before], after)[0].word == "changed"
    assert called <= 3


def test_on_another_machine_only_what_is_relative_is_compared() -> None:
    elsewhere = replace(HERE, processor="another")
    share = replace(results(1.0, 2.0, 3.0, 4.0).figures[0], name="http.uvicorn.share", unit="%")
    before = Results(HERE, [*results(1.0, 2.0, 3.0, 4.0).figures, share])
    compared = compare([before], replace(before, machine=elsewhere))
    assert [each.name for each in compared] == ["http.uvicorn.share"]
    assert next(render([before], replace(before, machine=elsewhere))).startswith("Another machine")


def test_the_command_compares_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    write(results(10.0, 10.1, 10.2, 9.9, 9.8), before)
    write(results(11.5, 11.6, 11.4, 11.7, 11.3), after)
    assert read(before) == results(10.0, 10.1, 10.2, 9.9, 9.8)
    assert command.main(["compare", str(before), str(after)]) == 0
    printed = capsys.readouterr().out
    assert "changed    in_process.added  10.0 → 11.5 µs: +15.0%" in printed
    assert "1 changed, 0 unchanged, 0 undecided of 1 figures." in printed
