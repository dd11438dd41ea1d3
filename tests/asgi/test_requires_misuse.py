"""Mistakes with `requires` and `Requires`: told when they are written, and never a way past."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway_auth import requires
from gateway_auth.fastapi import Requires
from tests.asgi.raw import get
from tests.asgi.world import Mount

untyped_requires: Callable[..., Any] = requires


async def endpoint(request: Request) -> Response:
    """Says hello."""
    return PlainTextResponse("hello")


def test_the_decorator_without_parentheses_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="with the parentheses"):

        @untyped_requires
        async def bare(request: Request) -> None: ...


@pytest.mark.parametrize("positional", ["orders:read", ["orders:read"]])
def test_scopes_are_given_by_name(positional: object) -> None:
    with pytest.raises(TypeError, match="by name"):
        untyped_requires(positional)


@pytest.mark.parametrize(
    ("demands", "error"),
    [
        ({"scopes": "orders:read"}, TypeError),
        ({"any_scopes": "orders:read"}, TypeError),
        ({"roles": "analyst"}, TypeError),
        ({"scopes": ["orders:*"]}, ValueError),
        ({"scopes": ["*"]}, ValueError),
        ({"scopes": [""]}, ValueError),
        ({"scopes": ["orders read"]}, ValueError),
        ({"scopes": ['a"b']}, ValueError),
        ({"any_scopes": ["x" * 129]}, ValueError),
        ({"roles": ["two words"]}, ValueError),
        ({"roles": [""]}, ValueError),
        ({"scope": ["orders:read"]}, TypeError),
    ],
)
def test_demands_nobody_can_meet_are_refused_when_they_are_written(
    demands: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        untyped_requires(**demands)


@pytest.mark.parametrize("scopes", [("orders:*",), ("",), ("orders read",), (["orders:read"],)])
def test_the_dependency_refuses_them_too(scopes: tuple[Any, ...]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Requires(*scopes)


def test_a_list_among_the_scopes_is_told_as_what_it_is() -> None:
    with pytest.raises(TypeError, match="must be texts"):
        Requires(["orders:read"])  # type: ignore[arg-type]


@pytest.mark.parametrize("header", ["", "x api key", "x-key:", "x_key\n", "é"])
def test_the_dependency_names_a_real_header(header: str) -> None:
    with pytest.raises(ValueError, match="not the name of a header"):
        Requires("orders:read", header=header)


def test_a_class_is_decorated_method_by_method() -> None:
    with pytest.raises(TypeError, match="decorate the methods"):

        @requires(scopes=["orders:read"])
        class Whole(HTTPEndpoint): ...


def test_a_function_that_can_take_no_request_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="must take one"):

        @requires(scopes=["orders:read"])
        def nothing_to_judge() -> None: ...


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="is for functions"):
        untyped_requires()(7)


async def test_a_call_without_the_request_fails_and_calls_nothing() -> None:
    called = []

    @requires(scopes=["orders:read"])
    def by_id(order_id: object) -> None:
        called.append(order_id)

    for argument in (7, {"type": "http", "gateway_auth": "x"}, None):
        with pytest.raises(TypeError, match="without its request"):
            by_id(argument)
    assert called == []


def test_the_decorated_function_looks_like_the_function() -> None:
    decorated = requires(scopes=["orders:read"])(endpoint)
    assert (decorated.__name__, decorated.__doc__) == ("endpoint", "Says hello.")
    assert inspect.signature(decorated) == inspect.signature(endpoint)
    assert inspect.iscoroutinefunction(decorated)


class Callable_:
    async def __call__(self, request: Request) -> Response:
        return await endpoint(request)


@pytest.mark.parametrize("made", [functools.partial(endpoint), Callable_()], ids=["partial", "object"])
async def test_partials_and_callable_objects_are_guarded_like_functions(
    mount: Mount, key: dict[str, str], made: Any
) -> None:
    guarded = requires(scopes=["orders:read"])(made)
    gateway = await mount(Starlette(routes=[Route("/known", guarded)]))
    assert (await get(gateway, "/known", key["plain"])).refusal == (403, "insufficient_scope")
    assert (await get(gateway, "/known", key["reader"])).body == b"hello"


async def test_the_demands_of_two_decorators_add_up(mount: Mount, key: dict[str, str]) -> None:
    both = requires(scopes=["orders:read"])(requires(roles=["analyst"])(endpoint))
    gateway = await mount(Starlette(routes=[Route("/known", both)]))
    assert (await get(gateway, "/known", key["reader"])).refusal == (403, "insufficient_role")
    assert (await get(gateway, "/known", key["analyst"])).refusal == (403, "insufficient_scope")


def test_the_package_and_its_decorator_load_no_fastapi() -> None:
    program = (
        "import sys, gateway_auth; gateway_auth.requires, gateway_auth.GatewayAuth; print('fastapi' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert finished.stdout.strip() == "False"
