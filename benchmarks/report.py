"""Figures as a Markdown table, the facts of the machine above it, and both into documents. It measures nothing."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figure, show
from benchmarks.goals import GOALS, Goal

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
_BLOCK = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def render(figures: Sequence[Figure], *, is_quick: bool, load: str) -> str:
    """The whole report."""
    lines = ["| Figure | Goal | Measured | Spread | |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(figure, GOALS[figure.name]) for figure in figures]
    return f"{describe_machine(is_quick=is_quick, load=load)}\n\n" + "\n".join(lines) + "\n"


def describe_machine(*, is_quick: bool, load: str) -> str:
    """What has to be known to compare figures with others."""
    facts = [
        f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores",
        _processor(),
        f"{platform.python_implementation()} {platform.python_version()}",
        platform.system(),
        load,
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    if is_quick:
        facts.append("quick run")
    return ", ".join(facts) + "."


def as_data(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """The figures for JSON."""
    return [
        {
            "name": figure.name,
            "value": round(figure.value, 4),
            "unit": GOALS[figure.name].unit,
            "goal": None if GOALS[figure.name].kind == "none" else GOALS[figure.name].limit,
            "holds": None if figure.doubt else GOALS[figure.name].holds(figure.value),
            "doubt": figure.doubt,
            "spread": figure.spread,
        }
        for figure in figures
    ]


def write_into(document: Path, report: str) -> None:
    """Put the report between the markers. Raises ValueError for a document without them; then nothing is written."""
    text = document.read_text("utf-8")
    if len(_BLOCK.findall(text)) != 1:
        raise ValueError(f"{document} does not have {BEGIN} and {END} once each")
    document.write_text(_BLOCK.sub(lambda _: f"{BEGIN}\n{report}{END}", text), "utf-8")


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


def _row(figure: Figure, goal: Goal) -> str:
    wanted = "" if goal.kind == "none" else f"{goal.kind} {goal.limit:g} {goal.unit}"
    return f"| {goal.title} | {wanted} | {show(figure.value)} {goal.unit} | {figure.spread} | {verdict(figure)} |"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.machine()
