"""Slots: their header items, the ledger of who holds them, and sets of limits that have both kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.cachekey import limit_key, slot_family, window_family
from gateway_auth.core.ledger import HeldSlots, Ledger, lent, not_lent, part_of_slots
from gateway_auth.core.limits import NO_LIMITS, LimitOutcome, LimitSet
from gateway_auth.core.outcome import limit_headers
from gateway_auth.core.policy import Policy
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.core.shares import Share
from gateway_auth.core.slots import SlotLimit
from tests.fakes import limit


def slots(name: str, count: int, by: str = "key", **more: object) -> SlotLimit:
    return SlotLimit(id=name, key=f"test:{name}", slots=count, by=by, **more)  # type: ignore[arg-type] # a table's text


FIVE = slots("at-once", 5)
RATE = limit("per-key", "10/minute")


# -- headers -------------------------------------------------------------------------------------------------------


def test_the_policy_item_is_a_quota_of_requests_at_once_without_a_window() -> None:
    assert FIVE.policy_item == b'"at-once";q=5;qu="concurrent-requests"'
    assert FIVE.status_item == b'"at-once";r=%d'


def test_a_name_is_spelled_as_a_string_whatever_is_in_it() -> None:
    odd = slots('50% "x" \\', 1)
    assert odd.policy_item == b'"50% \\"x\\" \\\\";q=1;qu="concurrent-requests"'
    assert odd.status_item % 0 == b'"50% \\"x\\" \\\\";r=0'


def test_slots_stand_behind_rates_in_the_headers() -> None:
    both = LimitSet((RATE,), (FIVE,))
    policy, status = limit_headers(both, LimitOutcome(True, (9, 60, 4)))
    assert policy[1] == b'"per-key";q=10;w=60, "at-once";q=5;qu="concurrent-requests"'
    assert status[1] == b'"per-key";r=9;t=60, "at-once";r=4'


# -- sets ----------------------------------------------------------------------------------------------------------


def test_a_set_of_both_knows_each_kind_apart() -> None:
    both = LimitSet((RATE,), (FIVE,))
    assert both.bys == ("key", "key")
    assert (both.rates.limits, both.rates.slots) == ((RATE,), ())
    assert (both.in_flight.limits, both.in_flight.slots, both.in_flight.rooms) == ((), (FIVE,), (5,))
    assert both.rates.rates is both.rates
    assert both.in_flight.in_flight is both.in_flight


def test_a_set_of_one_kind_is_that_kind() -> None:
    rates, in_flight = LimitSet((RATE,)), LimitSet((), (FIVE,))
    assert rates.rates is rates
    assert in_flight.in_flight is in_flight
    assert (rates.in_flight.bys, in_flight.rates.bys) == ((), ())
    assert all((rates, in_flight))
    assert not NO_LIMITS


def test_sets_are_joined_kind_by_kind_and_what_is_in_both_is_taken_once() -> None:
    everybody = slots("all", 9, "global")
    other_rate = limit("other", "1/second")
    joined = LimitSet((RATE,), (everybody,)).joined(LimitSet((other_rate, RATE), (everybody, FIVE)))
    assert (joined.limits, joined.slots) == ((RATE, other_rate), (everybody, FIVE))


def test_rules_know_whether_anything_counts_requests_at_once() -> None:
    def policy(limits: LimitSet) -> Policy:
        return Policy(id="p", path="/", limits=limits)

    assert not RuleSet(policies=(policy(LimitSet((RATE,))),), plans={"free": LimitSet((RATE,))}).has_slots()
    assert RuleSet(policies=(policy(LimitSet((), (FIVE,))),)).has_slots()
    assert RuleSet(plans={"free": LimitSet((), (FIVE,))}).has_slots()


def test_slots_and_windows_of_one_limit_have_different_names() -> None:
    key = limit_key("route", "r", "x")
    assert slot_family(SlotLimit("x", key, 1, "key")) == slot_family(SlotLimit("x", key, 9, "key"))
    assert slot_family(SlotLimit("x", key, 1, "key")) != window_family(limit("x", "1/minute"))


# -- the ledger ----------------------------------------------------------------------------------------------------


def test_all_slots_are_taken_or_none() -> None:
    ledger: Ledger[str] = Ledger()
    assert ledger.take(["a", "b"], [5, 1]) == (True, (4, 0))
    assert ledger.take(["a", "b"], [5, 1]) == (False, (4, 0))
    assert ledger == {"a": 1, "b": 1}


def test_a_room_that_shrank_has_nothing_left() -> None:
    ledger: Ledger[str] = Ledger()
    for _ in range(5):
        ledger.take(["a"], [5])
    assert ledger.take(["a"], [2]) == (False, (0,))


def test_what_is_not_held_is_not_there() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.add(["a", "b"])
    ledger.add(["a"])
    ledger.give_back(["a", "b"])
    assert ledger == {"a": 1}
    ledger.give_back(["a"])
    assert not ledger
    with pytest.raises(KeyError):
        ledger.give_back(["a"])


def test_a_release_gives_back_once() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.add(["a"])
    ledger.add(["a"])
    held = HeldSlots(ledger.give_back, ["a"])
    held.release()
    held.release()
    assert ledger == {"a": 1}


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())), st.integers(1, 4))
def test_no_more_are_held_than_there_are_and_all_come_back(moves: list[tuple[int, bool]], room: int) -> None:
    ledger: Ledger[int] = Ledger()
    held = []
    for name, is_taking in moves:
        if is_taking:
            before = ledger.get(name, 0)
            is_lent, left = ledger.take([name], [room])
            assert is_lent is (before < room)
            assert left == (room - ledger.get(name, 0),)
            if is_lent:
                held.append(HeldSlots(ledger.give_back, [name]))
        elif held:
            held.pop().release()
        assert len(held) == sum(ledger.values())
    for one in held:
        one.release()
    assert not ledger


# -- outcomes and shares -------------------------------------------------------------------------------------------


def test_what_a_request_is_told() -> None:
    limits = LimitSet((), (FIVE, slots("all", 9, "global")))
    held = HeldSlots(lambda _: None, ["a"])
    assert lent((4, 8), held) == LimitOutcome(True, (4, 8), held=held)
    assert not_lent(limits, (3, 0)) == LimitOutcome(False, (3, 0), 1, ("all",))


@given(st.integers(1, 1000), st.integers(1, 50))
def test_the_parts_of_all_workers_are_the_limit(count: int, workers: int) -> None:
    parts = [part_of_slots(slots("x", count), Share(workers, rank)) for rank in range(workers)]
    assert sum(parts) == count
    assert max(parts) - min(parts) <= 1
