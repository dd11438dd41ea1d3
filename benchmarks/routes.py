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
    """The figures of `routes`."""
    small, medium, large = sizes.routes
    tables = {count: (_table(count), _paths(count, sizes.matches)) for count in (small, medium, large)}
    costs: dict[int, list[float]] = {count: [] for count in tables}
    for _ in range(ROUNDS):
        for count, (table, paths) in tables.items():
            costs[count].append(_round(table, paths))
    first = summarize("routes.match", costs[small])
    return [first, _compare("routes.medium", costs, small, medium), _compare("routes.large", costs, small, large)]


def _compare(name: str, costs: dict[int, list[float]], small: int, other: int) -> Figure:
    ratios = [cost / base for cost, base in zip(costs[other], costs[small], strict=True)]
    return summarize(name, ratios, note=f"{show(median(costs[other]))} µs, routes picked evenly")


def _table(count: int) -> RouteTable:
    return RouteTable(Policy(id=f"r{number}", path=_template(number)) for number in range(count))


def _template(number: int) -> str:
    return f"/v1/team{number // len(RESOURCES)}/{RESOURCES[number % len(RESOURCES)]}/{{id}}"


def _paths(count: int, matches: int) -> list[str]:
    """Requests for routes picked evenly: the worst spread over the table there is."""
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
