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
BUSY = 0.1
APART = Path(__file__).parent / "peers" / "apart.txt"


class Machine(Struct, frozen=True, kw_only=True):
    """Facts of one run. `used_by_others` is the share of all processors' time that went to what is not this run's."""

    cores: int
    processor: str
    python: str
    system: str
    kernel: str
    generator: str
    date: str
    size: str
    commit: str
    used_by_others: float = 0.0
    versions: dict[str, str]

    @property
    def is_busy(self) -> bool:
        """Whether others had so much of it that times say little."""
        return self.used_by_others > BUSY

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
        if self.is_busy:
            facts.append(f"a busy machine ({self.used_by_others:.0%} of it was used by others)")
        return ", ".join(facts) + "."


def look(generator: str, size: str) -> Machine:
    """This machine, now."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        processor=_processor(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        kernel=platform.release().partition("-")[0],
        generator=generator,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        size=size,
        commit=_commit(),
        versions={name: version(name) for name in PROGRAMS} | dict(_apart()),
    )


class Usage(Struct, frozen=True):
    """Seconds of all processors until now: all there were, those somebody used, and those this run used itself."""

    all: float
    used: float
    ours: float

    @classmethod
    def now(cls) -> Usage:
        """Zeros where nobody tells. What this run has started counts as its own once it has ended."""
        times = os.times()
        ours = times.user + times.system + times.children_user + times.children_system
        try:
            told = Path("/proc/stat").read_text("ascii").partition("\n")[0].split()[1:9]
        except OSError:
            return cls(0.0, 0.0, ours)
        seconds = [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in told]
        return cls(sum(seconds), sum(seconds) - sum(seconds[3:5]), ours)  # without idle and iowait; with stolen time

    def by_others_since(self, before: Usage) -> float:
        """The share that others had since then."""
        others = (self.used - before.used) - (self.ours - before.ours)
        return round(max(0.0, others / (self.all - before.all)), 3) if self.all > before.all else 0.0


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
