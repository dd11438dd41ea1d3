"""What has to be known of a machine and of a run to compare its figures with others. It measures nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from benchmarks.servers import ROOT

PROGRAMS = ("gateway-auth", "granian", "limits", "pyjwt", "redis", "slowapi", "starlette", "throttled-py", "uvicorn")
APART = Path(__file__).parent / "peers" / "apart.txt"


class Machine(Struct, frozen=True, kw_only=True):
    """Facts of one run. `load_average` is that of a minute before it began; `stolen` the share of time a host took."""

    cores: int
    processor: str
    python: str
    system: str
    kernel: str
    generator: str
    date: str
    size: str
    commit: str
    load_average: float
    stolen: float = 0.0
    versions: dict[str, str]

    @property
    def place(self) -> tuple[object, ...]:
        """What must be the same for microseconds to be comparable."""
        return self.cores, self.processor, self.python, self.system, self.generator

    def describe(self) -> str:
        """In one line."""
        facts = [
            f"{self.cores} cores", self.processor, self.python, self.system, f"load by {self.generator}", self.date,
        ]  # fmt: skip
        if self.size != "bench":
            facts.append(f"{self.size} run")
        if self.load_average > 0.5:
            facts.append(f"busy otherwise (load {self.load_average:.1f} before it began)")
        return ", ".join(facts) + "."


def look(generator: str, size: str) -> Machine:
    """This machine, now."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        processor=_processor(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        kernel=platform.release(),
        generator=generator,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        size=size,
        commit=_commit(),
        load_average=os.getloadavg()[0],
        versions={name: version(name) for name in PROGRAMS} | dict(_apart()),
    )


def ticks() -> tuple[int, int]:
    """(all, stolen) of the machine's processors since it started; zeros where nobody tells."""
    try:
        fields = Path("/proc/stat").read_text("ascii").partition("\n")[0].split()[1:]
    except OSError:
        return 0, 0
    return sum(map(int, fields)), int(fields[7]) if len(fields) > 7 else 0


def _apart() -> list[tuple[str, str]]:
    return re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", APART.read_text("utf-8"), re.MULTILINE)


def _commit() -> str:
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.machine()
