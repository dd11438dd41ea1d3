"""What operators write about the gateway's own listener: TLS, and the permissions of a unix socket."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway_auth.config.schema_routes import Table
from gateway_auth.config.secret import check_reference
from gateway_auth.config.values import Text


def check_key_file(text: str) -> str:
    """A private key is a reference to a file. Raises ValueError that does not repeat it: it may be the key."""
    if check_reference(text).startswith("env:"):
        raise ValueError('must be "file:PATH": a private key is kept in a file that its owner alone may read')
    return text


def check_mode(text: str) -> str:
    """Permissions in octal."""
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueError('must be permissions as for chmod; write for example "0660"')
    return text


SocketMode = Annotated[str, AfterValidator(check_mode)]


class TlsTable(Table):
    """TLS on `listen`, by the standalone server."""

    certificate: Text = Field(
        description="PEM file with the server's certificate, then those between it and the root.",
        examples=["tls/server.pem"],
    )
    key: Annotated[str, AfterValidator(check_key_file)] = Field(
        description="PEM file with its private key, unencrypted, as a reference; like every secret file it must not "
        "be readable by everybody.",
        examples=["file:tls/server.key"],
    )
    min_version: Literal["1.2", "1.3"] = Field(
        default="1.2", description="The oldest TLS that is spoken; of 1.2 only suites with forward secrecy and AEAD."
    )
    http2: bool = Field(default=True, description="Offer HTTP/2 beside HTTP/1.1 (ALPN); clients choose.")
    client_ca: Text | None = Field(
        default=None,
        description="PEM file with certificate authorities: who shows no certificate by one of them gets no "
        "connection. Who it was is not told to routes.",
        examples=["tls/clients.pem"],
    )
