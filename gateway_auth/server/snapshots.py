"""How the numbers of workers come to the process that started them: each writes a small file, once a second.

A request pays nothing for it. The directory is of this user alone; a file is replaced whole, so no half one is read.
What a worker counted stays counted when it is gone; of what it held and was, only live workers tell.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import Decoder, encode

from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.core.condition import Condition, joined
from gateway_auth.core.measures import Readings, Series, counters, join

WRITE_SECONDS = 1.0
STALE_SECONDS = 5.0
"""A worker that wrote nothing for so long does not serve, whatever it was before."""
MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024
_SUFFIX = ".json"


class Snapshot(Struct, frozen=True):
    """One worker at one moment. `pid` tells when it is gone."""

    pid: int
    condition: Condition
    readings: tuple[tuple[str, tuple[str, ...], float], ...]


_DECODER = Decoder(Snapshot)


@asynccontextmanager
async def reporting(
    folder: Path, condition_of: Callable[[], Condition], readings_of: Callable[[], Readings]
) -> AsyncIterator[None]:
    """Write this worker's snapshots from now on, and a last one at the end."""
    file = folder / f"{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}"

    def look() -> bytes:
        numbers = tuple((name, labels, value) for (name, labels), value in readings_of().items())
        return encode(Snapshot(os.getpid(), condition_of(), numbers))

    async def write_on() -> None:
        while True:
            await asyncio.to_thread(_write, file, look())
            await asyncio.sleep(WRITE_SECONDS)

    task = asyncio.create_task(write_on(), name="gateway-auth snapshots")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        _write(file, look())


def _write(file: Path, data: bytes) -> None:
    """Replace the file. Where that fails, a full disk say, requests are served all the same and numbers grow old."""
    new = file.with_suffix(".new")
    try:
        new.write_bytes(data)
        new.replace(file)
    except OSError:
        return


class Reporting:
    """An app of one worker, whose numbers are told from the beginning of its lifespan to the end."""

    def __init__(
        self, app: ASGIApp, folder: Path, condition_of: Callable[[], Condition], readings_of: Callable[[], Readings]
    ) -> None:
        self._app = app
        self._folder = folder
        self._condition_of = condition_of
        self._readings_of = readings_of

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand on; the lifespan with reports around it."""
        return (self._live if scope["type"] == "lifespan" else self._app)(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with reporting(self._folder, self._condition_of, self._readings_of):
            await self._app(scope, receive, send)


class Snapshots:
    """All workers of one server, as their files tell. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._of_gone: dict[Series, float] = {}

    def read(self) -> tuple[Condition, dict[Series, float]]:
        """What they are, and their numbers."""
        snapshots = self._sweep()
        live, told = [], [self._of_gone]
        for snapshot, age_seconds in snapshots:
            numbers = _numbers(snapshot)
            is_fresh = age_seconds < STALE_SECONDS
            if is_fresh:
                live.append(snapshot.condition)
            told.append(numbers if is_fresh else counters(numbers))
        return joined(live), join(told)

    def _sweep(self) -> list[tuple[Snapshot, float]]:
        """The snapshots with their ages; those of workers that are gone are added up and removed."""
        found = []
        for file in self._folder.glob(f"*{_SUFFIX}"):
            try:
                age_seconds = time.time() - file.stat().st_mtime
                snapshot = _DECODER.decode(file.read_bytes()) if file.stat().st_size < MAX_SNAPSHOT_BYTES else None
            except (OSError, DecodeError, ValidationError):
                continue
            if snapshot is None:
                continue
            if _is_running(snapshot.pid):
                found.append((snapshot, age_seconds))
            else:
                self._of_gone = join((self._of_gone, counters(_numbers(snapshot))))
                file.unlink(missing_ok=True)
        return found


def _numbers(snapshot: Snapshot) -> dict[Series, float]:
    return {(name, labels): value for name, labels, value in snapshot.readings}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
