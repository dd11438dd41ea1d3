"""The rate grammar: `100/minute`, `10/5 seconds`, `5/second burst 20`, `1000/day fixed`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Literal

from msgspec import Struct

MAX_COUNT = 1_000_000_000
MAX_PERIOD_SECONDS = 366 * 86400
LONGEST_MONTH_SECONDS = 31 * 86400
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 30 * 86400}
_FORM = re.compile(
    r"([0-9]{1,10})\s*/\s*(?:([0-9]{1,9})\s+)?([A-Za-z]+)(?:\s+(?:burst\s+([0-9]{1,10})|(fixed)))?", re.ASCII
)

RateKind = Literal["sliding", "bucket", "fixed"]


class Rate(Struct, frozen=True):
    """How much, in what time. `count` and `burst` are units of cost; `period_seconds` is the window's length.

    `kind`: `sliding` admits at most `count` in any period of that length; `bucket` holds at most `burst` and refills
    evenly by `count` per period; `fixed` starts anew at each whole period of UTC (a month is the calendar's there
    and 30 days elsewhere).
    """

    count: int
    period_seconds: int
    kind: RateKind = "sliding"
    burst: int = 0
    is_calendar_month: bool = False

    @property
    def capacity(self) -> int:
        """The most that can ever be admitted at once."""
        return min(self.burst, MAX_COUNT) if self.kind == "bucket" else self.count


def parse_rate(text: str) -> Rate:
    """The rate spelled `text`. Raises ValueError that says what to write."""
    match = _FORM.fullmatch(text.strip()) if len(text) <= 64 else None
    if match is None:
        raise ValueError(
            f'cannot read rate "{text[:64]}"; write for example "100/minute", "10/5 seconds", "5/second burst 20"'
        )
    count_text, multiple_text, unit_text, burst_text, fixed = match.groups()
    unit = _parse_unit(unit_text)
    count, multiple = int(count_text), int(multiple_text or 1)
    if multiple == 0 or multiple * _SECONDS[unit] > MAX_PERIOD_SECONDS:
        raise ValueError(f'rate "{text[:64]}": the period must be between one second and one year')
    if count > MAX_COUNT or int(burst_text or 0) > MAX_COUNT:
        raise ValueError(f'rate "{text[:64]}": at most {MAX_COUNT} per period')
    if burst_text is not None and (int(burst_text) == 0 or count == 0):
        raise ValueError(f'rate "{text[:64]}": a token bucket needs a count and a burst of at least 1')
    if fixed and multiple != 1:
        raise ValueError(f'rate "{text[:64]}": a fixed window is one whole unit, such as "1000/day fixed"')
    return Rate(
        count=count,
        period_seconds=multiple * _SECONDS[unit],
        kind="bucket" if burst_text is not None else "fixed" if fixed else "sliding",
        burst=int(burst_text or 0),
        is_calendar_month=bool(fixed) and unit == "month",
    )


def _parse_unit(text: str) -> str:
    singular = text[:-1] if text.endswith("s") else text
    if singular in _SECONDS:
        return singular
    close = get_close_matches(text.lower(), _SECONDS, n=1)
    hint = f', did you mean "{close[0]}"?' if close else f"; use one of {', '.join(_SECONDS)}"
    raise ValueError(f'unknown unit "{text}"{hint}')
