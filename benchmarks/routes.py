"""Whether finding a route costs the same among ten and among ten thousand."""

from __future__ import annotations

import random
import time
from statistics import median

from benchmarks.figure import Figure, Sizes, show, summarize
from gateway_auth.core.policy import Policy
from gateway_auth.core.routes import RouteTable

ROUNDS = 15
RESOURCES = ("orders", "invoices", "items", "users", "reports")


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `routes`.

    The same requests in each table show what the walk costs. Requests spread over all of a large table show what
    the processor's cache adds, which no look-up can avoid for entries that were not used for long.
    """
    small, medium, large = (_table(count) for count in sizes.routes)
    same, spread = _paths(sizes.routes[0], sizes.matches), _paths(sizes.routes[2], sizes.matches)
    turns = ((small, same), (medium, same), (large, same), (large, spread))
    costs = [[_round(table, paths) for table, paths in turns] for _ in range(ROUNDS)]
    first, second, third, evenly = zip(*costs, strict=True)
    counts = [f"{count:,} routes" for count in sizes.routes]
    return [
        summarize("routes.match", first, note=counts[0]),
        _compare("routes.medium", second, first, counts[1]),
        _compare("routes.large", third, first, counts[2]),
        _compare("routes.cold", evenly, first, counts[2]),
    ]


def _compare(name: str, costs: tuple[float, ...], bases: tuple[float, ...], note: str) -> Figure:
    ratios = [cost / base for cost, base in zip(costs, bases, strict=True)]
    return summarize(name, ratios, note=f"{note}, {show(median(costs))} µs")


def _table(count: int) -> RouteTable:
    return RouteTable(Policy(id=f"r{number}", path=_template(number)) for number in range(count))


def _template(number: int) -> str:
    return f"/v1/team{number // len(RESOURCES)}/{RESOURCES[number % len(RESOURCES)]}/{{id}}"


def _paths(count: int, matches: int) -> list[str]:
    chance = random.Random(1)
    return [_template(chance.randrange(count)).replace("{id}", str(chance.randrange(10_000))) for _ in range(matches)]


def _round(table: RouteTable, paths: list[str]) -> float:
    """CPU microseconds per match."""
    match = table.match
    started = time.process_time()
    for path in paths:
        if match("GET", path) is None:
            raise AssertionError(f"{path} found no route")
    return (time.process_time() - started) / len(paths) * 1e6
