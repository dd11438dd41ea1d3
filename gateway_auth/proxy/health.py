"""Asks a server, over connections of its own, whether it is well. What follows from that is `Standing`'s business."""

from __future__ import annotations

import asyncio
import random

from gateway_auth.core.upstream import HealthCheck
from gateway_auth.proxy.connection import UpstreamConnection
from gateway_auth.proxy.dial import Dialler
from gateway_auth.proxy.failures import ExchangeFailed
from gateway_auth.proxy.standing import Standing

# Workers and nodes that started together need not ask together.
_JITTER = 0.1


class HealthWatch:
    """One task for one server, from `start` to `stop`."""

    __slots__ = ("_dialler", "_head", "_rule", "_standing", "_task")

    def __init__(self, dialler: Dialler, standing: Standing, rule: HealthCheck, host: str | None) -> None:
        self._dialler = dialler
        self._standing = standing
        self._rule = rule
        self._head = (
            f"GET {rule.path} HTTP/1.1\r\nhost: {host or dialler.server.authority}\r\n"
            "user-agent: gateway-auth health check\r\naccept: */*\r\nconnection: close\r\n\r\n"
        ).encode("ascii")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Check at once, then again and again."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """No more checks."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        rule = self._rule
        passed = failed = 0
        while True:
            reason = await self._find_fault()
            passed, failed = (passed + 1, 0) if reason is None else (0, failed + 1)
            if passed >= rule.healthy_after:
                self._standing.check_passed()
            elif failed >= rule.unhealthy_after:
                self._standing.check_failed(reason)
            await asyncio.sleep(rule.interval_seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret

    async def _find_fault(self) -> str | None:
        """Why the server is not well; None when it is."""
        rule = self._rule
        try:
            async with asyncio.timeout(rule.timeout_seconds):
                status = await self._ask()
        except TimeoutError:
            return "no answer in time"
        except ExchangeFailed as failure:
            return str(failure)
        return None if rule.lowest_status <= status <= rule.highest_status else f"status {status}"

    async def _ask(self) -> int:
        connection = UpstreamConnection(asyncio.get_running_loop(), _forget)
        try:
            await self._dialler.open(connection, self._rule.timeout_seconds)
            reader = connection.begin(is_head=False)
            connection.write(self._head)
            while connection.failure is None and not reader.status:
                await connection.progress()
            if connection.failure is not None:
                raise connection.failure
            return reader.status
        finally:
            connection.abort()


def _forget(connection: UpstreamConnection) -> None:
    """Nobody counts these connections."""
