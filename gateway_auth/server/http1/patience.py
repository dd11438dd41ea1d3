"""How long a client may do nothing: send no request, or take nothing of its answer. Asked every few seconds."""

from __future__ import annotations

STALLED_LOOKS = 12
"""As often may a client be found not to have taken a byte of its answer."""


class Patience:
    """With one client. `deadline` is when nothing may be under way any more, 0 while something is.

    `written_bytes` are all that were ever written to it.
    """

    __slots__ = ("_stalled_looks", "_taken_bytes", "deadline", "written_bytes")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.written_bytes = 0
        self._taken_bytes = 0
        self._stalled_looks = 0

    def is_over(self, now: float, unsent_bytes: int) -> bool:
        """Whether it has done nothing for too long. `unsent_bytes` are waiting for it."""
        taken_bytes = self.written_bytes - unsent_bytes
        is_stalled = unsent_bytes > 0 and taken_bytes == self._taken_bytes
        self._stalled_looks = self._stalled_looks + 1 if is_stalled else 0
        self._taken_bytes = taken_bytes
        # An answer that is still being taken has the time it takes.
        return (0 < self.deadline <= now and not unsent_bytes) or self._stalled_looks >= STALLED_LOOKS
