"""One measured figure, and the arithmetic of several rounds. Knows no scenario."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks.goals import GOALS

Scale = Literal["tiny", "quick", "full"]
"""`tiny` proves that a scenario runs and measures nothing; `quick` is for work on the code; `full` for figures."""


@dataclass(frozen=True)
class Measure:
    """`goal` is a name in `goals.GOALS`, or empty. `note` says what the figure needs to be understood."""

    name: str
    value: float
    unit: str
    goal: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """What the figure says about its goal; empty without one."""
        if not self.goal:
            return ""
        goal = GOALS[self.goal]
        wanted = f"{'at most' if goal.is_at_most else 'at least'} {goal.limit:g} {self.unit}".strip()
        if goal.is_reached(self.value):
            return f"reached ({wanted})"
        return f"**not reached**: measured {show(self.value)} of {wanted}"


def show(value: float) -> str:
    """Three significant digits, no exponent."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"


@dataclass(frozen=True)
class Spread:
    """Several rounds of one thing. The best is what it costs, the median what it cost here, with all that disturbed."""

    best: float
    median: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of times or costs: the least is the best."""
        return cls(min(values), median(values))


def interleaved(rounds: int, *subjects: Callable[[], float]) -> list[list[float]]:
    """Each subject measured once a round, A B A B: what disturbs the machine for a while disturbs all of them."""
    values: list[list[float]] = [[] for _ in subjects]
    for _ in range(rounds):
        for found, subject in zip(values, subjects, strict=True):
            found.append(subject())
    return values


def per_call(function: Callable[[], object], count: int) -> float:
    """Microseconds of processor time of one call, the loop around it included."""
    repeats = range(count)
    started = time.process_time_ns()
    for _ in repeats:
        function()
    return (time.process_time_ns() - started) / count / 1000


def chunks(total: int, size: int) -> Iterator[int]:
    """`total` in pieces of at most `size`."""
    while total > 0:
        yield min(size, total)
        total -= size


def progress(text: str) -> None:
    """A line for whoever waits; results go to stdout, this does not."""
    print(f"  {text}", file=sys.stderr, flush=True)


def resident_bytes(pid: int | Literal["self"] = "self") -> int:
    """Resident memory of a process, from /proc."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0
