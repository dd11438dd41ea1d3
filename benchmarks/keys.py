"""A store of a million keys: how long a key takes that is not in memory, and that memory does not grow with them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from benchmarks.figure import Figure, Sizes, percentile, show
from benchmarks.world import Site, api_key, describe, make_site, request_scope
from gateway_auth.adapters.sql.rows import Column, to_row
from gateway_auth.asgi.runtime import Runtime
from gateway_auth.asgi.scope import Reading, ScopeReader
from gateway_auth.config import load
from gateway_auth.core.decision import Allow
from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat, MintedKey
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord

PATH = "/v1/items/42"
"""A route without limits: the counters of limits are bounded on their own, and are not what is measured here."""


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `keys`."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        site = asyncio.run(make_site(directory))
        fill(directory / "gateway.db", site, sizes.keys)
        return asyncio.run(_measure(directory, sizes))


def mint(number: int) -> MintedKey:
    """Key number so-and-so: spread over all ids, and made again instead of being remembered."""
    id_number = number * 1_618_033_988_749_894_848_207 % KEY_IDS
    return KeyFormat().mint("live", id_number, number * 2_718_281_828_459_045_235_360_287 % SECRETS)


def fill(database: Path, site: Site, keys: int) -> None:
    """Write keys as the store would have, in one transaction: a million calls would take an hour."""
    connection = sqlite3.connect(database)
    try:
        cursor = connection.execute("SELECT app_id FROM keys")
        record = KeyRecord(
            id="", app_id=cursor.fetchone()[0], environment="live", digest=b"", pepper_id="",
            scopes=("items:read",), created_at=int(time.time()), created_by="benchmark",
        )  # fmt: skip
        names = record.__struct_fields__
        statement = f"INSERT INTO keys ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(statement, _rows(record, site.configuration.peppers, keys))
        connection.commit()
    finally:
        connection.close()


def _rows(record: KeyRecord, peppers: PepperRing, keys: int) -> Iterator[dict[str, Column]]:
    row = to_row(replace(record, pepper_id=peppers.current_id))
    for number in range(1, keys + 1):
        minted = mint(number)
        row["id"], row["digest"] = minted.key_id, peppers.digest(minted.text.encode())
        yield row


async def _measure(directory: Path, sizes: Sizes) -> list[Figure]:
    gateway = _Gateway(directory)
    before_growth = sizes.cold_keys + sizes.warming_keys
    numbers = random.Random(1).sample(range(2, sizes.keys + 1), before_growth + sizes.distinct_keys)
    await gateway.ask([1])  # opens the store
    milliseconds = await gateway.ask(numbers[: sizes.cold_keys])
    await gateway.ask(numbers[sizes.cold_keys : before_growth])
    before = _resident_bytes()
    await gateway.ask(numbers[before_growth:])
    growth = _resident_bytes() - before
    await gateway.close()
    tail = f"90th percentile {show(percentile(milliseconds, 0.9))}, slowest {show(max(milliseconds))}"
    return [
        Figure("keys.p50", percentile(milliseconds, 0.5), f"{sizes.cold_keys:,} of {sizes.keys:,} keys, one at a time"),
        Figure("keys.p99", percentile(milliseconds, 0.99), tail),
        Figure("keys.growth", growth / 1e6, f"{sizes.distinct_keys:,} keys, after {before_growth:,} others"),
    ]


class _Gateway:
    """The middleware over the store, and requests for it."""

    def __init__(self, directory: Path) -> None:
        self._configuration = load(describe(directory))
        self._runtime = Runtime(self._configuration)

    async def ask(self, numbers: Sequence[int]) -> list[float]:
        """Ask with one key after the other. Returns milliseconds; raises AssertionError for a refusal."""
        gateway = await self._runtime.start()
        read, decide = ScopeReader(self._configuration.rules).read, gateway.engine.decide
        taken = []
        for number in numbers:
            reading = read(request_scope(api_key(mint(number).text), PATH))
            if not isinstance(reading, Reading):
                raise AssertionError("a request of the benchmark cannot be read")
            started = time.perf_counter()
            decision = await decide(reading.facts)
            taken.append((time.perf_counter() - started) * 1000)
            if not isinstance(decision, Allow):
                raise AssertionError(f"key {number} was refused: {decision.reason}")
        return taken

    async def close(self) -> None:
        """Close the store."""
        await self._runtime.stop()


def _resident_bytes() -> int:
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Elsewhere only the highest that it ever was is told: in bytes on macOS, in KiB on the rest.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
