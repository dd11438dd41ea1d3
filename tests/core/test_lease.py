"""How limits are lent, and what one worker does with what it was lent: spends it in time, gives back the rest, once."""

from __future__ import annotations

import pytest

from gateway_auth.core.hand import Hand
from gateway_auth.core.lease import Closed, Grant, Standing, Terms, Want, terms_of
from tests.fakes import limit

S = 1_000_000
LIMIT = limit("x", "1000/minute")
TERMS = terms_of(LIMIT)
PACE = 10_000
"""Between two requests, where many are to come."""


def a_hand(rate: str = "1000/minute", cost: int = 1) -> Hand:
    of = limit("x", rate, cost=cost)
    return Hand(of, terms_of(of), "alice")


def ask(
    hand: Hand,
    now: int,
    *,
    need: int = 1,
    ahead: int | None = None,
    left: int = 900,
    reset: int = 30 * S,
    stamp: int = 0,
) -> Want:
    """Ask and be answered at once; `ahead` is what is granted, if not all that was asked for."""
    want = hand.want(need, now)
    granted = want.ahead if ahead is None else ahead
    hand.learn(want, Standing(left, reset, 0, granted), stamp or now, (now, now), True)
    return want


def with_share(units: int, now: int = S, rate: str = "1000/minute") -> Hand:
    """A hand that many requests came for, and that was granted so much a moment ago."""
    hand = a_hand(rate)
    for before in range(8, 0, -1):
        ask(hand, now - before * 100, ahead=0)
    hand.learn(Want(LIMIT, TERMS, "alice", 0, units), Standing(900, 30 * S, 0, units), now, (now, now), True)
    hand.base = 900
    return hand


