"""Field values by property: what goes in as text comes out checked, and whatever comes out can be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.input import (
    LAST_SECOND,
    MAX_TEXT,
    check_metadata,
    check_text,
    format_time,
    parse_duration,
    parse_lifetime,
    parse_time,
)


@given(st.text(max_size=300))
def test_text_that_is_taken_can_be_shown_and_stored(text: str) -> None:
    try:
        taken = check_text("name", text)
    except InvalidInput:
        assert len(text.strip(" ")) > MAX_TEXT or not text.strip(" ").isprintable()
        return
    assert taken.isprintable()
    assert len(taken) <= MAX_TEXT
    assert taken.encode("utf-8").decode("utf-8") == taken


@given(st.integers(0, LAST_SECOND))
def test_a_time_that_is_written_is_read_back(seconds: int) -> None:
    assert parse_time("at", format_time(seconds)) == seconds


@given(st.text(max_size=40))
def test_a_time_is_read_or_refused(text: str) -> None:
    try:
        seconds = parse_time("at", text)
    except InvalidInput:
        return
    assert 0 <= seconds <= LAST_SECOND


@given(st.text(max_size=20))
def test_a_duration_is_read_or_refused(text: str) -> None:
    try:
        seconds = parse_duration("expires_in", text)
    except InvalidInput:
        return
    assert seconds > 0


@given(st.integers(1, 10**6), st.sampled_from("smhdw"))
def test_a_duration_counts_its_units(count: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit] * count
    if seconds <= 100 * 365 * 86400:
        assert parse_duration("expires_in", f"{count}{unit}") == seconds
    else:
        with pytest.raises(InvalidInput):
            parse_duration("expires_in", f"{count}{unit}")


def test_the_letters_of_a_time_may_be_small() -> None:
    assert parse_time("at", "2030-01-31t12:00:00z") == parse_time("at", "2030-01-31T12:00:00Z")


def test_only_a_life_may_be_without_end() -> None:
    assert parse_lifetime("expires_in", "never") is None
    with pytest.raises(InvalidInput, match=r"100 years$"):
        parse_duration("since", "never")


def test_metadata_is_copied() -> None:
    given = {"a": "b"}
    taken = check_metadata(given)
    given["a"] = "c"
    assert taken == {"a": "b"}
