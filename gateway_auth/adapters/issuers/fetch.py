"""One GET of a small JSON document, however slow, big or hostile the other side is. What it says is not looked at.

Straight over httpx2's transport: a client would follow redirects, keep cookies, and read proxies and passwords from
the environment; here there is nothing that does.
"""

from __future__ import annotations

import asyncio
import logging
import re
from ssl import SSLContext

from httpcore2 import AsyncNetworkStream
from httpx2 import AsyncHTTPTransport, Limits, Request, Response, create_ssl_context

from gateway_auth.adapters.issuers.addresses import explain_unfit, without_query
from gateway_auth.errors import IssuerUnavailable

logger = logging.getLogger("gateway_auth.issuers")

DEADLINE_SECONDS = 2.0
"""From the look-up of the name to the last byte: a body that drips ends it too."""
MAX_BYTES = 512 * 1024
_JSON = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)
_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    # A megabyte of zeros is a kilobyte of gzip.
    "Accept-Encoding": "identity",
    # The next fetch is most of a minute away.
    "Connection": "close",
    "User-Agent": "gateway-auth",
}


class _Refused(Exception):
    """Why an answer is not used."""


class Fetcher:
    """Fetches documents of one issuer. `trust` says whose certificates count: by default those the system trusts."""

    def __init__(
        self,
        issuer_id: str,
        *,
        trust: SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._issuer_id = issuer_id
        self._deadline = deadline_seconds
        self._max_bytes = max_bytes
        self._transport = AsyncHTTPTransport(
            verify=trust or create_ssl_context(), limits=Limits(max_connections=4, max_keepalive_connections=0)
        )

    async def get(self, address: str, what: str) -> bytes:
        """The body of a complete 200 with JSON. `what` names the document. Raises IssuerUnavailable, in one line."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._exchange(address)
        except TimeoutError:
            cause = f"no complete answer within {self._deadline:g} s"
        except _Refused as refused:
            cause = str(refused)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a peer is that peer's outage
            cause = f"{type(error).__name__}: {_one_line(error)}"
        raise IssuerUnavailable(f"issuer {self._issuer_id}: {what} at {_readable(address)}: {cause}")

    async def close(self) -> None:
        """Close what is still open."""
        await self._transport.aclose()

    async def _exchange(self, address: str) -> bytes:
        unfit = explain_unfit(address)
        if unfit is not None:
            raise _Refused(unfit)
        opened: list[AsyncNetworkStream] = []

        async def trace(event: str, info: dict[str, AsyncNetworkStream]) -> None:
            if event == "connection.connect_tcp.complete":
                opened.append(info["return_value"])

        request = Request("GET", address, headers=_HEADERS, extensions={"trace": trace})
        try:
            response = await self._transport.handle_async_request(request)
            try:
                self._check_head(response, address)
                return await self._read(response)
            finally:
                await response.aclose()
        finally:
            # httpcore2 2.16 forgets the socket of a TLS handshake that is cancelled.
            for stream in opened:
                await stream.aclose()

    def _check_head(self, response: Response, address: str) -> None:
        status, headers = response.status_code, response.headers
        if 300 <= status < 400:
            # Told even while the last good keys serve: followed, it could lead anywhere, so it never heals by itself.
            logger.error(
                "issuer %s: %s redirects (status %d), which is not followed",
                self._issuer_id, _readable(address), status,
            )  # fmt: skip
        if status != 200:
            raise _Refused(f"answered {status}")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _Refused("is compressed, although it was asked for as it is")
        if not _JSON.fullmatch(headers.get("content-type", "").partition(";")[0].strip()):
            raise _Refused("is not JSON by its content type")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_long()

    async def _read(self, response: Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise self._too_long()
        return bytes(body)

    def _too_long(self) -> _Refused:
        return _Refused(f"is longer than {self._max_bytes} bytes")


def _readable(address: str) -> str:
    return _one_line(without_query(address))


def _one_line(said: object) -> str:
    """Without line breaks and control characters: libraries repeat what a peer sent."""
    text = " ".join(str(said).split())[:200]
    return text.encode("ascii", "backslashreplace").decode("ascii") if text.isprintable() else ascii(text)
