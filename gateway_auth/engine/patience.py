"""How long something may take, where the loop's own stalls do not count. It knows nothing of what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

GRACE_SECONDS = 0.1
"""The end of what may be taken, waited anew where the loop was held up: the answer may lie there, unread."""


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout`, for at most `seconds`; a loop that wakes late looks for the answer before it gives up.

    A process that was stopped, or had no processor, for longer than `seconds` would else take every answer that came
    meanwhile for an outage.
    """
    loop = asyncio.get_running_loop()
    grace = min(GRACE_SECONDS, seconds / 2)
    async with asyncio.timeout(None) as limit:
        timer = loop.call_later(seconds - grace, lambda: limit.reschedule(loop.time() + grace))
        try:
            yield
        finally:
            timer.cancel()
