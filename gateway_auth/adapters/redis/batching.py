"""Gathers questions that wait at the same time into one call. It knows neither what is asked nor of whom.

One call is in flight at a time; what comes meanwhile waits for the next. So the busier it is the larger the batches
become, and a question that comes alone goes at once: with all others of its turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NoReturn, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def _raise(_question: object, error: Exception) -> NoReturn:
    raise error


class Batcher(Generic[Question, Answer]):
    """Asks many questions in one call of `ask`, which answers in their order.

    A batch ends before the sum of `size_of` passes `max_size`; a larger question goes alone. An exception out of `ask`
    is the answer of its whole batch, and of those that wait behind it: they would ask the same peer, and lose the
    same time again. Those were never sent. `otherwise` is what a question is answered then, or raises.
    """

    __slots__ = ("_ask", "_max_size", "_otherwise", "_size_of", "_task", "_waiting")

    def __init__(
        self,
        ask: Callable[[list[Question]], Awaitable[Sequence[Answer]]],
        size_of: Callable[[Question], int],
        max_size: int,
        otherwise: Callable[[Question, Exception], Answer] = _raise,
    ) -> None:
        self._ask = ask
        self._size_of = size_of
        self._max_size = max_size
        self._otherwise = otherwise
        # In order of arrival, each with the future of who asked: a plain future costs less than a coroutine around it.
        self._waiting: deque[tuple[asyncio.Future[Answer], Question]] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, question: Question) -> asyncio.Future[Answer]:
        """The answer. A caller cancelled before its batch was sent has asked nothing; later, the answer is dropped."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((future, question))
        if self._task is None or self._task.done():  # an eager task may have ended before it was even assigned
            self._task = loop.create_task(self._run())
        return future

    async def close(self) -> None:
        """Give up what is in flight and what waits: its callers are cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._settle([], None)  # one that was cancelled before its first step has settled nothing

    async def _run(self) -> None:
        """Ask until nobody waits."""
        batch: list[tuple[asyncio.Future[Answer], Question]] = []
        try:
            while batch := self._next():
                answers = await self._ask([question for _, question in batch])
                for (future, _), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        except Exception as error:  # noqa: BLE001 (it is every caller's, who raises it or has another answer)
            self._settle(batch, error)
        finally:
            self._task = None
            self._settle(batch, None)

    def _next(self) -> list[tuple[asyncio.Future[Answer], Question]]:
        """The next batch, in order of arrival, without those that no longer wait."""
        batch: list[tuple[asyncio.Future[Answer], Question]] = []
        waiting, room = self._waiting, self._max_size
        while waiting:
            pair = waiting[0]
            if not pair[0].done():
                room -= self._size_of(pair[1])
                if room < 0 and batch:
                    break
                batch.append(pair)
            waiting.popleft()
        return batch

    def _settle(self, batch: list[tuple[asyncio.Future[Answer], Question]], error: Exception | None) -> None:
        """Answer everybody who still waits: as after that error, or by cancelling."""
        left, trace = [*batch, *self._waiting], error.__traceback__ if error else None
        self._waiting.clear()
        for future, question in left:
            if future.done():
                continue
            if error is None:
                future.cancel()
                continue
            try:
                future.set_result(self._otherwise(question, error))
            except Exception as failure:  # noqa: BLE001 (as above)
                if failure is error:
                    error.__traceback__ = trace  # it would grow with each who is told
                future.set_exception(failure)
                future.exception()  # seen, also where its caller is cancelled in this very turn
