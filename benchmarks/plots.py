"""The pictures of a run, as SVG and PNG: dark on white, so that they can be read on light and on dark pages.

`python -m benchmarks.plots FIGURES.json FOLDER`. Needs matplotlib, which `make bench` installs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from benchmarks.axes import AXES, Axis
from benchmarks.goals import STEP_TITLES
from benchmarks.latency_systems import PERCENTILES, RATE, TITLES
from benchmarks.results import Kept, Results, read
from benchmarks.systems import BARE, GROUPS, SYSTEMS

OURS, THEIRS, PLAIN, INK, FAINT = "#1f5fbf", "#b0b7c1", "#4d5663", "#1c2128", "#d8dce2"
LINES = ("#4d5663", "#1f5fbf", "#5b9bd5", "#0b3d91", "#d9822b", "#8c6bb1")
STYLE: dict[Any, Any] = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": FAINT, "xtick.color": INK, "ytick.color": INK, "grid.color": FAINT,
    "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "font.size": 10,
    "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left", "legend.frameon": False,
    "svg.hashsalt": "gateway-auth",  # the same run gives the same bytes
}  # fmt: skip
DOTS_PER_INCH = 144

Found = Mapping[str, Kept]


def draw(results: Results, folder: Path) -> list[Path]:
    """Write every picture that there are figures for. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    found = results.by_name()
    with mpl.rc_context(STYLE):
        return [
            file
            for name, make in {"kept": _kept, "latency": _latency, "steps": _steps, "growth": _growth}.items()
            for canvas in make(found)
            for file in _save(canvas, folder / name, results)
        ]


def _save(canvas: Canvas, file: Path, results: Results) -> Iterator[Path]:
    canvas.text(0.005, 0.005, results.machine.describe(), fontsize=7, color=PLAIN, va="bottom")
    canvas.set_layout_engine("tight", rect=(0, 0.03, 1, 1))
    for ending, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": DOTS_PER_INCH})):
        whole = file.with_suffix(ending)
        canvas.savefig(whole, **options)
        yield whole


def _kept(found: Found) -> Iterator[Canvas]:
    """What each system keeps of its bare app's throughput: the median, and a line from the worst round to the best."""
    groups = {group: [name for name, system in SYSTEMS.items() if system.group == group] for group in GROUPS}
    groups = {group: [n for n in names if f"beside.{n}.kept" in found] for group, names in groups.items()}
    groups = {group: names for group, names in groups.items() if names}
    if not groups:
        return
    canvas = Canvas(figsize=(9, 1.6 + 0.34 * sum(map(len, groups.values())) + 0.5 * len(groups)))
    heights = [len(names) + 1.2 for names in groups.values()]
    for axes, (group, names) in zip(_stack(canvas, heights), groups.items(), strict=True):
        for row, name in enumerate(reversed(names)):
            figure, system = found[f"beside.{name}.kept"], SYSTEMS[name]
            axes.barh(row, figure.value, color=OURS if system.is_ours else THEIRS, height=0.66)
            axes.plot([min(figure.rounds), max(figure.rounds)], [row, row], color=INK, linewidth=1)
            label = f"{figure.value:.0f} %" + (" (busy machine)" if figure.doubt else "")
            axes.text(max(figure.value, *figure.rounds) + 1, row, label, va="center", fontsize=9)
        axes.set_yticks(range(len(names)), [SYSTEMS[name].title for name in reversed(names)])
        axes.set(xlim=(0, 108), title=GROUPS[group])
        axes.grid(visible=False, axis="y")
    axes.set_xlabel("% of the requests per second of the bare app of its framework, same round")
    yield canvas


def _stack(canvas: Canvas, heights: list[float]) -> list[Any]:
    made = canvas.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
    return [row[0] for row in made]


