"""The grammar of rates: what is meant, or an answer that says what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.rates import MAX_COUNT, MAX_PERIOD_SECONDS, Rate, parse_rate

MEANT = {
    "100/minute": Rate(100, 60),
    "1/second": Rate(1, 1),
    "5/hour": Rate(5, 3600),
    "1000/day": Rate(1000, 86400),
    "1000/month": Rate(1000, 30 * 86400),
    "10/5 seconds": Rate(10, 5),
    "10/1 minute": Rate(10, 60),
    "10/2 days": Rate(10, 2 * 86400),
    " 10 / 5  minutes ": Rate(10, 300),
    "0/minute": Rate(0, 60),
    "5/second burst 20": Rate(5, 1, "bucket", 20),
    "5/10 seconds burst 1": Rate(5, 10, "bucket", 1),
    "1000/day fixed": Rate(1000, 86400, "fixed"),
    "1000/1 day fixed": Rate(1000, 86400, "fixed"),
    "1/second fixed": Rate(1, 1, "fixed"),
    "7/month fixed": Rate(7, 30 * 86400, "fixed", is_calendar_month=True),
    "7/months fixed": Rate(7, 30 * 86400, "fixed", is_calendar_month=True),
    "1000000000/second": Rate(MAX_COUNT, 1),
    "1/second burst 1000000000": Rate(1, 1, "bucket", MAX_COUNT),
    "1/366 days": Rate(1, MAX_PERIOD_SECONDS),
    "1/12 months": Rate(1, 360 * 86400),
}

REFUSED = {
    "5/minuts": 'unknown unit "minuts", did you mean "minute"',
    "5/Minute": 'unknown unit "Minute", did you mean "minute"',
    "5/sec": 'unknown unit "sec", did you mean "second"',
    "5/m": 'unknown unit "m"; use one of second, minute, hour, day, month',
    "5/s": 'unknown unit "s"; use one of',
    "5/fortnight": 'unknown unit "fortnight"',
    "5/week": 'unknown unit "week"',
    "5": "cannot read rate",
    "": "cannot read rate",
    "/minute": "cannot read rate",
    "5/": "cannot read rate",
    "-1/minute": "cannot read rate",
    "1.5/minute": "cannot read rate",
    "1e3/minute": "cannot read rate",
    "1 000/minute": "cannot read rate",
    "\uff15/minute": "cannot read rate",
    "5/5seconds": "cannot read rate",
    "5/-5 seconds": "cannot read rate",
    "5/minute burst": "cannot read rate",
    "5/minute burst -1": "cannot read rate",
    "5/minute burst 5 fixed": "cannot read rate",
    "5/minute fixed burst 5": "cannot read rate",
    "5/minute sliding": "cannot read rate",
    "5/minute,10/hour": "cannot read rate",
    "5/minute FIXED": "cannot read rate",
    "10000000000000000000000000000000/day": "cannot read rate",
    "5/minute" + " " * 80: "cannot read rate",
    "1000000001/minute": "at most 1000000000 per period",
    "9999999999/minute": "at most 1000000000 per period",
    "5/minute burst 1000000001": "at most 1000000000 per period",
    "5/0 seconds": "between one second and one year",
    "5/367 days": "between one second and one year",
    "5/13 months": "between one second and one year",
    "5/999999999 days": "between one second and one year",
    "0/minute burst 5": "a count and a burst of at least 1",
    "5/minute burst 0": "a count and a burst of at least 1",
    "5/2 days fixed": "one whole unit",
    "5/2 months fixed": "one whole unit",
}


@pytest.mark.parametrize(("text", "rate"), MEANT.items(), ids=MEANT)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[ascii(text) for text in REFUSED])
def test_what_is_no_rate_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        parse_rate(text)
    assert len(str(refused.value)) < 250


def test_the_capacity_is_what_fits_at_once() -> None:
    assert parse_rate("7/minute").capacity == 7
    assert parse_rate("7/day fixed").capacity == 7
    assert parse_rate("7/minute burst 20").capacity == 20
    assert parse_rate("7/minute burst 2").capacity == 2


@given(
    st.integers(0, MAX_COUNT),
    st.integers(1, 12),
    st.sampled_from([("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400), ("month", 30 * 86400)]),
    st.booleans(),
)
def test_every_rate_that_can_be_written_is_read_back(
    count: int, multiple: int, unit: tuple[str, int], plural: bool
) -> None:
    rate = parse_rate(f"{count}/{multiple} {unit[0]}{'s' if plural else ''}")
    assert (rate.count, rate.period_seconds, rate.kind) == (count, multiple * unit[1], "sliding")


@given(st.text(max_size=70))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError:
        return
    assert 0 <= rate.count <= MAX_COUNT
    assert 1 <= rate.period_seconds <= MAX_PERIOD_SECONDS
