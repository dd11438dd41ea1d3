"""Maps that clients cannot grow: within their bounds they are dicts, beyond them they forget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway_auth.core.memo import Generations, Memo

numbers = st.integers(0, 30)


@given(st.lists(numbers, max_size=200), st.integers(1, 10))
def test_a_memo_answers_as_its_function_and_stays_small(keys: list[int], bound: int) -> None:
    memo: Memo[int, int] = Memo(lambda key: key * key, max_entries=bound)
    for key in keys:
        assert memo[key] == key * key
        assert len(memo) <= bound


def test_a_memo_asks_its_function_once_while_it_remembers() -> None:
    asked: list[str] = []

    def compute(key: str) -> int:
        asked.append(key)
        return len(key)

    memo: Memo[str, int] = Memo(compute, max_entries=2)
    assert [memo[key] for key in ("a", "bb", "a", "bb")] == [1, 2, 1, 2]
    assert asked == ["a", "bb"]
    assert memo["ccc"] == 3
    assert len(memo) == 1


def test_a_memo_answers_long_keys_and_does_not_keep_them() -> None:
    memo: Memo[bytes, int] = Memo(len, max_length=4)
    assert memo[b"12345"] == 5
    assert memo[b"1234"] == 4
    assert list(memo) == [b"1234"]


def test_a_memo_keeps_what_has_no_length_whatever_the_longest() -> None:
    memo: Memo[int, int] = Memo(lambda key: -key, max_length=1)
    assert memo[12345] == -12345
    assert list(memo) == [12345]


class GenerationsAreADict(RuleBasedStateMachine):
    """What was used within the last half of the bound is there; nothing is wrong or there after it was discarded."""

    BOUND = 8

    def __init__(self) -> None:
        super().__init__()
        self.map: Generations[int, str] = Generations(self.BOUND)
        self.truth: dict[int, str] = {}
        self.used: list[int] = []

    def _touch(self, key: int) -> None:
        if key in self.used:
            self.used.remove(key)
        self.used.append(key)

    @rule(key=numbers, value=st.text(max_size=3))
    def put(self, key: int, value: str) -> None:
        self.map.put(key, value)
        self.truth[key] = value
        self._touch(key)

    @rule(key=numbers)
    def get(self, key: int) -> None:
        found = self.map[key]
        assert found is None or found == self.truth[key]
        if found is not None:
            self._touch(key)

    @rule(key=numbers)
    def discard(self, key: int) -> None:
        self.map.discard(key)
        self.truth.pop(key, None)

    @rule(unwanted=st.text(max_size=1))
    def discard_where(self, unwanted: str) -> None:
        self.map.discard_where(lambda value: value.startswith(unwanted))
        self.truth = {key: value for key, value in self.truth.items() if not value.startswith(unwanted)}

    @rule()
    def clear(self) -> None:
        self.map.clear()
        self.truth.clear()
        self.used.clear()

    @invariant()
    def is_bounded(self) -> None:
        assert self.map.held() <= self.BOUND

    @invariant()
    def remembers_what_was_used_last(self) -> None:
        # What was discarded since had taken a place of its own: that nothing else was kept there is no loss.
        for key in self.used[-self.BOUND // 2 :]:
            if key in self.truth:
                assert self.map[key] == self.truth[key]


GenerationsAreADict.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestGenerations = GenerationsAreADict.TestCase


@given(st.lists(st.tuples(numbers, st.text(max_size=2)), max_size=100))
def test_within_its_bound_nothing_is_forgotten(entries: list[tuple[int, str]]) -> None:
    held: Generations[int, str] = Generations(100)
    truth = dict[int, str]()
    for key, value in entries:
        held.put(key, value)
        truth[key] = value
        assert {known: held[known] for known in range(31) if held[known] is not None} == truth


def test_what_is_used_outlives_what_is_not() -> None:
    held: Generations[int, int] = Generations(100)
    held.put(-1, -1)
    for number in range(10_000):
        held.put(number, number)
        assert held[-1] == -1
    assert held[0] is None
    assert held.held() <= 100


@pytest.mark.parametrize(("turns", "expected"), [(0, 1), (1, 1), (2, None), (3, None)])
def test_two_turns_without_use_forget(turns: int, expected: int | None) -> None:
    held: Generations[str, int] = Generations(100)
    held.put("a", 1)
    for _ in range(turns):
        held.rotate()
    assert held["a"] == expected
    assert held.held() == (expected or 0)


def test_a_turn_after_each_use_forgets_nothing() -> None:
    held: Generations[str, int] = Generations(100)
    held.put("a", 1)
    for _ in range(5):
        held.rotate()
        assert held["a"] == 1


def test_the_smallest_map_still_remembers_the_last() -> None:
    held: Generations[int, int] = Generations(1)
    for number in range(5):
        held.put(number, number)
        assert held[number] == number
        assert held.held() <= 2
