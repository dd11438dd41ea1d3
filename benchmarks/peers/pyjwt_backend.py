"""A resource server by Starlette's AuthenticationMiddleware and PyJWT, as their documentation shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection


class JwtBackend(AuthenticationBackend):
    """Verifies the bearer token of every request with the key its `kid` names."""

    def __init__(self, issuer: dict[str, Any]) -> None:
        document = json.loads(Path(issuer["jwks_file"]).read_text("utf-8"))
        self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys}
        self._audience, self._issuer = issuer["audiences"], issuer["issuer"]

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        """The user of a good token."""
        scheme, _, token = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationError("no bearer token")
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(token, key, algorithms=["RS256"], audience=self._audience, issuer=self._issuer)
        except (jwt.PyJWTError, KeyError) as error:
            raise AuthenticationError("invalid token") from error
        return AuthCredentials(claims["scope"].split()), SimpleUser(claims["sub"])


def middleware(config: dict[str, Any]) -> Middleware:
    """For the first issuer of a configuration."""
    return Middleware(AuthenticationMiddleware, backend=JwtBackend(config["issuers"][0]))
