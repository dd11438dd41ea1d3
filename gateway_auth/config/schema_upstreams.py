"""What operators write about upstreams: groups of servers, how they are reached, and when one is left out."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from gateway_auth.config.schema_routes import Table
from gateway_auth.config.values import ServerUrl, Text, without_repeats
from gateway_auth.core.upstream import is_host

_STATUSES = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_PATH = re.compile(r"/[!-\"$-~]{0,1023}")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")


def check_host(text: str) -> str:
    """`host` or `host:port`, as in a Host header. Raises ValueError."""
    match = _AUTHORITY.fullmatch(text)
    name = match.group(1) if match is not None else ""
    if match is None or not is_host(name.strip("[]"), is_bracketed=name.startswith("[")) or match.group(2) == "0":
        raise ValueError('must be a host as in a Host header; write for example "orders.internal"')
    return text


def check_server_name(text: str) -> str:
    """The name a certificate must be for. Raises ValueError."""
    if not is_host(text, is_bracketed=":" in text):
        raise ValueError('must be a host name or an IP address; write for example "orders.internal"')
    return text


def check_path(text: str) -> str:
    """The path of a health check, with or without a query. Raises ValueError."""
    if not _PATH.fullmatch(text):
        raise ValueError('must be a path in printable ASCII; write for example "/healthz"')
    return text


def parse_statuses(text: str) -> tuple[int, int]:
    """(200, 399) of `200-399`, (204, 204) of `204`. Raises ValueError."""
    match = _STATUSES.fullmatch(text)
    lowest, highest = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (1, 0)
    if lowest < 200 or lowest > highest:
        raise ValueError('must be a status or a range of them, 200 to 599; write for example "200-399"')
    return lowest, highest


def check_statuses(text: str) -> str:
    """A status or a range of them. Raises ValueError."""
    parse_statuses(text)
    return text


class TlsTable(Table):
    """TLS towards the `https://` servers. Their certificates are always verified."""

    ca_file: Text | None = Field(
        default=None, description="The authorities (PEM) that may have issued the servers' certificates, instead of "
        "the system's: what a private CA is for.",
        examples=["tls/ca.pem"],
    )  # fmt: skip
    server_name: Annotated[str, AfterValidator(check_server_name)] | None = Field(
        default=None, description="The name certificates must be for, and that is asked for (SNI). The server's host "
        "when absent.",
        examples=["orders.internal"],
    )  # fmt: skip
    client_certificate: Text | None = Field(default=None, description="The certificate (PEM) shown to the servers.")
    client_key: Text | None = Field(
        default=None, description="Its private key (PEM), without password and not open to others (`chmod 600`)."
    )

    @model_validator(mode="after")
    def _shows_both(self) -> Self:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key go together; write both or neither")
        return self


class HealthTable(Table):
    """A request that each worker sends to each server; one that does not pass gets no requests."""

    path: Annotated[str, AfterValidator(check_path)] = Field(
        description="What is asked for, with GET.", examples=["/healthz"]
    )
    interval_seconds: float = Field(
        default=5, ge=0.1, le=3600, allow_inf_nan=False, description="From the end of one check to the next."
    )
    timeout_seconds: float = Field(
        default=2, gt=0, le=60, allow_inf_nan=False, description="How long a check may take, connecting included."
    )
    unhealthy_after: int = Field(default=3, ge=1, le=100, description="Failed checks in a row that take a server out.")
    healthy_after: int = Field(default=2, ge=1, le=100, description="Good checks in a row that take it in again.")
    status: Annotated[str, AfterValidator(check_statuses)] = Field(
        default="200-399", description="Statuses that are good: one, or a range."
    )


class UpstreamTable(Table):
    """Servers that answer alike."""

    servers: list[ServerUrl] = Field(
        min_length=1,
        max_length=100,
        description="`http://host:port`, `https://host:port` or `unix:/path`. Requests go to the one with the fewest "
        "under way.",
        examples=[["http://10.0.0.5:9000", "http://10.0.0.6:9000"]],
    )
    host: Annotated[str, AfterValidator(check_host)] | None = Field(
        default=None, description="The Host header the servers get. The client's own when absent.",
        examples=["orders.internal"],
    )  # fmt: skip
    tls: TlsTable | None = Field(default=None, description="TLS towards `https://` servers.")
    connect_timeout_seconds: float = Field(
        default=5, gt=0, le=300, allow_inf_nan=False,
        description="How long connecting to a server, and waiting for a free connection, may take.",
    )  # fmt: skip
    response_timeout_seconds: float = Field(
        default=60, gt=0, le=3600, allow_inf_nan=False,
        description="From the end of a request to the end of the response's head.",
    )  # fmt: skip
    idle_timeout_seconds: float = Field(
        default=60, gt=0, le=3600, allow_inf_nan=False,
        description="How long a body may pause, in either direction.",
    )  # fmt: skip
    max_connections: int = Field(default=256, ge=1, le=65536, description="Connections of each worker to each server.")
    health: HealthTable | None = Field(default=None, description="Checks of the servers. None when absent.")
    fail_after: int = Field(
        default=3, ge=0, le=1000,
        description="Requests in a row a server fails (no connection, no usable answer in time) before it gets none "
        "for a while; 0 turns this off.",
    )  # fmt: skip
    fail_seconds: float = Field(default=10, gt=0, le=3600, allow_inf_nan=False, description="That while.")
    forwarded: bool = Field(
        default=False, description="Write `Forwarded` (RFC 7239) beside the `X-Forwarded-` headers."
    )
    allow_metadata_address: bool = Field(
        default=False,
        description="Let servers have link-local addresses and those of cloud metadata services, which hand out this "
        "machine's own credentials.",
    )

    @field_validator("servers")
    @classmethod
    def _lists_each_once(cls, servers: list[str]) -> list[str]:
        return without_repeats(servers)

    @field_validator("tls")
    @classmethod
    def _is_used(cls, tls: TlsTable | None, info: ValidationInfo) -> TlsTable | None:
        servers = info.data.get("servers")
        if tls is not None and servers is not None and not any(url.startswith("https:") for url in servers):
            raise ValueError('has no effect: no server is https; write for example "https://10.0.0.5:9443"')
        return tls
