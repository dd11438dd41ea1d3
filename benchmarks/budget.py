"""The instruction budget: what a request may execute, stored for each minor version of Python and held in the tests.

`python -m benchmarks.budget` counts and compares; `--record` stores what it counted; `--machine` counts instructions of
the processor too, where valgrind is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.counting import Instructions, Memory, NativeCalls
from benchmarks.hot_path import HotPath, hot_path
from benchmarks.mounted import send_nowhere

FOLDER = Path(__file__).parent / "budgets"
REQUESTS = 20
WARMING = 40
TOLERANCE = 0.10
"""How much more than its budget a request may execute."""
PROXIED = ("proxied", "proxied_unlike")
PROXIED_HELD_TOLERANCE = 0.25
"""The same of what a request through the proxy holds: seen 14 % higher once, in a process that had run much before."""

HEAVY = ("HASH.", "blake2b.", "_hashlib.", "_hmac.", "hmac.", "Pattern.", "Decoder.", "Encoder.", "_json.", "zlib.")
"""Calls that cost far more than their one instruction says: not one more than in the budget."""


class Count(msgspec.Struct, frozen=True):
    """Of one request: bytecode instructions, calls into C, the most bytes it held at once; and the heavy calls."""

    instructions: int
    native_calls: int
    peak_bytes: int
    heavy: dict[str, int]


def file_for(version: tuple[int, ...] = sys.version_info[:2]) -> Path:
    """Where the budget of a Python is kept: its compiler decides how many instructions there are."""
    return FOLDER / f"{version[0]}.{version[1]}.json"


def stored(file: Path) -> dict[str, Count]:
    """The budget by kind of request. Raises LookupError, which says how to record one, where there is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Count])
    except FileNotFoundError:
        raise LookupError(f"no instruction budget for this Python: `make budget` on it writes {file.name}") from None


def record(counted: Mapping[str, Count], file: Path) -> None:
    """Make this the budget."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(msgspec.to_builtins(counted), indent=2, sort_keys=True) + "\n", "utf-8")


def count() -> dict[str, Count]:
    """Every kind of request, counted."""
    return asyncio.run(_count_all())


async def _count_all() -> dict[str, Count]:
    async with hot_path() as path:
        return {kind: await _count(path, kind) for kind in path.kinds}


async def _count(path: HotPath, kind: str) -> Count:
    for request in path.prepare(kind, WARMING):
        await request(send_nowhere)
    await path.check(kind)
    first, *prepared = path.prepare(kind, REQUESTS + 1)
    with Instructions() as instructions:
        await first(send_nowhere)
        instructions.forget()
        for request in prepared:
            await request(send_nowhere)
    prepared = path.prepare(kind, REQUESTS)
    with NativeCalls() as calls:
        for request in prepared:
            await request(send_nowhere)
    heavy = {name: round(number / REQUESTS) for name, number in calls.by_name.items() if name.startswith(HEAVY)}
    peak_bytes = min([await _peak_bytes(path, kind) for _ in range(REQUESTS // 4)])
    return Count(round(instructions.total / REQUESTS), round(calls.by_name.total() / REQUESTS), peak_bytes, heavy)


async def _peak_bytes(path: HotPath, kind: str) -> int:
    """What one request holds at once; the least of several is free of tables that just grew."""
    request = path.prepare(kind, 1)[0]
    with Memory() as memory:
        await request(send_nowhere)
    return memory.peak_bytes


def exceeded(budget: Mapping[str, Count], counted: Mapping[str, Count]) -> list[str]:
    """What is over the budget, in words; empty where all is within it."""
    problems = [f"{kind}: not in the budget" for kind in counted if kind not in budget]
    for kind, allowed in budget.items():
        found = counted.get(kind)
        if found is None:
            problems.append(f"{kind}: was not counted")
            continue
        for name in ("instructions", "native_calls", "peak_bytes"):
            was, now = getattr(allowed, name), getattr(found, name)
            is_held_by_proxy = name == "peak_bytes" and kind in PROXIED
            if now > was * (1 + (PROXIED_HELD_TOLERANCE if is_held_by_proxy else TOLERANCE)):
                problems.append(f"{kind}: {now:,} {name} per request, {now / was - 1:+.0%} on {was:,}")
        for name, times in found.heavy.items():
            if times > (was := allowed.heavy.get(name, 0)):
                problems.append(f"{kind}: {name} is called {times} times per request, {was} in the budget")
    return problems


def saved(budget: Mapping[str, Count], counted: Mapping[str, Count]) -> list[str]:
    """Kinds that execute so much less that the budget should be recorded anew, or the gain could be lost unseen."""
    return [
        f"{kind}: {counted[kind].instructions:,} instructions per request, the budget has {allowed.instructions:,}"
        for kind, allowed in budget.items()
        if kind in counted and counted[kind].instructions < allowed.instructions * (1 - TOLERANCE)
    ]


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 1 where a request executes more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description="Count what a request executes.")
    parser.add_argument("--record", action="store_true", help="make what is counted the budget of this Python")
    parser.add_argument("--machine", action="store_true", help="count instructions of the processor, by valgrind")
    options = parser.parse_args(arguments)
    counted = count()
    for kind, found in counted.items():
        print(f"{kind}: {found.instructions:,} instructions, {found.native_calls} calls into C, {found.peak_bytes:,} B")
    if options.machine:
        from benchmarks.machine_instructions import count_machine

        for kind in counted:
            print(f"{kind}: {count_machine(kind):,.0f} instructions of the processor")
    file = file_for()
    if options.record:
        record(counted, file)
        print(f"recorded in {file}")
        return 0
    try:
        budget = stored(file)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    problems = exceeded(budget, counted)
    for line in saved(budget, counted):
        print(f"less than its budget, `make budget` keeps that: {line}")
    for line in problems:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
