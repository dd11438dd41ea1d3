"""A WebSocket that stays open for a test: the server's side of one, message by message."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Scope

SECONDS = 30


class OpenSocket:
    """`sent` is what the app sent so far. `call` is the app's run; `hold` lets no send of a message return."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self.sent: list[Message] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._came = asyncio.Event()
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.put({"type": "websocket.connect"})
        self.call = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._incoming.get, self._send)

    def put(self, message: Message) -> None:
        """The server hands this to the app."""
        self._incoming.put_nowait(message)

    def say(self, text: str) -> None:
        """The client sends a text."""
        self.put({"type": "websocket.receive", "text": text})

    async def until(self, kind: str, **fields: Any) -> Message:
        """The first message of a kind, with these fields."""
        async with asyncio.timeout(SECONDS):
            while True:
                for message in self.sent:
                    if message["type"] == kind and fields.items() <= message.items():
                        return message
                self._came.clear()
                await self._came.wait()

    async def leave(self) -> None:
        """The client goes."""
        self.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.call, SECONDS)

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            await self.may_send.wait()
        self.sent.append(message)
        self._came.set()
