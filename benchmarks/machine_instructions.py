"""Instructions of the processor for one request, by valgrind where that is: sees what C functions do, too.

`python -m benchmarks.machine_instructions KIND REQUESTS` is what runs under it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys

from benchmarks.hot_path import hot_path
from benchmarks.mounted import send_nowhere
from benchmarks.servers import ROOT

FEW, MANY = 100, 600
TIMEOUT_SECONDS = 600.0


def is_available() -> bool:
    """Whether valgrind is."""
    return shutil.which("valgrind") is not None


def count_machine(kind: str) -> float:
    """Instructions of one request: those of many less those of few, so that starting up is not in it."""
    if not is_available():
        raise LookupError("valgrind is not installed")
    return (_all_of(kind, MANY) - _all_of(kind, FEW)) / (MANY - FEW)


def _all_of(kind: str, requests: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "benchmarks.machine_instructions", kind, str(requests)]
    # Sets and dicts in the same order each time.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if found is None:
        raise AssertionError(f"valgrind said something else: {done.stderr[-500:]}")
    return int(found.group(1).replace(",", ""))


async def _run(kind: str, requests: int) -> None:
    async with hot_path() as path:
        prepared = path.prepare(kind, MANY)
        gc.disable()  # it would walk all that was imported, at moments that depend on how many requests there are
        for request in prepared[:requests]:
            await request(send_nowhere)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
