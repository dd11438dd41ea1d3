"""Asks an issuer about one opaque token (RFC 7662), by Authlib's client. What the answer means is not decided here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from ssl import SSLContext
from urllib.parse import quote_plus

from authlib.integrations.httpx_client import AsyncOAuth2Client
from httpcore2 import AsyncNetworkStream
from httpx2 import (
    AsyncByteStream,
    AsyncHTTPTransport,
    Limits,
    ReadError,
    RemoteProtocolError,
    Request,
    Response,
    WriteError,
    create_ssl_context,
)

from gateway_auth.adapters.issuers.addresses import explain_unfit, without_query
from gateway_auth.core.strict_json import parse_object
from gateway_auth.errors import IssuerUnavailable

logger = logging.getLogger("gateway_auth.issuers")

DEADLINE_SECONDS = 2.0
MAX_BYTES = 64 * 1024
MAX_CONNECTIONS = 64
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gateway-auth"}


class _Refused(Exception):
    """Why an answer is not used."""


class _Capped(AsyncByteStream):
    """A body that breaks off when it is longer than any answer."""

    def __init__(self, stream: AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > MAX_BYTES:
                raise _Refused(f"is longer than {MAX_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        """Close what is read from."""
        await self._stream.aclose()


class _CappedTransport(AsyncHTTPTransport):
    """The transport of a client that reads whole answers: none of them can fill the memory."""

    async def handle_async_request(self, request: Request) -> Response:
        """The answer, its body capped. One that unpacks to more than it is, is refused."""
        response = await self._exchange(request)
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            await response.aclose()
            raise _Refused("is compressed, although it was asked for as it is")
        if isinstance(response.stream, AsyncByteStream):
            response.stream = _Capped(response.stream)
        return response

    async def _exchange(self, request: Request) -> Response:
        opened: list[AsyncNetworkStream] = []

        async def trace(event: str, info: dict[str, AsyncNetworkStream]) -> None:
            if event == "connection.connect_tcp.complete":
                opened.append(info["return_value"])

        request.extensions["trace"] = trace
        try:
            return await super().handle_async_request(request)
        except BaseException:
            # httpcore2 2.16 forgets the socket of a TLS handshake that is cancelled.
            for stream in opened:
                await stream.aclose()
            raise


class HttpIntrospector:
    """ports.Introspector of one issuer, with the gateway's own client id and secret (RFC 6749 section 2.3.1).

    `trust` says whose certificates count: by default those the system trusts.
    """

    def __init__(
        self,
        issuer_id: str,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        trust: SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._issuer_id = issuer_id
        self._url = url
        self._deadline = deadline_seconds
        self._was_refused = False
        # Proxies and passwords of the environment are not ours, and a redirect could lead a token anywhere.
        self._client = AsyncOAuth2Client(
            # RFC 6749 section 2.3.1 wants both form-encoded; Authlib joins them as they are.
            quote_plus(client_id),
            quote_plus(client_secret),
            token_endpoint_auth_method="client_secret_basic",
            transport=_CappedTransport(
                verify=trust or create_ssl_context(),
                limits=Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def introspect(self, token: bytes) -> Mapping[str, object] | None:
        """The claims of an active token, None for any other. Raises IssuerUnavailable, whose text lacks the token."""
        try:
            async with asyncio.timeout(self._deadline):
                return self._read(await self._ask(token))
        except TimeoutError:
            cause = f"no complete answer within {self._deadline:g} s"
        except _Refused as refused:
            cause = str(refused)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a peer is that peer's outage
            # Only the kind: a library's text may repeat what was sent.
            cause = type(error).__name__
        raise IssuerUnavailable(f"issuer {self._issuer_id}: introspection at {without_query(self._url)}: {cause}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, token: bytes) -> Response:
        unfit = explain_unfit(self._url)
        if unfit is not None:
            raise _Refused(unfit)
        try:
            return await self._post(token)
        except (ReadError, RemoteProtocolError, WriteError):
            # A server may close a kept connection just when it is used again. To ask twice changes nothing there.
            return await self._post(token)

    async def _post(self, token: bytes) -> Response:
        response: Response = await self._client.introspect_token(
            self._url, token=token.decode("ascii"), token_type_hint="access_token", headers=dict(_HEADERS)
        )
        return response

    def _read(self, response: Response) -> Mapping[str, object] | None:
        said = parse_object(response.content)
        error = said.get("error") if said is not None and response.status_code == 400 else None
        if error == "unsupported_token_type":
            return None  # RFC 7009 section 2.2.1: it tells of no token of this form, so it vouches for none.
        if response.status_code in (401, 403) or error == "invalid_client":  # with 400: RFC 6749 section 5.2
            self._tell_refusal(response.status_code)
        if response.status_code != 200:
            raise _Refused(f"answered {response.status_code}")
        self._was_refused = False
        if said is None or not isinstance(said.get("active"), bool):
            raise _Refused("answered no JSON with `active`")
        return said if said["active"] else None

    def _tell_refusal(self, status: int) -> None:
        """Tell the operator, once until it is mended: every token of this issuer is 503 meanwhile."""
        if not self._was_refused:
            logger.error(
                "issuer %s: it refuses the gateway's own client id or secret (status %d); mend its introspection",
                self._issuer_id, status,
            )  # fmt: skip
        self._was_refused = True
