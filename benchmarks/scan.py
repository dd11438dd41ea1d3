"""How fast leaked keys are looked for: in a checkout of many small files, and in one endless line of look-alikes."""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figure import Figure, Sizes, summarize
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.leaks import ADMIN_TOKEN, LeakFinder, key_form
from gateway_auth.scan.findings import Place, Unseen
from gateway_auth.scan.looking import look_at_file
from gateway_auth.scan.places import files_below
from gateway_auth.scan.stream import search

FINDER = LeakFinder([key_form("gwk"), ADMIN_TOKEN])
ROUNDS = 5
MEDIAN_BYTES = 4096
"""Of a source file; the mean is twice that, as half of a tree's bytes are in few files."""
LINE = b"    return self.values.get(name, default)  # one of many lines\n"
KEYS = 10


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `scan`."""
    tree = Path(tempfile.mkdtemp(prefix="gateway-auth-scan-"))
    try:
        size = _grow(tree, sizes.scan_files)
        rounds = [_seconds_of(tree) for _ in range(ROUNDS + 1)][1:]
    finally:
        shutil.rmtree(tree)
    line_bytes = sizes.scan_files * 10 * len(LINE)
    note = f"{sizes.scan_files:,} files, {size / 1e6:,.0f} MB, in a git checkout, one process, files in memory"
    return [
        summarize("scan.tree", [size / wall / 1e6 for wall, _ in rounds], lowest_is_best=False, note=note),
        summarize("scan.cpu", [size / cpu / 1e6 for _, cpu in rounds], lowest_is_best=False),
        Figure(
            "scan.line", line_bytes / _seconds_of_line(line_bytes) / 1e6, f"{line_bytes / 1e6:,.0f} MB of look-alikes"
        ),
    ]


def _grow(tree: Path, files: int) -> int:
    """A checkout with nine text files for each binary one, and a few keys. Returns its bytes."""
    chance = random.Random(6)
    written = 0
    for number in range(files):
        folder = tree / f"package{number // 400}" / f"module{number // 20}"
        folder.mkdir(parents=True, exist_ok=True)
        size = int(chance.lognormvariate(0, 1.2) * MEDIAN_BYTES)
        content = chance.randbytes(size) if number % 10 == 0 else LINE * (size // len(LINE) + 1)
        if number % (files // KEYS) == 0:
            content += KeyFormat().mint("live", number, number + 1).text.encode()
        (folder / f"file{number}").write_bytes(content)
        written += len(content)
    subprocess.run(["git", "init", "--quiet", tree], check=True, timeout=60)
    return written


def _seconds_of(tree: Path) -> tuple[float, float]:
    """Of the clock, and of processors."""
    started, spent = time.perf_counter(), _cpu_seconds()
    found = 0
    for file in files_below(str(tree), is_git_asked=True):
        if isinstance(file, Unseen):
            raise RuntimeError(file.why)
        found += len(list(look_at_file(file, FINDER)))
    seconds = time.perf_counter() - started, _cpu_seconds() - spent
    if found < KEYS:
        raise RuntimeError(f"{found} keys were found of {KEYS}")
    return seconds


def _cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _seconds_of_line(size: int) -> float:
    text = KeyFormat().mint("live", 1, 1).text
    look_alike = text.replace("1_", "2_").encode()  # of another id, so that only its checksum is wrong
    line = look_alike * (size // len(look_alike))
    left = memoryview(line)

    def read(wanted: int) -> bytes:
        nonlocal left
        piece, left = bytes(left[:wanted]), left[wanted:]
        return piece

    started = time.perf_counter()
    if list(search(read, FINDER, Place("line"))):
        raise RuntimeError("a look-alike passed for a key")
    return time.perf_counter() - started
