"""The brake on guessing: too many invalid credentials from one address, and that address waits.

It counts per address (an IPv6 /64), so a good key used from elsewhere is never held up; one success clears it.
"""

from __future__ import annotations

from gateway_auth.core.memo import Generations
from gateway_auth.core.network import Address, network_of
from gateway_auth.core.rates import Rate
from gateway_auth.core.windows import MICROSECONDS, Window, new_window
from gateway_auth.ports import Clock

MAX_ADDRESSES = 1 << 16
_NOWHERE = -1


class Brake:
    """`rate` is how many failures an address may have; None never brakes. While `is_idle` nobody has failed yet."""

    def __init__(self, rate: Rate | None, clock: Clock) -> None:
        self._rate = rate
        self._monotonic = clock.monotonic
        self._now = clock.now
        self._windows: Generations[int, Window] = Generations(MAX_ADDRESSES)
        self.is_idle = True

    def wait_seconds(self, client: Address | None) -> int:
        """How long this address has to wait; 0 for nearly everybody."""
        window = self._windows[_place(client)]
        if window is None:
            return 0
        now, utc = self._times()
        if window.take(1, now, utc) is not None:
            window.undo(1)
            return 0
        return max(1, -(-window.wait(1, now, utc) // MICROSECONDS))

    def failed(self, client: Address | None) -> None:
        """Count one invalid credential."""
        if self._rate is None:
            return
        self.is_idle = False
        place = _place(client)
        window = self._windows[place]
        if window is None:
            window = new_window(self._rate)
            self._windows.put(place, window)
        window.take(1, *self._times())

    def succeeded(self, client: Address | None) -> None:
        """Forget the failures of an address that proved a credential."""
        self._windows.discard(_place(client))
        self.is_idle = not self._windows.held()

    def _times(self) -> tuple[int, int]:
        return int(self._monotonic() * MICROSECONDS), int(self._now() * MICROSECONDS)


def _place(client: Address | None) -> int:
    return network_of(client) if client is not None else _NOWHERE
