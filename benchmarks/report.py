"""Figures as Markdown, the facts of the machine above them, and both into documents. It measures nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import tables
from benchmarks.figure import Figure, show
from benchmarks.goals import GOALS, Goal
from benchmarks.machine import Machine

TABLES_OF_THEIR_OWN = ("beside", "growth", "latency", "steps")
"""Scenarios whose figures are not one below the other in one list."""

PICTURES = {
    "beside": ("kept", "Share of the bare app’s requests per second that each system keeps"),
    "latency": ("latency", "Latency by percentile at a steady rate"),
    "steps": ("steps", "Cost of each step of a request"),
    "growth": ("growth", "CPU time per request along each axis"),
}
"""The picture of a part, and what it shows."""


def blocks(figures: Sequence[Figure], machine: Machine) -> dict[str, str]:
    """The parts of the report by the names of their markers; a part without figures is not there."""
    found = {figure.name: figure for figure in figures}
    listed = [figure for figure in figures if figure.name.partition(".")[0] not in TABLES_OF_THEIR_OWN]
    parts = {
        "figures": _list(listed) if listed else "",
        "goals": summary(listed) if listed else "",
        "beside": tables.beside(found),
        "latency": tables.latency(found),
        "steps": tables.steps(found),
        "growth": tables.growth(found),
    }
    return {name: f"{machine.describe()}\n\n{text}" for name, text in parts.items() if text}


def render(figures: Sequence[Figure], machine: Machine) -> str:
    """The whole report."""
    parts = blocks(figures, machine)
    heading = f"{machine.describe()}\n\n"
    return heading + "\n".join(part.removeprefix(heading) for name, part in parts.items() if name != "goals")


def write_into(document: Path, parts: Mapping[str, str], pictures: Path | None = None) -> None:
    """Put each part between its markers, where the document has them, under its picture where there are any.

    Raises ValueError for a document without any markers, or with one twice; then nothing is written.
    """
    text = document.read_text("utf-8")
    has_any = False
    for name, part in parts.items():
        begin, end = marks(name)
        if begin not in text and end not in text:
            continue
        block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(block.findall(text)) != 1 or text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{document} does not have {begin} and {end} once each")
        whole = f"{begin}\n{_picture(name, document, pictures)}{part}{end}"
        text = block.sub(lambda _, whole=whole: whole, text)  # type: ignore[misc]
        has_any = True
    if not has_any:
        raise ValueError(f"{document} has no markers for any of {', '.join(parts)}")
    document.write_text(text, "utf-8")


def marks(name: str) -> tuple[str, str]:
    """What a part stands between."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def _picture(name: str, document: Path, folder: Path | None) -> str:
    if folder is None or name not in PICTURES:
        return ""
    file, says = PICTURES[name]
    place = os.path.relpath(folder / f"{file}.svg", document.parent)
    return f"![{says}]({place})\n\n"


def summary(figures: Sequence[Figure]) -> str:
    """How many goals hold, and every one that does not."""
    verdicts = {figure.name: verdict(figure) for figure in figures if GOALS[figure.name].kind != "none"}
    holding = sum(words == "holds" for words in verdicts.values())
    lines = [f"{holding} of {len(verdicts)} goals hold."]
    lines += [f"- {_whole_title(name)}: {words}" for name, words in verdicts.items() if words != "holds"]
    return "\n".join(lines[:1] + ([""] if len(lines) > 1 else []) + lines[1:]) + "\n"


def verdict(figure: Figure) -> str:
    """Whether the goal is reached, in words."""
    goal = GOALS[figure.name]
    holds = goal.holds(figure.value)
    if holds is None:
        return ""
    if figure.doubt:
        return f"**undecided: {figure.doubt}**"
    # More digits than the table shows where rounding would say "not reached: 8.00 of 8".
    value = show(figure.value) if show(figure.value) != show(goal.limit) else f"{figure.value:.3f}"
    return "holds" if holds else f"**not reached: {value} of {goal.limit:g}**"


def _whole_title(name: str) -> str:
    """A title that goes on from the one above it, with that one in front."""
    names = list(GOALS)
    first = names.index(name)
    while GOALS[names[first]].title.startswith("…"):
        first -= 1
    title, beginning = GOALS[name].title, GOALS[names[first]].title
    return title if title == beginning else f"{beginning} {title}"


def _list(figures: Sequence[Figure]) -> str:
    lines = ["| Figure | Goal | Measured | Spread | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*lines, *(_row(figure, GOALS[figure.name]) for figure in figures)]) + "\n"


def _row(figure: Figure, goal: Goal) -> str:
    wanted = "" if goal.kind == "none" else f"{goal.kind} {goal.limit:g} {goal.unit}"
    return f"| {goal.title} | {wanted} | {show(figure.value)} {goal.unit} | {figure.spread} | {verdict(figure)} |"
