"""What a request executes is counted, the same on every run, and held against a budget. Nothing here is timed."""

from __future__ import annotations

import hmac
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import budget
from benchmarks.budget import Count
from benchmarks.counting import Instructions, NativeCalls
from gateway_auth.asgi import middleware, passage
from gateway_auth.asgi.scope import ScopeReader
from gateway_auth.core import decide


@pytest.fixture(scope="module")
def counted() -> dict[str, Count]:
    return budget.count()


@pytest.fixture(scope="module")
def allowed() -> dict[str, Count]:
    try:
        return budget.stored(budget.file_for())
    except LookupError as missing:
        pytest.fail(str(missing))


def test_no_request_executes_more_than_its_budget(counted: dict[str, Count], allowed: dict[str, Count]) -> None:
    assert budget.exceeded(allowed, counted) == [], "if that was meant, `make budget` records it"


def test_a_second_count_gives_the_same_but_for_the_time_of_day(counted: dict[str, Count]) -> None:
    for kind, again in budget.count().items():
        assert again.instructions == pytest.approx(counted[kind].instructions, rel=0.01)
        assert again.native_calls == counted[kind].native_calls
        assert again.heavy == counted[kind].heavy


def test_a_hot_path_that_is_slower_by_15_percent_is_over_budget(
    monkeypatch: pytest.MonkeyPatch, counted: dict[str, Count]
) -> None:
    # Work done twice: 17 % more time for a remembered key, measured once; 13 % more instructions, counted here.
    monkeypatch.setattr(decide, "authorization", _twice(decide.authorization))
    monkeypatch.setattr(middleware, "child_scope", _twice(passage.child_scope))
    problems = budget.exceeded(counted, budget.count())
    assert any(line.startswith("key: ") and "instructions per request" in line for line in problems), problems


def _twice(function: Callable[..., Any]) -> Callable[..., Any]:
    def run_twice(*given: Any) -> Any:
        function(*given)
        return function(*given)

    return run_twice


def test_one_more_hash_per_request_is_over_budget_though_it_is_few_instructions(
    monkeypatch: pytest.MonkeyPatch, counted: dict[str, Count]
) -> None:
    read = ScopeReader.read

    def read_and_hash(*given: Any) -> Any:
        hmac.digest(b"k" * 32, b"m" * 60, "sha256")
        return read(*given)

    monkeypatch.setattr(ScopeReader, "read", read_and_hash)
    problems = budget.exceeded(counted, budget.count())
    assert "key: _hashlib.hmac_digest is called 1 times per request, 0 in the budget" in problems
    assert not any("instructions" in line for line in problems)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Count(1_100, 55, 2_200, {"Pattern.match": 1}), []),
        (Count(900, 10, 100, {}), []),
        (Count(1_101, 50, 2_000, {}), ["key: 1,101 instructions per request, +10% on 1,000"]),
        (Count(1_000, 56, 2_000, {}), ["key: 56 native_calls per request, +12% on 50"]),
        (Count(1_000, 50, 2_300, {}), ["key: 2,300 peak_bytes per request, +15% on 2,000"]),
        (
            Count(1_000, 50, 2_000, {"Pattern.match": 2}),
            ["key: Pattern.match is called 2 times per request, 1 in the budget"],
        ),
    ],
    ids=["at its end", "below", "instructions", "calls into C", "memory", "heavy calls"],
)  # fmt: skip
def test_a_tenth_more_is_within_the_budget_and_what_is_beyond_is_told(found: Count, words: list[str]) -> None:
    assert budget.exceeded({"key": Count(1_000, 50, 2_000, {"Pattern.match": 1})}, {"key": found}) == words


def test_a_kind_that_is_not_counted_any_more_is_told() -> None:
    one = Count(1, 1, 1, {})
    assert budget.exceeded({"key": one}, {"token": one}) == ["token: not in the budget", "key: was not counted"]


def test_a_gain_is_told_so_that_it_can_be_kept() -> None:
    told = budget.saved({"key": Count(1_000, 1, 1, {})}, {"key": Count(899, 1, 1, {})})
    assert told == ["key: 899 instructions per request, the budget has 1,000"]


def test_a_python_without_a_budget_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"`make budget` on it writes 3\.99\.json"):
        budget.stored(tmp_path / "3.99.json")


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    count = {"key": Count(1_000, 50, 2_000, {"Pattern.match": 1})}
    budget.record(count, tmp_path / "new" / "3.11.json")
    assert budget.stored(tmp_path / "new" / "3.11.json") == count


def test_instructions_belong_to_the_innermost_step() -> None:
    def inner() -> int:
        return sum(range(3))

    def helper() -> int:
        return 1 + len("ab")

    def outer() -> int:
        return inner() + helper()

    with Instructions({outer.__code__: "outer", inner.__code__: "inner"}) as counted:
        outer()
        counted.forget()
        outer()
    with Instructions({inner.__code__: "inner"}) as alone:
        inner()
        alone.forget()
        inner()
    assert counted.by_step["inner"] == alone.by_step["inner"]
    assert counted.by_step["outer"] > 0
    assert counted.total == counted.by_step["inner"] + counted.by_step["outer"]  # `helper` is a part of outer


def test_counting_leaves_no_tracer_behind() -> None:
    before = sys.gettrace(), sys.getprofile()
    with Instructions(), NativeCalls() as calls:
        len("ab")
    assert (sys.gettrace(), sys.getprofile()) == before
    assert calls.by_name["builtins.len"] == 1