def _latency(found: Found) -> Iterator[Canvas]:
    """The slow end of the distribution stretched out, as it is what one waits for."""
    names = [name for name in TITLES if f"latency.{name}.p50" in found]
    if not names:
        return
    canvas = Canvas(figsize=(11, 4.4))
    axes: Any = canvas.subplots()
    for name, colour in zip(names, LINES, strict=False):
        values = [found[f"latency.{name}.p{at:g}"].value for at in PERCENTILES]
        is_ours = name in SYSTEMS and SYSTEMS[name].is_ours
        axes.plot(
            range(len(values)), values, color=colour, marker="o", markersize=4, linewidth=2.2 if is_ours else 1.4,
            linestyle="-" if is_ours or name in BARE else "--", label=TITLES[name],
        )  # fmt: skip
    axes.set_xticks(range(len(PERCENTILES)), ["median", *(f"{at:g} %" for at in PERCENTILES[1:])])
    axes.set(
        yscale="log", ylabel="milliseconds", xlabel="of all answers", title=f"Latency at {RATE:g} requests per second"
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    yield canvas


def _steps(found: Found) -> Iterator[Canvas]:
    """Cost by step, in time and in instructions."""
    if "steps.all" not in found:
        return
    names = [step for step in reversed(STEP_TITLES) if step != "all"]
    canvas = Canvas(figsize=(10, 4.6))
    left, right = canvas.subplots(1, 2, sharey=True)
    for axes, ending, unit in ((left, "", "µs"), (right, ".instructions", "bytecode instructions")):
        values = [found[f"steps.{step}{ending}"].value for step in names]
        axes.barh(range(len(names)), values, color=OURS, height=0.66)
        for row, value in enumerate(values):
            axes.text(value, row, f" {value:,.2f}" if not ending else f" {value:,.0f}", va="center", fontsize=9)
        axes.set(xlabel=unit, xlim=(0, max(values) * 1.18))
        axes.grid(visible=False, axis="y")
    left.set_yticks(range(len(names)), [STEP_TITLES[step] for step in names])
    whole, counted = found["steps.all"].value, found["steps.all.instructions"].value
    left.set_title(f"One request with a remembered key: {whole:.1f} µs, {counted:,.0f} instructions", x=-0.9)
    yield canvas


def _growth(found: Found) -> Iterator[Canvas]:
    """A small picture for each axis, each from zero."""
    axes_found = {name: axis for name, axis in AXES.items() if any(key.startswith(f"growth.{name}.") for key in found)}
    if not axes_found:
        return
    columns = min(4, len(axes_found))
    rows = -(-len(axes_found) // columns)
    canvas = Canvas(figsize=(3.1 * columns, 2.9 * rows))
    places = [place for row in canvas.subplots(rows, columns, squeeze=False) for place in row]
    for place, (name, axis) in zip(places, axes_found.items(), strict=False):
        _small(place, name, axis, found)
    for place in places[len(axes_found) :]:
        place.set_axis_off()
    yield canvas


def _small(place: Any, name: str, axis: Axis, found: Found) -> None:
    highest = 0.0
    colours = (PLAIN, OURS) if len(axis.lines) == 2 else (OURS,)
    for (line, title), colour in zip(axis.lines.items(), colours, strict=True):
        points = [at for at in axis.at if f"growth.{name}.{at}.{line}" in found]
        values = [found[f"growth.{name}.{at}.{line}"].value for at in points]
        positions = [axis.at.index(at) for at in points]
        place.plot(positions, values, color=colour, marker="o", markersize=4, label=title)
        highest = max(highest, *values)
    place.set_xticks(range(len(axis.at)), [_short(at) for at in axis.at], fontsize=8)
    place.set(ylim=(0, highest * 1.35), title=axis.title, ylabel="CPU µs per request")
    place.legend(fontsize=7, loc="upper left")


def _short(number: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)


if __name__ == "__main__":
    for written in draw(read(Path(sys.argv[1])), Path(sys.argv[2])):
        print(written)
