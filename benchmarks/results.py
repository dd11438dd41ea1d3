"""The results of a run as they are kept: facts of the machine, and every figure with its rounds, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.figure import Figure
from benchmarks.goals import GOALS
from benchmarks.machine import Machine

SIGNIFICANT = 5


class Kept(Struct, frozen=True):
    """One figure. `holds` is None where there is no goal or none can be held against it."""

    name: str
    title: str
    value: float
    unit: str
    goal: float | None
    holds: bool | None
    doubt: str
    spread: str
    rounds: tuple[float, ...] = ()


class Results(Struct, frozen=True):
    """One run."""

    machine: Machine
    figures: list[Kept]

    def by_name(self) -> dict[str, Kept]:
        """The figures."""
        return {figure.name: figure for figure in self.figures}


def keep(machine: Machine, figures: Sequence[Figure]) -> Results:
    """What is written down of a run."""
    return Results(machine, [_kept(figure) for figure in figures])


def write(results: Results, file: Path) -> None:
    """As JSON. Makes the folder, where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read(file: Path) -> Results:
    """Raises OSError and msgspec.DecodeError for a file that cannot be read or is not of this form."""
    return msgspec.json.decode(file.read_bytes(), type=Results)


def _kept(figure: Figure) -> Kept:
    goal = GOALS[figure.name]
    return Kept(
        name=figure.name,
        title=goal.title,
        value=_rounded(figure.value),
        unit=goal.unit,
        goal=None if goal.kind == "none" else goal.limit,
        holds=None if figure.doubt else goal.holds(figure.value),
        doubt=figure.doubt,
        spread=figure.spread,
        rounds=tuple(_rounded(value) for value in figure.rounds),
    )


def _rounded(value: float) -> float:
    """To what a measurement can mean."""
    return float(f"{value:.{SIGNIFICANT}g}")
