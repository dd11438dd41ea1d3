"""Finds an issuer's key set by its metadata (OpenID Connect Discovery, RFC 8414). It judges no keys."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway_auth.adapters.issuers.addresses import explain_unfit, is_on_loopback, metadata_addresses
from gateway_auth.adapters.issuers.fetch import Fetcher
from gateway_auth.adapters.issuers.sources import Documents, ReadKeys
from gateway_auth.core.strict_json import parse_object
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import Clock, VerificationKey

logger = logging.getLogger("gateway_auth.issuers")

METADATA_SECONDS = 3600.0
"""Metadata names an address that hardly ever changes; when the keys are not there any more it is read at once."""


class _Mismatch(IssuerUnavailable):
    """Metadata of somebody else."""


class DiscoverySource:
    """ports.KeySetSource of an issuer that tells in its metadata where its keys are."""

    def __init__(self, issuer_id: str, issuer: str, fetcher: Fetcher, read_keys: ReadKeys, clock: Clock) -> None:
        self._issuer_id = issuer_id
        self._issuer = issuer
        self._fetcher = fetcher
        self._documents = Documents(issuer_id, read_keys)
        self._monotonic = clock.monotonic
        self._metadata = list(metadata_addresses(issuer))
        self._jwks_uri: str | None = None
        self._read_again_at = float("-inf")

    async def fetch(self) -> Sequence[VerificationKey]:
        """The usable keys as they are published now. Raises IssuerUnavailable."""
        known = self._jwks_uri
        address = await self._locate()
        try:
            return await self._get(address)
        except IssuerUnavailable:
            # What was remembered may be out of date: the keys may have moved.
            if known is None or (moved := await self._discover()) == address:
                raise
        return await self._get(moved)

    async def _get(self, address: str) -> Sequence[VerificationKey]:
        return await self._documents.read(await self._fetcher.get(address, "its key set"))

    async def _locate(self) -> str:
        """Where the keys are: as remembered, or by metadata where that is too old and can be read."""
        if self._jwks_uri is not None and self._monotonic() < self._read_again_at:
            return self._jwks_uri
        try:
            return await self._discover()
        except IssuerUnavailable:
            if self._jwks_uri is None:
                raise
            return self._jwks_uri

    async def _discover(self) -> str:
        """Read the metadata, first where it was the last time. What belongs to another issuer is not used."""
        failures: list[IssuerUnavailable] = []
        for address in tuple(self._metadata):
            try:
                jwks_uri = self._accept(await self._fetcher.get(address, "its metadata"), address)
            except IssuerUnavailable as error:
                failures.append(error)
                continue
            self._metadata.sort(key=lambda other: other != address)
            self._jwks_uri = jwks_uri
            self._read_again_at = self._monotonic() + METADATA_SECONDS
            return jwks_uri
        text = "; ".join(str(failure) for failure in failures)
        if any(isinstance(failure, _Mismatch) for failure in failures):
            self._jwks_uri = None
            logger.error("%s", text)
        raise IssuerUnavailable(text)

    def _accept(self, document: bytes, address: str) -> str:
        """The `jwks_uri` of metadata that is this issuer's own."""
        where = f"issuer {self._issuer_id}: its metadata at {address}"
        metadata = parse_object(document)
        if metadata is None:
            raise IssuerUnavailable(f"{where}: is no JSON object, or one that can be read in two ways")
        if metadata.get("issuer") != self._issuer:
            # RFC 8414 section 3.3: must not be used. Compared as it is written, code point by code point (section 4).
            raise _Mismatch(f'{where}: is that of another issuer; its "issuer" must be exactly "{self._issuer}"')
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str):
            raise IssuerUnavailable(f"{where}: names no jwks_uri")
        # Only who is on this machine itself may send us to another door of it.
        unfit = explain_unfit(jwks_uri, allow_plain=is_on_loopback(self._issuer))
        if unfit is not None:
            raise IssuerUnavailable(f"{where}: its jwks_uri {unfit}")
        return jwks_uri
