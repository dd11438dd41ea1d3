"""Where an issuer's keys come from: an address, a file, the configuration (its metadata: `discovery`).

How long they serve is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Sequence

from gateway_auth.adapters.issuers.fetch import MAX_BYTES, Fetcher
from gateway_auth.core.strict_json import parse_object
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import VerificationKey

logger = logging.getLogger("gateway_auth.issuers")

ReadKeys = Callable[[bytes], Sequence[VerificationKey]]
"""The usable keys of a document. Raises ValueError, with a reason without line breaks, when it is no key set."""


class StaticSource:
    """ports.KeySetSource of keys that stand in the configuration."""

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        self._keys = tuple(keys)

    async def fetch(self) -> Sequence[VerificationKey]:
        """The same keys, always."""
        return self._keys


class Documents:
    """Turns the key-set documents of one issuer into keys; the same document gives the same keys."""

    def __init__(self, issuer_id: str, read_keys: ReadKeys) -> None:
        self._issuer_id = issuer_id
        self._read_keys = read_keys
        self._last: bytes | None = None
        self._keys: Sequence[VerificationKey] = ()

    async def read(self, document: bytes) -> Sequence[VerificationKey]:
        """The usable keys. Raises IssuerUnavailable for what is no key set."""
        if document != self._last:
            # Aside: half a megabyte of brackets takes longer to refuse than requests should wait.
            self._keys = await asyncio.to_thread(self._parse, document)
            self._last = document
        return self._keys

    def _parse(self, document: bytes) -> Sequence[VerificationKey]:
        try:
            return self._read_keys(document)
        except ValueError as error:
            text = f"issuer {self._issuer_id}: what it publishes is no key set that can be used: {error}"
            if self._last is None and _names_no_keys(document):
                # The issuer answers, and has no keys: no token of it is good. Nothing is down.
                logger.error("%s", text)
                return ()
            raise IssuerUnavailable(text) from error


def _names_no_keys(document: bytes) -> bool:
    parsed = parse_object(document)
    return parsed is not None and "keys" in parsed and not isinstance(parsed["keys"], list)


class AddressSource:
    """ports.KeySetSource of a key set at a fixed address."""

    def __init__(self, issuer_id: str, address: str, fetcher: Fetcher, read_keys: ReadKeys) -> None:
        self._address = address
        self._fetcher = fetcher
        self._documents = Documents(issuer_id, read_keys)

    async def fetch(self) -> Sequence[VerificationKey]:
        """The usable keys as they are published now. Raises IssuerUnavailable."""
        return await self._documents.read(await self._fetcher.get(self._address, "its key set"))


class FileSource:
    """ports.KeySetSource of a key set in a file. It is read each time: a time stamp does not show every change."""

    def __init__(self, issuer_id: str, path: str, read_keys: ReadKeys) -> None:
        self._issuer_id = issuer_id
        self._path = path
        self._documents = Documents(issuer_id, read_keys)

    async def fetch(self) -> Sequence[VerificationKey]:
        """The usable keys as they are in the file now. Raises IssuerUnavailable."""
        return await self._documents.read(await asyncio.to_thread(self._load))

    def _load(self) -> bytes:
        try:
            # Not to wait for ever for somebody to write into a pipe.
            with open(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self._unavailable("is no ordinary file")
                document = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise self._unavailable(error.strerror or type(error).__name__) from error
        if len(document) > MAX_BYTES:
            raise self._unavailable(f"is longer than {MAX_BYTES} bytes")
        return document

    def _unavailable(self, cause: str) -> IssuerUnavailable:
        return IssuerUnavailable(f"issuer {self._issuer_id}: its key set in {self._path}: {cause}")
