"""`request.auth` for Starlette: its own AuthCredentials, so that `starlette.authentication.requires` keeps working."""

from __future__ import annotations

from starlette.authentication import AuthCredentials

from gateway_auth.core.principal import Principal
from gateway_auth.core.scopes import ScopeSet


class GrantedScopes(list[str]):
    """The granted scopes as a list, where `in` also knows what a wildcard covers."""

    __slots__ = ("_granted",)

    def __init__(self, granted: ScopeSet) -> None:
        super().__init__(sorted(granted.exact))
        self._granted = granted

    def __contains__(self, scope: object) -> bool:
        return scope in self._granted


class Credentials(AuthCredentials):
    """Made from a principal, once per principal."""

    def __init__(self, principal: Principal) -> None:
        self.scopes = GrantedScopes(principal.granted)
