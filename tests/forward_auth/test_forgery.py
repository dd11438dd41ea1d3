"""What must not be believed: peers nobody trusts, headers of other proxies, headers that come twice or not at all.

Each case is one that let somebody past a forward-auth service before: a client's own X-Forwarded-Uri or
X-Original-URL, a second copy of a header, dot segments behind a path prefix.
"""

from __future__ import annotations

import logging

import pytest

from gateway_auth.errors import ConfigError
from gateway_auth.forward_auth import ForwardAuth
from tests.asgi.raw import ABSENT, call, http_scope
from tests.asgi.world import Site
from tests.forward_auth.asking import AUTHORIZE, CLIENT, PROXIES, asked
from tests.forward_auth.conftest import PROXY, Ask

KINDS = sorted(set(PROXIES.values()))
FORGED = {
    "original": [("x-original-method", "GET"), ("x-original-uri", "/public")],
    "forwarded": [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/public")],
}
TOLD = [("x-forwarded-for", CLIENT)]


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_but_a_trusted_proxy_gets_a_decision(
    start: Ask, site: Site, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    app = await start()
    for peer in (("192.0.2.8", 1), ("::ffff:192.0.2.8", 1), None, ("", 0), ("unix", 0), ("x", 1)):
        question = asked(kind, "GET", "/orders/1", [("x-api-key", site.keys["reader"])], client=peer)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            answers = [await call(app, question), await call(app, asked(kind, "GET", "/public", client=peer))]
        assert {answer.refusal for answer in answers} == {(403, "network_not_allowed")}
        assert "gateway.trusted_proxies" in answers[0].problem["detail"]
        assert len([line for line in caplog.messages if "trusted_proxies" in line]) <= 1


async def test_a_log_is_not_filled_by_strangers(start: Ask, caplog: pytest.LogCaptureFixture) -> None:
    app = await start()
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            await call(app, asked("original", "GET", "/public", client=(f"203.0.113.{number}", 1)))
    assert len([line for line in caplog.messages if " asks at " in line]) == 16


async def test_a_unix_socket_is_trusted_where_the_configuration_says_so(start: Ask) -> None:
    app = await start(trusted_proxies=["unix"])
    for peer in (None, ("", 0), ("unix", 0)):
        assert (await call(app, asked("original", "GET", "/public", client=peer))).status == 200


async def test_an_ipv4_proxy_is_itself_on_a_dual_stack_listener(start: Ask) -> None:
    assert (await call(await start(), asked("path", "GET", "/public", client=(f"::ffff:{PROXY}", 1)))).status == 200


@pytest.mark.parametrize(("proxy", "kind"), PROXIES.items())
@pytest.mark.parametrize("other", sorted(FORGED))
async def test_headers_of_another_kind_change_no_decision(start: Ask, proxy: str, kind: str, other: str) -> None:
    if kind == other:
        other = "original" if kind == "forwarded" else "forwarded"
    app = await start(proxy)
    answer = await call(app, asked(kind, "GET", "/orders/1", FORGED[other]))
    assert answer.refusal == (401, "credential_required")


@pytest.mark.parametrize(("proxy", "kind"), PROXIES.items())
async def test_a_question_of_another_kind_is_refused(start: Ask, proxy: str, kind: str) -> None:
    app = await start(proxy)
    for other in KINDS:
        assert (await call(app, asked(other, "GET", "/public"))).status == (200 if other == kind else 400)


@pytest.mark.parametrize(
    ("kind", "other"),
    [("original", "forwarded"), ("forwarded", "original"), ("path", "original"), ("path", "forwarded")],
)
async def test_two_kinds_at_once_are_refused_where_none_is_declared(start: Ask, kind: str, other: str) -> None:
    app = await start("any")
    for forged in (FORGED[other], FORGED[other][:1], FORGED[other][1:]):
        assert (await call(app, asked(kind, "GET", "/public", forged))).refusal == (400, "malformed_request")


@pytest.mark.parametrize("kind", sorted(FORGED))
@pytest.mark.parametrize("position", [0, 1])
async def test_a_header_that_comes_twice_is_refused(start: Ask, kind: str, position: int) -> None:
    again = FORGED[kind][position]
    for question in (
        asked(kind, "GET", "/public", [again]),
        asked(kind, "GET", "/public", [(again[0], "")]),
    ):
        assert (await call(await start(), question)).refusal == (400, "malformed_request")


async def test_a_second_host_is_refused_and_a_second_scheme_is_none(start: Ask) -> None:
    app = await start(require_https=True)
    twice = [("x-forwarded-host", "api.test")] * 2
    assert (await call(app, asked("forwarded", "GET", "/public", twice))).refusal == (400, "malformed_request")
    again = asked("forwarded", "GET", "/public", [("x-forwarded-proto", "https")])
    assert (await call(app, again)).refusal == (403, "https_required")


@pytest.mark.parametrize("kind", sorted(FORGED))
@pytest.mark.parametrize("position", [0, 1])
async def test_a_header_that_is_missing_or_empty_is_refused(start: Ask, kind: str, position: int) -> None:
    app = await start()
    name = FORGED[kind][position][0]
    others = [pair for pair in FORGED[kind] if pair[0] != name]
    for headers in (others, [*others, (name, "")], [*others, (name, " ")]):
        answer = await call(app, http_scope("GET", AUTHORIZE, [*TOLD, *headers]))
        assert answer.refusal == (400, "malformed_request")


async def test_a_question_about_nothing_is_refused(start: Ask) -> None:
    app = await start()
    for scope in (
        http_scope("GET", AUTHORIZE, TOLD),
        http_scope("GET", AUTHORIZE, TOLD, query="/public"),
        http_scope("GET", AUTHORIZE, TOLD, raw_path=ABSENT),
    ):
        assert (await call(app, scope)).status in (400, 403)


AMBIGUOUS = (
    "/files/../orders/1", "/files/%2e%2e/orders/1", "/files/..;/orders/1", "/files//x", "/files/%2fx", "/files/\\x",
    "/files/%00", "//api.test/files/x", "/files/x y", "/files/x\tHTTP", "/files/é", "/files/%zz", "/files/%252e",
    "/files/#x", "/files/x, /files/y", "?a=b", "/" + "a" * 9000,
)  # fmt: skip
NO_PATH = ("http://api.test/files/x", "*", "files/x", ".", "..")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_cannot_be_read_in_one_way_is_refused(start: Ask, kind: str) -> None:
    app = await start()
    for uri in AMBIGUOUS:
        assert (await call(app, asked(kind, "GET", uri))).refusal == (400, "malformed_request"), uri


async def test_a_target_that_is_no_path_is_refused(start: Ask) -> None:
    app = await start()
    for uri in NO_PATH:
        assert (await call(app, asked("original", "GET", uri))).refusal == (400, "malformed_request"), uri
        assert (await call(app, asked("forwarded", "GET", uri))).refusal == (400, "malformed_request"), uri
        # Behind the prefix it makes another path, which is not the endpoint's.
        assert (await call(app, asked("path", "GET", uri))).refusal == (403, "no_matching_route"), uri


async def test_a_method_that_is_none_is_refused(start: Ask) -> None:
    app = await start()
    for method in ("", "get", "GET, POST", "G E T", "A" * 33, "GÉT"):
        answer = await call(app, asked("original", method, "/public"))
        assert answer.refusal == (400, "malformed_request"), method
    # Blanks around a value are not part of it (RFC 9110 section 5.5).
    assert (await call(app, asked("original", " GET\t", "/public"))).status == 200


async def test_another_spelling_of_the_endpoint_is_another_path(start: Ask) -> None:
    app = await start()
    for path in (
        "/.gateway/authorizex", "/.gateway/authoriz%65", "/.gateway/", "/.gateway//authorize", "/x/.gateway/authorize",
        "/.gateway/../.gateway/authorize", "/.GATEWAY/authorize", "/authorize", "/.gateway/authorize;a",
    ):  # fmt: skip
        answer = await call(app, http_scope("GET", path, [*TOLD, *FORGED["original"]]))
        assert answer.refusal == (403, "no_matching_route"), path


@pytest.mark.parametrize("kind", KINDS)
async def test_no_route_reaches_what_is_reserved_behind_the_proxy_either(start: Ask, kind: str) -> None:
    app = await start()
    for uri in ("/.gateway/authorize", "/.gateway/", "/%2egateway/readyz", "/.gatewa%79/x"):
        assert (await call(app, asked(kind, "QUERY", uri))).refusal == (403, "no_matching_route"), uri
    assert (await call(app, asked(kind, "QUERY", "/x/.gateway/"))).status == 200


async def test_look_alikes_are_nobodys_headers(start: Ask) -> None:
    app = await start()
    forged = [("x_original_uri", "/public"), ("x_forwarded_uri", "/public"), ("x-original-url", "/public")]
    answer = await call(app, asked("original", "GET", "/orders/1", forged))
    assert answer.refusal == (401, "credential_required")


async def test_identity_sent_by_the_client_comes_back_in_no_answer(start: Ask, site: Site) -> None:
    app = await start()
    forged = [("x-auth-subject", "root"), ("x-auth-roles", "admin"), ("x-auth-foo", "bar"), ("x-request-id", "mine")]
    for headers in (forged, [*forged, ("x-api-key", site.keys["plain"])]):
        answer = await call(app, asked("original", "GET", "/optional", headers))
        values = b" ".join(value for _, value in answer.start["headers"])
        assert answer.status == 200
        assert not [word for word in (b"root", b"admin", b"bar", b"mine") if word in values]


async def test_no_two_sequences_of_names_are_taken_for_one(start: Ask, site: Site) -> None:
    app = await start("nginx")
    question = asked("original", "GET", "/orders/1", [("x-api-key", site.keys["reader"])])
    assert (await call(app, question)).status == 200
    # The same bytes when joined by the separator, in one header less; no server lets such a name pass.
    (first, second), rest = question["headers"][-2:], question["headers"][:-2]
    fused = [*rest, (first[0] + b"\x00" + second[0], second[1])]
    assert (await call(app, {**question, "headers": fused})).status in (400, 401)
    for count in (0, 1, 2, 300):
        many = [*question["headers"], *[(b"x-%d" % number, b"") for number in range(count)]]
        assert (await call(app, {**question, "headers": many})).status == (200 if count < 150 else 400)


async def test_a_proxy_that_names_clients_in_a_header_of_its_own(start: Ask, site: Site) -> None:
    app = await start("nginx", client_address_header="x-real-ip")
    key = ("x-api-key", site.keys["plain"])
    for value, status in (("10.1.2.3", 200), ("10.9.0.1", 403), ("198.51.100.1", 403)):
        assert (await call(app, asked("original", "GET", "/inside", [key, ("x-real-ip", value)]))).status == status
    assert (await call(app, asked("original", "GET", "/inside", [key]))).status == 403
    twice = [key, ("x-real-ip", "10.1.2.3"), ("x-real-ip", "10.1.2.3")]
    assert (await call(app, asked("original", "GET", "/inside", twice))).status == 400


async def test_two_hosts_are_refused(start: Ask) -> None:
    headers = [("host", "api.test"), ("host", "evil.test")]
    assert (await call(await start(), asked("original", "GET", "/public", headers))).refusal == (
        400,
        "malformed_request",
    )


def test_without_a_trusted_proxy_it_is_no_configuration(site: Site) -> None:
    with pytest.raises(ConfigError, match="nobody could ask"):
        ForwardAuth({**site.config(), "forward_auth": {"proxy": "nginx"}})


def test_a_proxy_nobody_knows_is_told_by_name(site: Site) -> None:
    config = {**site.config(trusted_proxies=["127.0.0.1/32"]), "forward_auth": {"proxy": "ngnix"}}
    with pytest.raises(ConfigError, match=r"forward_auth\.proxy"):
        ForwardAuth(config)
