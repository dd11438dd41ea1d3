"""Runs beside each other: which figures changed, and which only moved as rounds and runs do. It measures nothing.

`python -m benchmarks compare BEFORE.json [BEFORE.json …] AFTER.json`: of several runs before, one that lies within
what they differ by themselves has not changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

from msgspec import Struct

from benchmarks.evidence import chance_of_no_difference, interval_of_ratio
from benchmarks.figure import show
from benchmarks.results import Kept, Results, read

LEAST_ROUNDS = 4
"""Of fewer rounds no order is unlikely enough."""
LEAST_CHANGE = 0.03
"""What machines do from one run to the next without anybody having changed anything."""
CERTAIN = 0.01
EXACT_UNITS = frozenset(("instructions", "fetches", "packages"))
RELATIVE_UNITS = frozenset(("%", "×", *EXACT_UNITS))
"""What may be compared between machines."""

Word = Literal["changed", "unchanged", "undecided"]


class Comparison(Struct, frozen=True):
    """One figure: what is said of it, and why."""

    name: str
    title: str
    word: Word
    text: str


def compare(before: Sequence[Results], after: Results) -> list[Comparison]:
    """Every figure that all runs have, in the order of the latest one."""
    was = [run.by_name() for run in before]
    is_same_place = all(run.machine.place == after.machine.place for run in before)
    is_busy = any(run.machine.is_busy for run in (*before, after))
    return [
        _compare([figures[figure.name] for figures in was], figure, is_busy=is_busy)
        for figure in after.figures
        if all(figure.name in figures for figures in was) and (is_same_place or figure.unit in RELATIVE_UNITS)
    ]


def _compare(runs: Sequence[Kept], after: Kept, *, is_busy: bool) -> Comparison:
    values = [run.value for run in runs]
    rounds = [value for run in runs for value in run.rounds]
    before = median(values)
    text = f"{show(before)} → {show(after.value)} {after.unit}"

    def said(word: Word, more: str) -> Comparison:
        return Comparison(after.name, after.title, word, f"{text}: {more}")

    change = after.value / before - 1 if before else float(after.value != 0)
    if after.unit in EXACT_UNITS:
        return said("unchanged" if after.value in values else "changed", f"{change:+.1%}, counted")
    if doubt := _doubt(runs, after, is_busy=is_busy):
        return said("undecided", f"{change:+.1%}, {doubt}")
    chance = chance_of_no_difference(rounds, after.rounds)
    low, high = interval_of_ratio(rounds, after.rounds)
    is_certain = chance < CERTAIN and not low <= 1 <= high
    is_beyond = not min(values) * (1 - LEAST_CHANGE) < after.value < max(values) * (1 + LEAST_CHANGE)
    word: Word = "changed" if is_certain and is_beyond else "unchanged"
    return said(word, f"{change:+.1%} (95 % within {low - 1:+.1%} to {high - 1:+.1%}, p {chance:.2g})")


def _doubt(runs: Sequence[Kept], after: Kept, *, is_busy: bool) -> str:
    """Why nothing can be said of times; empty where it can."""
    told = [figure.doubt for figure in (*runs, after) if figure.doubt]
    if told:
        return told[0]
    if is_busy:
        return "of a busy machine"
    if min(len(figure.rounds) for figure in (*runs, after)) < LEAST_ROUNDS:
        return "of too few rounds"
    if min(min(figure.rounds) for figure in (*runs, after)) <= 0:
        return "of a difference that is near nothing"
    return ""


def render(before: Sequence[Results], after: Results) -> Iterator[str]:
    """What is printed: what changed first, what did not as a count, unless all is asked for."""
    compared = compare(before, after)
    if any(run.machine.place != after.machine.place for run in before):
        yield "Another machine, Python or load: only ratios, shares and counts are compared."
    for word in ("changed", "undecided"):
        yield from (f"{each.word:9}  {each.name}  {each.text}" for each in compared if each.word == word)
    counts = {word: sum(each.word == word for each in compared) for word in ("changed", "unchanged", "undecided")}
    yield ", ".join(f"{count} {word}" for word, count in counts.items()) + f" of {len(compared)} figures."


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code, 0 also where figures changed: a change may be what was wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description="Tell a change from noise.")
    parser.add_argument("before", type=Path, nargs="+", help="one run, or several of the same code")
    parser.add_argument("after", type=Path)
    parser.add_argument("--all", action="store_true", help="the unchanged ones too")
    options = parser.parse_args(arguments)
    before, after = [read(file) for file in options.before], read(options.after)
    if options.all:
        for each in compare(before, after):
            if each.word == "unchanged":
                print(f"{each.word:9}  {each.name}  {each.text}")
    for line in render(before, after):
        print(line)
    return 0
