"""Scripts that run inside the Redis server: their text, their name there, and calling them exactly once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Protocol

from msgspec import Struct

from gateway_auth.errors import RedisUnavailable


class Script(Struct, frozen=True):
    """A Lua script; the server knows it by the SHA-1 of its text."""

    text: bytes
    sha: str


class ScriptCaller(Protocol):
    """Redis, or in a cluster the shard that owns `keys`; they all lie in one hash slot."""

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
        """The script's reply, as nested lists of bytes and numbers.

        Raises RedisUnavailable for everything else: no answer, a refusal, an error inside the script. What was sent
        and not answered may have been done. It must not be sent again: a second time would charge twice.
        """
        ...


def load(*names: str) -> Script:
    """The script made of the files of these names beside this one, in their order."""
    folder = files(__package__)
    text = b"\n".join(folder.joinpath(name).read_bytes() for name in names)
    return Script(text, sha1(text, usedforsecurity=False).hexdigest())


async def evaluate(
    run: Callable[[tuple[bytes | str | int, ...]], Awaitable[object]],
    script: Script,
    keys: Sequence[bytes],
    args: Sequence[bytes],
) -> object:
    """Run a script by its name, or by its text where the server does not know it (restarted, flushed, failed over).

    `run` sends one command, once, and raises RedisUnavailable. A server that does not know the name has done nothing,
    so that the second attempt is the only one that counts.
    """
    rest: tuple[bytes | int, ...] = (len(keys), *keys, *args)
    try:
        return await run(("EVALSHA", script.sha, *rest))
    except RedisUnavailable as error:
        if error.kind != "noscript":
            raise
    return await run(("EVAL", script.text, *rest))
