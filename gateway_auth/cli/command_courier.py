"""Hands a new key to a command of the operator's, on its standard input: arguments are for everybody to read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from gateway_auth.errors import HandoverFailed
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.views import created_view

DELIVERY_SECONDS = 60.0


class CommandCourier:
    """lifecycle.handover.Courier. `words` are the program and its arguments; no shell reads them.

    The command gets one JSON object, as `keys rotate --json` prints it, and has taken the key when it exits with 0.
    What it prints goes nowhere: it might repeat the key.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    async def deliver(self, created: CreatedKey) -> None:
        """Raises HandoverFailed when the command cannot be started, fails, or takes longer than a minute."""
        told = json.dumps(created_view(created))
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise HandoverFailed(f"{self._words[0]} cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                await process.communicate(f"{told}\n".encode())
        except TimeoutError:
            raise HandoverFailed(f"{self._words[0]} took longer than {DELIVERY_SECONDS:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise HandoverFailed(f"{self._words[0]} ended with {process.returncode}")
