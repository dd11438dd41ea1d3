"""The examples of the page about limits: every line of every table is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.core.lease import LENT_PART, LONGEST_LIFE, SHORTEST_LIFE
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.windows import MICROSECONDS
from tests.fakes import FakeClock, limit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text("utf-8")
EXAMPLES = re.findall(r"^<!-- example: (.+?) -->\n\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
WHOLE_MINUTE = 1_699_999_980.0


def limits_of(text: str) -> LimitSet:
    """The limits an example names: `10/minute cost 4, 2/second`."""
    parts = [part.partition(" cost ") for part in text.split(", ")]
    return LimitSet(limit(rate, rate, cost=int(cost or 1)) for rate, _, cost in parts)


@pytest.mark.parametrize(("text", "table"), EXAMPLES, ids=[text for text, _ in EXAMPLES])
def test_an_example_happens_as_told(text: str, table: str) -> None:
    clock, limits = FakeClock(), limits_of(text)
    store = MemoryLimitStore(clock)
    for line in table.splitlines()[2:]:
        second, answer, remaining, reset = (cell.strip() for cell in line.strip("|").split("|"))
        clock.wall, clock.steady = WHOLE_MINUTE + float(second), 1000 + float(second)
        outcome = store.take_now(limits, ["a"] * len(limits.limits))
        assert ("admitted" if outcome.is_admitted else "refused") == answer, line
        told = [", ".join(map(str, outcome.status[start::2])) for start in (0, 1)]
        assert told == [remaining, reset], line


def test_every_kind_has_an_example() -> None:
    assert {limits_of(text).limits[0].rate.kind for text, _ in EXAMPLES} == {"sliding", "bucket", "fixed"}
    assert len(EXAMPLES) == 5


def test_the_declared_bound_and_lives_are_those_of_the_code() -> None:
    assert (LENT_PART, SHORTEST_LIFE, LONGEST_LIFE) == (20, 50_000, 10 * MICROSECONDS)
    assert "*E* = ⌊*C*/20⌋" in PAGE
    assert "at least 50 ms and at most 10 s" in PAGE
