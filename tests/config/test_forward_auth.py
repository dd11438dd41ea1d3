"""What operators write about forward-auth."""

from __future__ import annotations

import pytest

from gateway_auth.config.configuration import ForwardAuthSettings
from gateway_auth.errors import ConfigError
from gateway_auth.server.composition import refuse_unservable
from tests.config.writing import loaded, problems, route, with_route, written

GATEWAY = {"trusted_proxies": ["192.0.2.7/32"]}


def test_absent_it_is_none() -> None:
    assert loaded(with_route()).forward_auth is None


def test_an_empty_table_is_for_any_proxy() -> None:
    assert loaded(written(gateway=GATEWAY, forward_auth={})).forward_auth == ForwardAuthSettings(proxy="any")


@pytest.mark.parametrize("proxy", ["any", "nginx", "traefik", "caddy", "envoy", "haproxy"])
def test_every_proxy_may_be_named(proxy: str) -> None:
    settings = loaded(written(gateway=GATEWAY, forward_auth={"proxy": proxy})).forward_auth
    assert settings is not None
    assert settings.proxy == proxy


def test_the_environment_may_name_it() -> None:
    settings = loaded(written(gateway=GATEWAY), GATEWAY_AUTH_FORWARD_AUTH__PROXY="envoy").forward_auth
    assert settings == ForwardAuthSettings(proxy="envoy")


def test_everything_wrong_is_told_at_once() -> None:
    found = problems(written(forward_auth={"proxy": "apache", "enabled": True}))
    assert [problem.partition(":")[0] for problem in found] == [
        "forward_auth.proxy",
        "forward_auth.enabled",
        "forward_auth",
    ]
    assert found[2].startswith("forward_auth: nobody could ask: gateway.trusted_proxies is empty")


def test_routes_need_no_upstream_where_another_proxy_forwards() -> None:
    with pytest.raises(ConfigError, match=r"add \[forward_auth\]"):
        refuse_unservable(loaded(written(gateway=GATEWAY, routes=[route()])))
    refuse_unservable(loaded(written(gateway=GATEWAY, routes=[route()], forward_auth={"proxy": "nginx"})))
