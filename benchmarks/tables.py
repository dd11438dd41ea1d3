"""The tables of `beside`, `latency`, `steps` and `growth`, in Markdown. They measure nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.axes import AXES
from benchmarks.figure import Figure, show
from benchmarks.goals import STEP_TITLES
from benchmarks.latency_systems import PERCENTILES, TITLES
from benchmarks.systems import BARE, GROUPS, SYSTEMS, System

Found = Mapping[str, Figure]


def beside(found: Found) -> str:
    """Every system beside its bare app, by group; those that were not there are named."""
    if "beside.bare.rate" not in found:
        return ""
    rows = [_beside_row(name, system, found) for name, system in BARE.items() if f"beside.{name}.rate" in found]
    missing = []
    for group, title in GROUPS.items():
        rows.append((f"**{title}**", "", "", "", "", ""))
        for name, system in SYSTEMS.items():
            if system.group == group and f"beside.{name}.rate" in found:
                rows.append(_beside_row(name, system, found))
            elif system.group == group:
                missing.append(system.title)
    heads = ("", "A request passes", "Requests/s", "of the bare app’s", "Server CPU", "of the bare app’s")
    table = _table(heads, rows)
    return table + (f"\nNot installed, so not measured: {', '.join(missing)}.\n" if missing else "")


def _beside_row(name: str, system: System, found: Found) -> tuple[str, ...]:
    rate, cpu = found[f"beside.{name}.rate"], found[f"beside.{name}.cpu"]
    title = f"**{system.title}**" if system.is_ours else system.title
    if name in BARE:
        return title, system.does, show(rate.value), "", f"{show(cpu.value)} µs", ""
    kept, cpu_kept = found[f"beside.{name}.kept"], found[f"beside.{name}.cpu_kept"]
    share = f"{kept.value:.0f} % ({_ends(kept)})" if not kept.doubt else f"undecided: {kept.doubt}"
    times = f"{100 / cpu_kept.value:.2f} ×" if cpu_kept.value else ""
    return title, system.does, show(rate.value), share, f"{show(cpu.value)} µs", times


def latency(found: Found) -> str:
    """Percentiles at a steady rate."""
    rows = [
        (title, *(show(found[f"latency.{name}.p{at:g}"].value) for at in PERCENTILES))
        for name, title in TITLES.items()
        if f"latency.{name}.p50" in found
    ]
    heads = ("Milliseconds", *("median" if at == 50 else f"{at:g} %" for at in PERCENTILES))
    return _table(heads, rows) if rows else ""


def steps(found: Found) -> str:
    """What each step costs."""
    if "steps.all" not in found:
        return ""
    whole = found["steps.all"].value
    rows = [
        (
            f"**{title}**" if step == "all" else title,
            f"{show(found[f'steps.{step}'].value)} µs",
            f"{found[f'steps.{step}'].value / whole:.0%}",
            f"{found[f'steps.{step}.instructions'].value:,.0f}",
        )
        for step, title in STEP_TITLES.items()
    ]
    return _table(("Step", "Time", "Share", "Bytecode instructions"), rows)


def growth(found: Found) -> str:
    """One table for each axis."""
    tables = []
    for name, axis in AXES.items():
        points = [at for at in axis.at if any(f"growth.{name}.{at}.{line}" in found for line in axis.lines)]
        if not points:
            continue
        rows = [
            (title, *(_cell(found.get(f"growth.{name}.{at}.{line}")) for at in points))
            for line, title in axis.lines.items()
        ]
        tables.append(_table((f"{axis.title}: {axis.unit} per request", *(f"{at:,}" for at in points)), rows))
    return "\n".join(tables)


def _cell(figure: Figure | None) -> str:
    return show(figure.value) if figure is not None else ""


def _ends(figure: Figure) -> str:
    """The worst and the best round."""
    return f"{min(figure.rounds):.0f}–{max(figure.rounds):.0f}" if figure.rounds else "one round"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
