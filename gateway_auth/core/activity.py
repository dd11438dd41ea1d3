"""What a key does now, held against what it did before: when that is worth a look. Pure, and never a verdict.

Each rule is one sentence a person can check against `keys usage`. They are few and coarse on purpose: who is told of
every ripple looks at none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

HOUR_SECONDS = 3600
DAY_SECONDS = 86400
HISTORY_SECONDS = 7 * DAY_SECONDS
"""How far back the activity of a key is compared."""

MAX_NETWORKS = 64
"""A key used from as many networks roams: no network is news then, and no more are kept."""
SETTLED_SECONDS = 7 * DAY_SECONDS
"""A network is news once where the key is used from has been known for so long."""
MIN_REFUSED = 50
USUAL_REFUSED_SHARE = 0.25
REFUSED_SHARE = 0.5
MIN_VOLUME = 500
VOLUME_FACTOR = 3
MIN_HISTORY_SECONDS = 3 * DAY_SECONDS

AnomalyKind = Literal["new_network", "refusals", "volume"]


class Moment(Struct, frozen=True):
    """The times everything is looked at by: `now`, and what counts as the last hour. UTC epoch seconds."""

    now: int

    @property
    def last_hour(self) -> int:
        """Where it begins, at a whole minute: usage is known by the minute."""
        return (self.now - HOUR_SECONDS) // 60 * 60

    @property
    def last_day(self) -> int:
        """Where it begins."""
        return (self.now - DAY_SECONDS) // 60 * 60

    @property
    def history(self) -> int:
        """Where what the last hour is compared with begins."""
        return self.last_hour - HISTORY_SECONDS


class Activity(Struct, frozen=True, kw_only=True):
    """One key. `count` answers in the last hour, `refused` of them 4xx; `past_…` the same of the days before.

    `busiest_hour` is the most answers in an hour of those days, and `past_since` when they begin (None: no use then).
    `networks` are known, the first of them since `networks_since`; `new_networks` were first seen at these times within
    the last day.
    """

    key_id: str
    count: int = 0
    refused: int = 0
    past_count: int = 0
    past_refused: int = 0
    busiest_hour: int = 0
    past_since: int | None = None
    networks: int = 0
    networks_since: int | None = None
    new_networks: tuple[tuple[str, int], ...] = ()


class Anomaly(Struct, frozen=True):
    """What is worth a look, and why, in words. `subject` tells it from others of its kind: the network, or nothing."""

    key_id: str
    kind: AnomalyKind
    since: int
    reason: str
    subject: str = ""


def anomalies(activity: Activity, moment: Moment) -> Iterator[Anomaly]:
    """What is worth a look of one key."""
    yield from _new_networks(activity, moment)
    yield from _refusals(activity, moment)
    yield from _volume(activity, moment)


def _new_networks(activity: Activity, moment: Moment) -> Iterator[Anomaly]:
    since = activity.networks_since
    if since is None or since > moment.now - SETTLED_SECONDS or activity.networks >= MAX_NETWORKS:
        return
    known = activity.networks - len(activity.new_networks)
    days = (moment.now - since) // DAY_SECONDS
    for network, first_at in activity.new_networks:
        reason = f"used from {network} for the first time, after {days} days from {_counted(known, 'other network')}"
        yield Anomaly(activity.key_id, "new_network", first_at, reason, network)


def _refusals(activity: Activity, moment: Moment) -> Iterator[Anomaly]:
    is_burst = activity.refused >= MIN_REFUSED and activity.refused >= REFUSED_SHARE * activity.count
    is_usual = activity.past_refused > USUAL_REFUSED_SHARE * activity.past_count
    if is_burst and not is_usual:
        reason = (
            f"{activity.refused} of {activity.count} answers in the last hour were 4xx; in the 7 days before"
            f" {activity.past_refused} of {activity.past_count}"
        )
        yield Anomaly(activity.key_id, "refusals", moment.last_hour, reason)


def _volume(activity: Activity, moment: Moment) -> Iterator[Anomaly]:
    is_known = activity.past_since is not None and activity.past_since <= moment.now - MIN_HISTORY_SECONDS
    if is_known and activity.count >= max(MIN_VOLUME, VOLUME_FACTOR * activity.busiest_hour):
        reason = (
            f"{activity.count} requests in the last hour; the busiest hour of the 7 days before had"
            f" {activity.busiest_hour}"
        )
        yield Anomaly(activity.key_id, "volume", moment.last_hour, reason)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
