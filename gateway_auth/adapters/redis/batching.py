"""Gathers questions that wait at the same time into one call. It knows neither what is asked nor of whom.

One call is in flight at a time; what comes meanwhile waits for the next. So the busier it is the larger the batches
become, and a question that comes alone goes at once: with all others of its turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_Waiting = tuple[Question, "asyncio.Future[Answer | Exception]"]


class Batcher(Generic[Question, Answer]):
    """Asks many questions in one call of `ask`, which answers in their order.

    A batch ends before the sum of `size_of` passes `max_size`; a larger question goes alone. An exception out of `ask`
    is the answer of its whole batch, and of those that wait behind it: they would ask the same peer, and lose the
    same time again. Those were never sent.
    """

    __slots__ = ("_ask", "_max_size", "_size_of", "_task", "_waiting")

    def __init__(
        self,
        ask: Callable[[list[Question]], Awaitable[Sequence[Answer]]],
        size_of: Callable[[Question], int],
        max_size: int,
    ) -> None:
        self._ask = ask
        self._size_of = size_of
        self._max_size = max_size
        self._waiting: deque[_Waiting[Question, Answer]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def put(self, question: Question) -> Answer:
        """The answer. A caller cancelled before its batch was sent has asked nothing; later, the answer is dropped."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | Exception] = loop.create_future()
        self._waiting.append((question, future))
        if self._task is None or self._task.done():  # an eager task may have ended before it was even assigned
            self._task = loop.create_task(self._run())
        answer = await future
        if isinstance(answer, Exception):
            # One exception for many callers would collect all their tracebacks.
            raise answer.with_traceback(None)
        return answer

    async def close(self) -> None:
        """Give up what is in flight and what waits: its callers are cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        """Ask until nobody waits."""
        batch: list[_Waiting[Question, Answer]] = []
        try:
            while batch := self._next():
                answers = await self._ask([question for question, _ in batch])
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        except Exception as error:  # noqa: BLE001 (it is every caller's, who raises it)
            self._settle(batch, error)
        finally:
            self._task = None
            self._settle(batch, None)

    def _next(self) -> list[_Waiting[Question, Answer]]:
        """The next batch, in order of arrival, without those that no longer wait."""
        batch: list[_Waiting[Question, Answer]] = []
        room = self._max_size
        while self._waiting:
            question, future = self._waiting[0]
            if not future.done():
                room -= self._size_of(question)
                if room < 0 and batch:
                    break
                batch.append((question, future))
            self._waiting.popleft()
        return batch

    def _settle(self, batch: list[_Waiting[Question, Answer]], error: Exception | None) -> None:
        """Answer everybody who still waits: with the error, or by cancelling."""
        for _, future in (*batch, *self._waiting):
            if future.done():
                continue
            if error is None:
                future.cancel()
            else:
                future.set_result(error)
        self._waiting.clear()
