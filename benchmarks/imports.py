"""What an app pays at start for mounting the middleware: fresh interpreters, one after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks.figure import Figure, Sizes, show, summarize

HEAVY = ("granian", "httptools", "httpx2", "jinja2", "pydantic", "sqlalchemy", "typer")

PROGRAM = f"""
import time
started = time.perf_counter()
import gateway_auth
async def app(scope, receive, send): ...
gateway_auth.GatewayAuth(app, config={{}})
print((time.perf_counter() - started) * 1000)
import sys
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `imports`."""
    inside, added, empties, heavy = [], [], [], set[str]()
    for number in range(sizes.starts + 1):
        empty, _ = _start("pass")
        whole, printed = _start(PROGRAM)
        milliseconds, loaded = printed.split("\n")[:2]
        heavy.update(loaded.split())
        if number:  # the first start also compiles the modules and fetches them from the disk
            inside.append(float(milliseconds))
            added.append(whole - empty)
            empties.append(empty)
    return [
        summarize("imports.inside", inside, note=f"{sizes.starts} starts"),
        summarize("imports.process", added, note=f"an empty one {show(median(empties))}"),
        Figure("imports.heavy", len(heavy), " ".join(sorted(heavy)) or f"none of {', '.join(HEAVY)}"),
    ]


def _start(program: str) -> tuple[float, str]:
    """Milliseconds of a whole process, and what it printed."""
    started = time.perf_counter()
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return (time.perf_counter() - started) * 1000, finished.stdout
