"""The command: runs scenarios one after the other and prints what they measured. It measures nothing itself."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from benchmarks import (
    beside,
    bulk,
    compare,
    forward_auth,
    growth,
    imports,
    in_process,
    keys,
    latency,
    machine,
    management,
    over_http,
    proxy,
    results,
    revoking,
    routes,
    scan,
    shared_limits,
    steps,
    storm,
    tokens,
)
from benchmarks.figure import BENCH, FULL, QUICK, Figure, Scenario
from benchmarks.load import GENERATOR
from benchmarks.report import blocks, render, write_into

SCENARIOS: dict[str, Scenario] = {
    "in_process": in_process.run,
    "steps": steps.run,
    "tokens": tokens.run,
    "http": over_http.run,
    "beside": beside.run,
    "latency": latency.run,
    "growth": growth.run,
    "storm": storm.run,
    "shared": shared_limits.run,
    "revoke": revoking.run,
    "proxy": proxy.run,
    "forward_auth": forward_auth.run,
    "bulk": bulk.run,
    "routes": routes.run,
    "keys": keys.run,
    "management": management.run,
    "imports": imports.run,
    "scan": scan.run,
}


def main(arguments: Sequence[str]) -> int:
    """Measure and report. Returns the exit code: 0 also where a goal is not reached, for the report says so."""
    if arguments[:1] == ["compare"]:
        return compare.main(arguments[1:])
    options = _parser().parse_args(arguments)
    # A killed run ends what it started, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    size = "quick" if options.quick else "full" if options.full else "bench"
    here, before = machine.look(GENERATOR, size), machine.Usage.now()
    figures: list[Figure] = []
    for name in options.only:
        started = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        figures += SCENARIOS[name]({"quick": QUICK, "full": FULL, "bench": BENCH}[size])
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    _report(options, figures, replace(here, used_by_others=machine.Usage.now().by_others_since(before)))
    return 0


def _report(options: argparse.Namespace, figures: Sequence[Figure], here: machine.Machine) -> None:
    kept = results.keep(here, figures)
    # First: whatever happens below, what took minutes to measure is not lost.
    if options.json:
        results.write(kept, options.json)
    report = render(figures, here)
    print(report, end="")
    if options.markdown:
        options.markdown.write_text(report, "utf-8")
    if options.plots:
        from benchmarks import plots

        for file in plots.draw(kept, options.plots):
            print(f"drawn: {file}", file=sys.stderr)
    for document in options.write_docs:
        write_into(document, blocks(figures, here), options.plots)
    if options.baseline and options.baseline.exists():
        print(f"\nSince {options.baseline}:")
        for line in compare.render([results.read(options.baseline)], kept):
            print(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what the gateway costs. `compare A.json B.json` tells a change from noise.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="fewer and shorter rounds: less exact")
    size.add_argument("--full", action="store_true", help="more and longer rounds")
    parser.add_argument(
        "--only", type=_names, default=list(SCENARIOS), metavar="A,B", help=f"of {', '.join(SCENARIOS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and their rounds as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    parser.add_argument(
        "--write-docs", type=Path, action="append", default=[], metavar="FILE",
        help="write each part of the report between its markers in a document; may be repeated",
    )  # fmt: skip
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw pictures, as SVG and PNG")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="say what changed since, if that file is there")
    return parser


def _names(text: str) -> list[str]:
    names = text.replace("-", "_").split(",")
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {' and no '.join(unknown)}; choose from {', '.join(SCENARIOS)}")
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