# -- terms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "cost", "life", "most"),
    [
        ("1000/minute", 1, 6 * S, 50), ("100/second", 1, S // 10, 5), ("19/minute", 1, 6 * S, 0),
        ("1000/minute", 7, 6 * S, 49), ("1000/minute", 51, 6 * S, 0), ("0/minute", 1, 6 * S, 0),
        ("1000000000/day fixed", 1, 10 * S, 50_000_000), ("1000/month fixed", 1, 10 * S, 50),
        ("5/second burst 20", 1, 4 * S // 10, 1), ("1000/second burst 20", 1, 50_000, 1),
        ("1/day burst 1000", 1, 10 * S, 50),
    ],
)  # fmt: skip
def test_at_most_a_twentieth_is_lent_for_a_tenth_of_the_period(rate: str, cost: int, life: int, most: int) -> None:
    assert terms_of(limit("x", rate, cost=cost)) == Terms(life, most)


def test_needs_are_met_together_or_not_at_all() -> None:
    assert Grant(1, (Standing(0, 5), Standing(9, 5, 0, 3))).is_admitted
    assert not Grant(1, (Standing(0, 5, 1), Standing(9, 5))).is_admitted
    assert Grant(1, ()).is_admitted


# -- how much is asked for -----------------------------------------------------------------------------------------


def test_nothing_is_asked_ahead_for_one_request_or_for_few() -> None:
    hand = a_hand()
    assert ask(hand, 100 * S).ahead == 0
    assert ask(hand, 110 * S).ahead == 0
    assert ask(hand, 120 * S).ahead == 0


def test_shares_grow_with_demand_by_doubling_up_to_half_a_life() -> None:
    hand, now, asked = a_hand("1000000/minute"), 100 * S, list[int]()
    for _ in range(12):
        asked.append(ask(hand, now).ahead)
        while hand.has(1, now):
            hand.spend(1)
            now += PACE
        now += PACE
    assert asked[:6] == [0, 1, 3, 7, 15, 31]
    assert asked[-1] == pytest.approx(3 * S // PACE, rel=0.02)


def test_a_share_is_never_more_than_may_be_lent_and_a_multiple_of_the_cost() -> None:
    hand, now, asked = a_hand(cost=4), 100 * S, set[int]()
    for _ in range(12):
        asked.add(ask(hand, now, need=4).ahead)
        while hand.has(4, now):
            hand.spend(4)
            now += 100
        now += 100
    assert max(asked) == 48
    assert all(units % 4 == 0 for units in asked)


def test_a_share_is_asked_for_by_one_request_at_a_time() -> None:
    hand = a_hand()
    ask(hand, 100 * S)
    first, second = hand.want(1, 100 * S + 1), hand.want(1, 100 * S + 2)
    assert (first.ahead, second.ahead) == (1, 0)
    hand.lost(second)
    assert hand.want(1, 100 * S + 3).ahead == 0
    hand.lost(first)
    ask(hand, 100 * S + 4)
    assert hand.want(1, 100 * S + 5).ahead == 1


def test_the_next_share_is_asked_for_when_a_quarter_is_left_and_once() -> None:
    hand = with_share(40)
    assert hand.low == 10
    hand.spend(30)
    want = hand.refill(S + 300_000)
    assert want is not None
    assert (want.need, want.ahead, hand.low) == (0, 50, -1)
    assert hand.refill(S + 300_001) is None


def test_one_unit_is_not_worth_a_call_of_its_own() -> None:
    hand = a_hand()
    ask(hand, 100 * S)
    ask(hand, 100 * S + 1)
    hand.spend(1)
    assert hand.refill(104 * S) is None
    assert not hand.is_asking


def test_no_third_share_is_asked_for() -> None:
    hand = with_share(40)
    hand.spend(39)
    want = hand.refill(S + 390_000)
    assert want is not None
    hand.learn(want, Standing(800, 30 * S, 0, want.ahead), 7, (S + 390_000, S + 390_000), True)
    assert hand.refill(S + 390_001) is None
    assert hand.want(50, S + 390_001).ahead == 0


# -- how long it may be spent --------------------------------------------------------------------------------------


def test_a_share_ends_before_it_does_for_the_counters() -> None:
    hand = with_share(10, now=S)
    assert hand.ends_at == S + TERMS.life - TERMS.life // 100
    assert hand.has(1, hand.ends_at - 1)
    assert not hand.has(1, hand.ends_at)


def test_its_life_begins_when_it_was_asked_for() -> None:
    hand = a_hand()
    want = Want(LIMIT, TERMS, "alice", 0, 10)
    hand.learn(want, Standing(900, 30 * S, 0, 10), 7, (S, 3 * S), True)
    assert hand.ends_at == S + TERMS.life - TERMS.life // 100


def test_what_comes_too_late_is_given_back_whole() -> None:
    hand = a_hand()
    ends_at = hand.learn(Want(LIMIT, TERMS, "alice", 0, 10), Standing(900, 30 * S, 0, 10), 7, (S, 10 * S), True)
    assert ends_at < 10 * S
    assert not hand.has(1, 10 * S)
    want = hand.settle(10 * S)
    assert want is not None
    assert want.closed == (Closed(7, 10, 10),)


def test_a_share_of_a_quota_ends_with_its_window() -> None:
    hand = a_hand("1000/day fixed")
    hand.learn(Want(LIMIT, TERMS, "alice", 0, 10), Standing(900, S, 0, 10), 7, (S, S), True)
    assert hand.has(1, 2 * S - S // 100 - 1)
    assert not hand.has(1, 2 * S - S // 100)


# -- giving back ---------------------------------------------------------------------------------------------------


def test_what_was_not_spent_is_given_back_once() -> None:
    hand = with_share(10, now=S)
    for _ in range(4):
        hand.spend(1)
    assert hand.settle(S + 1) is None
    want = hand.settle(60 * S)
    assert want is not None
    assert (want.need, want.ahead, want.closed) == (0, 0, (Closed(S, 10, 6),))
    assert hand.settle(61 * S) is None


def test_what_was_spent_whole_is_only_told_with_the_next_question() -> None:
    hand = with_share(2, now=S)
    hand.spend(2)
    assert hand.settle(60 * S) is None
    assert hand.want(1, 61 * S).closed == (Closed(S, 2, 0),)


def test_at_the_end_everything_is_given_back() -> None:
    hand = with_share(10, now=S)
    hand.spend(9)
    want = hand.refill(S + 1000)
    assert want is not None
    hand.learn(want, Standing(800, 30 * S, 0, 8), 7, (S + 1000, S + 1000), True)
    last = hand.settle(S + 2000, is_last=True)
    assert last is not None
    assert last.closed == (Closed(S, 10, 1), Closed(7, 8, 8))
    assert not hand.has(1, S + 2000)
    assert a_hand().settle(S, is_last=True) is None


def test_one_share_follows_the_other() -> None:
    hand = with_share(10, now=S)
    hand.spend(8)
    hand.learn(Want(LIMIT, TERMS, "alice", 0, 20), Standing(800, 30 * S, 0, 20), 7, (2 * S, 2 * S), True)
    assert hand.left == 2
    assert hand.known(2 * S)[0] == 822
    hand.spend(2)
    assert hand.has(1, 2 * S)
    assert (hand.left, hand.low) == (20, 5)
    assert hand.known(2 * S)[0] == 820


def test_what_does_not_cover_a_cost_is_left_where_no_other_share_follows() -> None:
    hand = with_share(10, now=S)
    hand.spend(8)
    assert not hand.has(3, S)
    assert hand.has(2, S)


# -- taking back what was spent for a refused request --------------------------------------------------------------


def test_what_was_spent_for_nothing_is_there_again() -> None:
    hand = with_share(10)
    before = hand.known(S)[0]
    stamp = hand.spend(3)
    assert hand.known(S)[0] == before - 3
    hand.undo(3, stamp)
    assert hand.left == 10
    assert hand.known(S)[0] == before - 3  # somebody may have been told so meanwhile


def test_what_was_spent_of_a_share_that_is_closed_goes_back_to_the_window() -> None:
    hand = with_share(10, now=S)
    stamp = hand.spend(3)
    assert not hand.has(1, 60 * S)
    hand.undo(3, stamp)
    want = hand.settle(60 * S)
    assert want is not None
    assert want.closed == (Closed(S, 10, 7), Closed(S, 0, 3))


# -- what is known -------------------------------------------------------------------------------------------------


def refuse(hand: Hand, now: int, *, reset: int, wait: int, need: int = 1) -> None:
    want = hand.want(need, now)
    hand.learn(want, Standing(0, reset, wait), now, (now, now), False)


@pytest.mark.parametrize(
    ("reset", "wait", "until"),
    [(S // 2, 1, S // 2), (S // 2, 4, 3 * S), (20 * S, 20, 6 * S), (S // 2, 60, 6 * S)],
    ids=["something comes back", "too little comes back", "somebody may give back", "both"],
)
def test_a_refusal_is_known_until_something_may_have_come_back(reset: int, wait: int, until: int) -> None:
    hand, now = a_hand(), 100 * S
    refuse(hand, now, reset=reset, wait=wait)
    assert hand.is_refused(1, now + until - 1)
    assert not hand.is_refused(1, now + until)
    assert hand.wait_until == now + wait * S


def test_a_refusal_says_nothing_of_what_costs_less() -> None:
    hand = a_hand()
    refuse(hand, S, reset=9 * S, wait=9, need=5)
    assert hand.is_refused(5, S)
    assert hand.is_refused(6, S)
    assert not hand.is_refused(4, S)


def test_a_limit_that_did_not_refuse_is_not_known_to_be_full() -> None:
    hand = a_hand()
    hand.learn(hand.want(1, S), Standing(5, 9 * S, 0), S, (S, S), False)
    assert not hand.is_refused(1, S)
    assert hand.known(S) == (5, 9)


def test_who_is_admitted_again_is_no_longer_refused() -> None:
    hand = a_hand()
    refuse(hand, S, reset=9 * S, wait=9)
    ask(hand, S + 1)
    assert not hand.is_refused(1, S + 1)


def test_nothing_is_known_at_first() -> None:
    assert a_hand().known(S) == (0, 0)


def test_what_remains_is_of_all_and_of_this_hand() -> None:
    hand = with_share(10)
    assert hand.known(S) == (910, 30)
    hand.spend(4)
    assert hand.known(S) == (906, 30)
    hand.has(1, 7 * S)  # ended: it will be given back
    assert hand.known(7 * S) == (906, 24)


def test_what_remains_does_not_grow_before_the_moment_that_was_told() -> None:
    hand = a_hand()
    ask(hand, S, left=10, reset=5 * S)
    ask(hand, 2 * S, ahead=0, left=500, reset=4 * S)  # somebody gave back
    assert hand.known(2 * S)[0] == 9
    ask(hand, 6 * S, ahead=0, left=500, reset=5 * S)
    assert hand.known(6 * S)[0] == 500


def test_what_remains_is_never_negative_and_never_more_than_the_quota() -> None:
    hand = a_hand()
    ask(hand, S, left=2000, reset=5 * S)
    assert hand.known(S)[0] == 999
    ask(hand, 2 * S, ahead=0, left=0, reset=4 * S)
    assert hand.known(2 * S) == (0, 4)


def test_a_moment_that_has_passed_is_told_as_the_next() -> None:
    hand = with_share(10)
    assert hand.known(40 * S)[1] == 1
