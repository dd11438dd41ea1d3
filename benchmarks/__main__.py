"""The command: runs scenarios one after the other and prints what they measured. It measures nothing itself."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    bulk,
    forward_auth,
    imports,
    in_process,
    keys,
    management,
    over_http,
    proxy,
    revoking,
    routes,
    scan,
    shared_limits,
    storm,
    tokens,
    tokens_over_http,
)
from benchmarks.figure import FULL, QUICK, Figure, Scenario
from benchmarks.load import generator
from benchmarks.report import as_data, render, write_into

SCENARIOS: dict[str, Scenario] = {
    "in_process": in_process.run,
    "tokens": tokens.run,
    "http": over_http.run,
    "bearer": tokens_over_http.run,
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
    options = _parser().parse_args(arguments)
    # A killed run ends what it started, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    figures: list[Figure] = []
    for name in options.only:
        started = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        figures += SCENARIOS[name](QUICK if options.quick else FULL)
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    report = render(figures, is_quick=options.quick, load=f"load by {generator()}")
    print(report, end="")
    if options.json:
        options.json.write_text(json.dumps(as_data(figures), indent=2) + "\n", "utf-8")
    if options.markdown:
        options.markdown.write_text(report, "utf-8")
    for document in options.write_docs:
        write_into(document, report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the gateway costs.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: less exact")
    parser.add_argument(
        "--only", type=_names, default=list(SCENARIOS), metavar="A,B", help=f"of {', '.join(SCENARIOS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    parser.add_argument(
        "--write-docs", type=Path, action="append", default=[], metavar="FILE",
        help="write the report between the markers of a document; may be repeated",
    )  # fmt: skip
    return parser


def _names(text: str) -> list[str]:
    names = text.replace("-", "_").split(",")
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {' and no '.join(unknown)}; choose from {', '.join(SCENARIOS)}")
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
