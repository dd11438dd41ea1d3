"""A rate in words, for people who did not write it."""

from __future__ import annotations

from gateway_auth.core.rates import Rate

_UNITS = ((30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def rate_words(rate: Rate) -> str:
    """`100 times a minute`, `10 times in 5 seconds`; what a bucket holds; where a quota begins anew."""
    times = f"{rate.count} times {_period(rate)}"
    if rate.kind == "bucket":
        return f"{times}, {rate.burst} at once"
    return f"{times} of UTC" if rate.kind == "fixed" else times


def _period(rate: Rate) -> str:
    if rate.is_calendar_month:
        return "a calendar month"
    for seconds, unit in _UNITS:
        if rate.period_seconds % seconds == 0:
            count = rate.period_seconds // seconds
            article = "an" if unit == "hour" else "a"
            return f"{article} {unit}" if count == 1 else f"in {count} {unit}s"
    raise AssertionError("every period is whole seconds")
