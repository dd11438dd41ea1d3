"""Finds the master that sentinels watch. It asks them all at once and believes the first that knows one."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from gateway_auth.adapters.redis.address import Endpoint
from gateway_auth.adapters.redis.failures import unavailable
from gateway_auth.adapters.redis.link import Link, LinkSettings
from gateway_auth.errors import RedisUnavailable


class SentinelDial:
    """Connects to the master of `service`, which is looked for anew each time: that is how a failover is noticed.

    A sentinel is asked without a password, and with that of the URL where it wants one.
    """

    def __init__(self, sentinels: tuple[Endpoint, ...], service: str, settings: LinkSettings) -> None:
        self._sentinels = sentinels
        self._service = service
        self._settings = settings

    async def __call__(self) -> Link:
        """A link to the master. Raises RedisUnavailable."""
        link = await Link.open(await self._find(), self._settings)
        try:
            role = await link.exchange(("ROLE",), self._settings.connect_seconds)
        except RedisUnavailable as error:
            if error.kind == "noperm":
                # Not to be known. Where it is a replica, it says READONLY to the first write.
                return link
            link.close()
            raise
        if not isinstance(role, list) or not role or role[0] != b"master":
            link.close()
            raise unavailable("masterdown")
        return link

    async def _find(self) -> Endpoint:
        """The master's endpoint. Raises what the last sentinel's failure was when none knows it."""
        asking = {asyncio.create_task(self._ask(sentinel)) for sentinel in self._sentinels}
        failure = unavailable("masterdown")
        try:
            for answer in asyncio.as_completed(asking):
                try:
                    return await answer
                except RedisUnavailable as error:
                    failure = error
            raise failure
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, sentinel: Endpoint) -> Endpoint:
        anonymous = replace(self._settings, db=0, username=None, password=None)
        try:
            return await self._ask_as(sentinel, anonymous)
        except RedisUnavailable as error:
            if error.kind != "noauth" or self._settings.password is None:
                raise
        return await self._ask_as(sentinel, replace(self._settings, db=0))

    async def _ask_as(self, sentinel: Endpoint, settings: LinkSettings) -> Endpoint:
        link = await Link.open(sentinel, settings)
        try:
            command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            answer = await link.exchange(command, settings.connect_seconds)
        finally:
            link.close()
        match answer:
            case [bytes(host), bytes(port)] if port.isdigit() and 0 < int(port) < 65536:
                return Endpoint(host.decode("utf-8", "replace"), int(port))
            case None:
                raise unavailable("masterdown")  # it watches no master of this name
            case _:
                raise unavailable("garbage")
