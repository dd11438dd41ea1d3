"""Whether a server gets requests: what checks found, and how the last requests to it ended.

Knows no connection. An opinion only: where no server is fit, all are tried all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Standing:
    """Of one server in one worker. `now` counts seconds, from anywhere."""

    __slots__ = ("_fail_after", "_fail_seconds", "_is_passing", "_now", "_out_until", "_strikes", "_title")

    def __init__(self, title: str, now: Callable[[], float], fail_after: int, fail_seconds: float) -> None:
        self._title = title
        self._now = now
        self._fail_after = fail_after
        self._fail_seconds = fail_seconds
        self._is_passing = True
        self._strikes = 0
        self._out_until: float | None = None

    def is_fit(self) -> bool:
        """Passing its checks, and not out for having failed."""
        return self._is_passing and (self._out_until is None or self._now() >= self._out_until)

    def strike(self, reason: object) -> None:
        """A request failed, and not by the client's doing."""
        self._strikes += 1
        if not self._fail_after or self._strikes < self._fail_after:
            return
        now = self._now()
        if self._out_until is None or now >= self._out_until:
            self._out_until = now + self._fail_seconds
            message = "%s gets no requests for %s s, %d failed in a row; the last: %s"
            logger.warning(message, self._title, self._fail_seconds, self._strikes, reason)

    def absolve(self) -> None:
        """A request was answered."""
        if self._strikes:
            self._strikes = 0
            if self._out_until is not None:
                self._out_until = None
                logger.info("%s answers again", self._title)

    def check_failed(self, reason: object) -> None:
        """Enough checks failed."""
        if self._is_passing:
            self._is_passing = False
            logger.warning("%s gets no requests, its health checks fail: %s", self._title, reason)

    def check_passed(self) -> None:
        """Enough checks passed."""
        if not self._is_passing:
            self._is_passing = True
            logger.info("%s passes its health checks again", self._title)
