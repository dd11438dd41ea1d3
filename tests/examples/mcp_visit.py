"""The SDK's own MCP client with its own OAuth, and a record of every request the two make. It judges nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import parse_qs

import httpx2
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from tests.provider.harness import ASKER, Provider

SECONDS = 30.0
Mode = Literal["2026-07-28", "legacy"]


class Kept:
    """The client's memory of its token."""

    def __init__(self, tokens: OAuthToken | None = None) -> None:
        self.tokens = tokens

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("the client is registered already")


class Visit:
    """One client's way through: what it asked of whom, and what it was answered."""

    def __init__(self) -> None:
        self.answers: list[httpx2.Response] = []

    async def note(self, answer: httpx2.Response) -> None:
        self.answers.append(answer)

    @property
    def steps(self) -> list[tuple[str, str, int]]:
        """Method, address and status of each."""
        return [(answer.request.method, str(answer.request.url), answer.status_code) for answer in self.answers]

    def wishes(self) -> list[dict[str, list[str]]]:
        """The forms it sent to the token endpoint."""
        asked = [answer.request for answer in self.answers if answer.request.url.path == "/token"]
        return [parse_qs(request.content.decode()) for request in asked]


@asynccontextmanager
async def connected(address: str, visit: Visit, mode: Mode, auth: httpx2.Auth | None) -> AsyncIterator[Client]:
    """The SDK's client; for the newest protocol it asks the server first whether it speaks that."""
    async with httpx2.AsyncClient(auth=auth, event_hooks={"response": [visit.note]}, timeout=SECONDS) as http:
        transport = streamable_http_client(address, http_client=http)
        async with Client(transport, mode="legacy" if mode == "legacy" else "auto") as client:
            yield client


def credentials(address: str, provider: Provider, kept: Kept | None = None) -> ClientCredentialsOAuthProvider:
    """The SDK's own way to a token: it knows for which issuer its secret is, and nothing of that issuer's endpoints."""
    client_id, secret = ASKER
    return ClientCredentialsOAuthProvider(address, kept or Kept(), client_id, secret, issuer=provider.issuer)
