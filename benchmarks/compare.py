"""Two runs beside each other: which figures changed, and which only moved as rounds do. It measures nothing.

`python -m benchmarks compare BEFORE.json AFTER.json`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
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


def compare(before: Results, after: Results) -> list[Comparison]:
    """Every figure that both runs have, in the order of the later one."""
    was = before.by_name()
    is_same_place = before.machine.place == after.machine.place
    return [
        _compare(was[figure.name], figure)
        for figure in after.figures
        if figure.name in was and (is_same_place or figure.unit in RELATIVE_UNITS)
    ]


def _compare(before: Kept, after: Kept) -> Comparison:
    text = f"{show(before.value)} → {show(after.value)} {after.unit}"

    def said(word: Word, more: str) -> Comparison:
        return Comparison(after.name, after.title, word, f"{text}: {more}")

    change = after.value / before.value - 1 if before.value else float(after.value != 0)
    if after.unit in EXACT_UNITS:
        return said("changed" if before.value != after.value else "unchanged", f"{change:+.1%}, counted")
    if before.doubt or after.doubt:
        return said("undecided", before.doubt or after.doubt)
    if min(len(before.rounds), len(after.rounds)) < LEAST_ROUNDS:
        return said("undecided", f"{change:+.1%}, of too few rounds")
    if min(*before.rounds, *after.rounds) <= 0:
        return said("undecided", f"{change:+.1%}, of a difference that is near nothing")
    chance = chance_of_no_difference(before.rounds, after.rounds)
    low, high = interval_of_ratio(before.rounds, after.rounds)
    is_certain = chance < CERTAIN and not low <= 1 <= high
    word: Word = "changed" if is_certain and abs(change) >= LEAST_CHANGE else "unchanged"
    return said(word, f"{change:+.1%} (95 % within {low - 1:+.1%} to {high - 1:+.1%}, p {chance:.2g})")


def render(before: Results, after: Results) -> Iterator[str]:
    """What is printed: what changed first, what did not as a count, unless all is asked for."""
    compared = compare(before, after)
    if before.machine.place != after.machine.place:
        yield "Another machine, Python or load: only ratios, shares and counts are compared."
    for word in ("changed", "undecided"):
        yield from (f"{each.word:9}  {each.name}  {each.text}" for each in compared if each.word == word)
    counts = {word: sum(each.word == word for each in compared) for word in ("changed", "unchanged", "undecided")}
    yield ", ".join(f"{count} {word}" for word, count in counts.items()) + f" of {len(compared)} figures."


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code, 0 also where figures changed: a change may be what was wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description="Tell a change from noise.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--all", action="store_true", help="the unchanged ones too")
    options = parser.parse_args(arguments)
    before, after = read(options.before), read(options.after)
    if options.all:
        for each in compare(before, after):
            if each.word == "unchanged":
                print(f"{each.word:9}  {each.name}  {each.text}")
    for line in render(before, after):
        print(line)
    return 0
