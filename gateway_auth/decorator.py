"""`requires`: what one endpoint demands beyond its route, enforced in the call itself. It knows no configuration.

Without GatewayAuth in front nobody has been proven to be anybody, so the endpoint is then never called.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Never, ParamSpec, TypeVar, cast

from msgspec import Struct
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection

from gateway_auth.asgi.exchange import Exchange
from gateway_auth.asgi.respond import POLICY_VIOLATION
from gateway_auth.asgi.types import SCOPE_KEY
from gateway_auth.core.decision import REASONS, Deny, Reason
from gateway_auth.core.principal import Principal
from gateway_auth.core.roles import parse_role
from gateway_auth.core.scopes import parse_demanded
from gateway_auth.errors import MiddlewareMissing

P = ParamSpec("P")
R = TypeVar("R")


class Demands(Struct, frozen=True):
    """All of `scopes`, at least one of `any_scopes`, at least one of `roles`; an empty set demands nothing.

    To be known is demanded always: an anonymous caller meets no demands, not even none.
    """

    scopes: frozenset[str]
    any_scopes: frozenset[str]
    roles: frozenset[str]

    def unmet_by(self, principal: Principal) -> Reason | None:
        """The first demand the caller does not meet, in the order routes are judged in."""
        if not principal.is_authenticated:
            return Reason.CREDENTIAL_REQUIRED
        if not principal.granted.covers_all(self.scopes):
            return Reason.INSUFFICIENT_SCOPE
        if self.any_scopes and not principal.granted.covers_any(self.any_scopes):
            return Reason.INSUFFICIENT_SCOPE
        if self.roles and self.roles.isdisjoint(principal.roles):
            return Reason.INSUFFICIENT_ROLE
        return None

    def enforce(self, connection: HTTPConnection) -> Principal:
        """Whose request it is, when that caller meets the demands.

        Else the refusal is left for the middleware, which answers with it whatever the app makes of the exception.
        """
        exchange = connection.scope.get(SCOPE_KEY)
        if not isinstance(exchange, Exchange):
            raise MiddlewareMissing("an endpoint demands a proven caller, but GatewayAuth is not in front of it")
        reason = self.unmet_by(exchange.principal)
        if reason is None:
            return exchange.principal
        allowed = exchange.decision
        exchange.denial = Deny(
            reason,
            allowed.policy,
            allowed.principal,
            limits=allowed.limits,
            outcome=allowed.outcome,
            # What a new token needs for the whole request: also what the route asks, and this caller has already.
            needed_scopes=allowed.policy.scopes | self.scopes | self.any_scopes,
        )
        if connection.scope["type"] == "websocket":
            raise WebSocketException(POLICY_VIOLATION, reason)
        raise HTTPException(REASONS[reason].status, REASONS[reason].detail)


def parse_demands(scopes: Iterable[str], any_scopes: Iterable[str], roles: Iterable[str]) -> Demands:
    """Demands as somebody wrote them. Raises TypeError or ValueError, so that a mistake stops the import."""
    return Demands(
        _parse("scopes", scopes, parse_demanded),
        _parse("any_scopes", any_scopes, parse_demanded),
        _parse("roles", roles, parse_role),
    )


def _parse(name: str, texts: Iterable[str], parse: Callable[[str], str]) -> frozenset[str]:
    # A text is a sequence of texts too: its letters would become the demands.
    if isinstance(texts, str | bytes):
        raise TypeError(f'{name} must be a list: {name}=["{texts!s}"]')
    texts = tuple(texts)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f'{name} must be texts, such as "orders:read", not {texts!r}')
    return frozenset(map(parse, texts))


def requires(
    *misplaced: Never, scopes: Iterable[str] = (), roles: Iterable[str] = (), any_scopes: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only callers with all of `scopes`, one of `any_scopes` and one of `roles` reach an endpoint.

    For Starlette endpoints, methods of HTTPEndpoint and WebSocketEndpoint, and FastAPI path functions that take the
    request or websocket. `@requires()` asks only that the caller is known. Others get 401 or 403 (websocket: 1008).
    """
    if misplaced:
        raise TypeError('write @requires(scopes=["orders:read"], roles=["analyst"]): by name, and with the parentheses')
    demands = parse_demands(scopes, any_scopes, roles)

    def decorate(endpoint: Callable[P, R]) -> Callable[P, R]:
        _refuse_unusable(endpoint)
        if _is_async(endpoint):
            # The type checker cannot know that R is a coroutine here; Starlette and FastAPI ask the same question.
            return cast("Callable[P, R]", _guard_async(cast("Callable[P, Awaitable[object]]", endpoint), demands))
        return _guard(endpoint, demands)

    return decorate


def _guard(endpoint: Callable[P, R], demands: Demands) -> Callable[P, R]:
    """Also right for generators: what is refused is the call that makes them."""

    @functools.wraps(endpoint)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        demands.enforce(_find_connection(args, kwargs))
        return endpoint(*args, **kwargs)

    return guarded


def _guard_async(endpoint: Callable[P, Awaitable[R]], demands: Demands) -> Callable[P, Awaitable[R]]:
    @functools.wraps(endpoint)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        demands.enforce(_find_connection(args, kwargs))
        return await endpoint(*args, **kwargs)

    return guarded


def _is_async(endpoint: Callable[..., object]) -> bool:
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    return inspect.iscoroutinefunction(endpoint if inspect.isroutine(endpoint) else type(endpoint).__call__)


def _refuse_unusable(endpoint: object) -> None:
    """What could never be given a request would refuse every one: better told when it is written."""
    if inspect.isclass(endpoint):
        raise TypeError(f"@requires is for functions; decorate the methods of {endpoint.__name__} instead")
    if not callable(endpoint):
        raise TypeError("@requires is for functions that take a request or websocket")
    if not inspect.signature(endpoint).parameters:
        raise TypeError("@requires judges the request or websocket: the function must take one")


def _find_connection(args: tuple[object, ...], kwargs: Mapping[str, object]) -> HTTPConnection:
    for value in (*args, *kwargs.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise TypeError("an endpoint under @requires was called without its request or websocket; give it that parameter")
