"""The shared address cases: whom a request counts as coming from. `addresses` says how peers become loopback ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import toml
from tests.conformance.addresses import BOTH_HEADERS, checks, header_names, key_name, loopback_peer
from tests.conformance.clients import check_served, served
from tests.conformance.edges import EDGES, Edge
from tests.conformance.inside import Inside, inside, scope_of
from tests.conformance.vectors import Case, shared
from tests.conformance.wire import ask, request
from tests.conformance.world import World

pytestmark = pytest.mark.slow

WITHOUT_A_SOCKET = ["IP-A012", "IP-A021", "IP-A022", "IP-A027"]
RUNS = [(case, header) for case in shared("ip") for header in header_names(case)]
CASES = [pytest.param(case, header, id=f"{case['id']}-{header}") for case, header in RUNS]


def test_only_peers_that_no_socket_can_have_are_not_sent_to_servers() -> None:
    left_out = [case["id"] for case in shared("ip") if loopback_peer(case["peer"]) is None]
    assert left_out == (WITHOUT_A_SOCKET if shared("ip") else [])


@pytest.fixture(scope="module")
def gateways(main_world: World) -> Iterator[dict[tuple[str, bool], Inside]]:
    """Gateways without servers, by the header configured and by whether the cases' proxies are trusted or nobody is."""
    with ExitStack() as stack:
        yield {
            (header, trusts): stack.enter_context(inside(_config(main_world, header, trusts)))
            for header in BOTH_HEADERS
            for trusts in (True, False)
        }


def _config(world: World, header: str, trusts: bool) -> Path:
    gateway: dict[str, Any] = {**world.tables["gateway"], "client_address_header": header}
    gateway["trusted_proxies"] = ["10.0.0.0/8", "::1/128"] if trusts else []
    path = world.folder / f"inside-{header}-{trusts}.toml"
    path.write_text(toml.dump({**world.tables, "gateway": gateway}), "utf-8")
    return path


@pytest.mark.parametrize(("case", "header"), CASES)
def test_a_client_without_a_server(
    main_world: World, gateways: dict[tuple[str, bool], Inside], case: Case, header: str
) -> None:
    gateway = gateways[header, bool(case["trusted_proxies"])]
    for check in checks(case, header, is_served=False):
        key = main_world.keys[key_name(check.networks)]
        fields = [(name, value.encode()) for name, value in case["headers"]]
        answer, clients = gateway.ask(scope_of("GET", b"/client", [*fields, ("X-API-Key", key.encode())], case["peer"]))
        assert answer.status in check.statuses, check
        assert clients == ([check.client] if answer.status == 200 else [])


@pytest.mark.parametrize(("case", "name"), served("x-forwarded-for"))
def test_a_client_through_a_server(main_edges: dict[str, Edge], case: Case, name: str) -> None:
    check_served(main_edges[name], case, "x-forwarded-for")


@pytest.mark.parametrize("name", EDGES)
def test_clients_of_one_slash_64_share_a_limit(main_edges: dict[str, Edge], name: str) -> None:
    answers = [
        ask(main_edges[name].port, _get("/bucket", [("X-Forwarded-For", client)]), source="127.10.0.5").status
        for client in (
            b"2001:db8:1:2:3:4:5:6",
            b"2001:db8:1:2:ffff::1",
            b"2001:db8:1:3:3:4:5:6",
            b"[2001:db8:1:3::]:80",
        )
    ]
    assert answers == [200, 429, 200, 429]


def test_peers_of_one_slash_64_share_a_limit(gateways: dict[tuple[str, bool], Inside]) -> None:
    peers = ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::99", "2001:db8:1:3::99", "fe80::1%eth0", "fe80::2%eth1")
    gateway = gateways["x-forwarded-for", False]
    assert [gateway.ask(scope_of("GET", b"/bucket", [], peer))[0].status for peer in peers] == [200, 429, 200, 200, 429]


def _get(target: str, fields: list[tuple[str, bytes]]) -> bytes:
    return request("GET", target, fields)
