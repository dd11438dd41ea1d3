"""`Requires`: the demands of `requires` as a FastAPI dependency, which the OpenAPI document shows. Loads FastAPI."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi import params
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.openapi.models import SecurityBase as SchemeModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from gateway_auth.core.principal import Principal
from gateway_auth.decorator import parse_demands

__all__ = ["Principal", "Requires"]

DEFAULT_HEADER = "x-api-key"
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


class _Documented(SecurityBase):
    """A security scheme that only documents. The middleware has judged the credential before the app was reached."""

    def __init__(self, scheme_name: str, model: SchemeModel) -> None:
        self.scheme_name = scheme_name
        self.model = model

    async def __call__(self) -> None:
        return None


_BEARER = _Documented("Bearer", HTTPBearer(description="An API key or an access token: `Authorization: Bearer …`."))


def Requires(
    *scopes: str, roles: Iterable[str] = (), any_scopes: Iterable[str] = (), header: str = DEFAULT_HEADER
) -> params.Security:
    """A dependency that lets only callers with all of `scopes`, one of `any_scopes` and one of `roles` pass.

    It gives the Principal: `principal: Annotated[Principal, Requires("orders:read")]`, or stands in
    `dependencies=[...]`. `header` is the key header the document names, one of `api_keys.headers`. What it refuses
    is answered as by `requires`: 401 or 403 (websocket: 1008).
    """
    demands = parse_demands(scopes, any_scopes, roles)
    bearer = params.Security(_BEARER)
    api_key = params.Security(_api_key_scheme(header))

    # The two are asked for nothing: they are here for FastAPI to find, which documents schemes as alternatives.
    async def required(connection: HTTPConnection, bearer: None = bearer, api_key: None = api_key) -> Principal:  # type: ignore[assignment]  # FastAPI's way to name a dependency is a default that is not a value
        return demands.enforce(connection)

    return params.Security(required, scopes=sorted(demands.scopes))


def _api_key_scheme(header: str) -> _Documented:
    """One component per header name: two of one name would overwrite each other in the document."""
    if not _HEADER.fullmatch(header):
        raise ValueError(f'"{header[:64]}" is not the name of a header')
    name = "ApiKey" if header.lower() == DEFAULT_HEADER else f"ApiKey-{header.lower()}"
    return _Documented(name, APIKey(**{"in": APIKeyIn.header}, name=header, description=f"An API key: `{header}: …`."))
