"""Time and chance from the operating system."""

import time

from gateway_auth.adapters.system import SystemClock, SystemRandom


def test_the_clock_tells_epoch_seconds_and_a_time_that_never_goes_back() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5
    assert clock.monotonic() <= clock.monotonic()


def test_chance_stays_below_its_limit_and_repeats_no_big_number() -> None:
    random = SystemRandom()
    assert {random.below(3) for _ in range(200)} == {0, 1, 2}
    assert len({random.below(62**12) for _ in range(1000)}) == 1000
