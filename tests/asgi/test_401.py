"""401: no credential, a bad one, or a good one in a state that does not count; and what the challenge says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway_auth import GatewayAuth
from gateway_auth.core.keyformat import KeyFormat
from tests.asgi.raw import Answer, call, get, http_scope
from tests.asgi.world import ACTOR, Echo, Mount, Site

REQUIRED = (401, "credential_required")
INVALID = (401, "invalid_credential")


def challenges(answer: Answer) -> list[str]:
    return answer.values("www-authenticate")


@pytest.mark.parametrize("headers", [[], [("x-api-key", "")], [("authorization", "")], [("cookie", "x-api-key=1")]])
async def test_without_a_credential_the_challenge_names_both_schemes_and_no_error(
    gateway: GatewayAuth, app: Echo, headers: list[tuple[str, str]]
) -> None:
    answer = await get(gateway, "/orders/1", headers=headers)
    assert answer.refusal == REQUIRED
    assert challenges(answer) == ['Bearer realm="orders"', 'ApiKey realm="orders"']
    assert app.scopes == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "ApiKey", "apikey"])
async def test_a_key_is_accepted_in_authorization_under_either_scheme_in_any_case(
    gateway: GatewayAuth, key: dict[str, str], scheme: str
) -> None:
    answer = await get(gateway, "/orders/1", headers=[("authorization", f"{scheme} {key['reader']}")])
    assert answer.status == 200


UNUSABLE = {
    "no-scheme": "{0}",
    "basic": "Basic {0}",
    "two-spaces": "Bearer  {0}",
    "tab": "Bearer\t{0}",
    "scheme-alone": "Bearer",
    "scheme-and-space": "Bearer ",
    "twice-in-one": "Bearer {0}, Bearer {0}",
    "quoted": 'Bearer "{0}"',
    "parameter": "Bearer {0}, x=1",
    "trailing-text": "Bearer {0} x",
    "jwt-nobody-issued": "Bearer eyJhbGciOiJub25lIn0.e30.",
    "opaque-nobody-issued": "Bearer abcdef",
    "eight-kilobytes": "Bearer " + "a" * 9000,
    "not-ascii": "Bearer {0}\u00e9",
}


@pytest.mark.parametrize("value", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_an_authorization_that_cannot_be_used_is_refused_even_where_none_is_needed(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], value: str
) -> None:
    for path in ("/orders/1", "/optional"):
        answer = await get(gateway, path, headers=[("authorization", value.format(key["reader"]))])
        assert answer.refusal == INVALID
        assert challenges(answer) == ['Bearer realm="orders", error="invalid_token"', 'ApiKey realm="orders"']
    assert app.scopes == []


MANGLED: dict[str, Callable[[str], str]] = {
    "truncated": lambda text: text[:-1],
    "padded": lambda text: text + "A",
    "last-character-changed": lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
    "case-changed": str.swapcase,
    "all-upper": str.upper,
    "other-environment": lambda text: text.replace("_live_", "_test_"),
    "space-within": lambda text: text[:20] + " " + text[20:],
    "leading-line-feed": lambda text: "\n" + text,
    "two-joined": lambda text: f"{text},{text}",
    "nul": lambda text: text + "\0",
    "confusable": lambda text: text.replace("gwk", "gw\u00e9"),
    "64-kilobytes": lambda text: text * 1000,
    "sql": lambda _: "gwk_live_' OR 1=1 --",
    "resp": lambda _: "*1\r\n$8\r\nFLUSHALL\r\n",
}


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED.keys())
async def test_a_key_is_its_exact_bytes(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], mangle: Callable[[str], str]
) -> None:
    for presented in (mangle(key["reader"]), mangle(key["reader"])):
        assert (await get(gateway, "/orders/1", presented)).refusal == INVALID
    assert (await get(gateway, "/orders/1", key["reader"])).status == 200
    assert len(app.scopes) == 1


@pytest.mark.parametrize("padded", [" {0}", "{0} ", "\t{0}\t"])
async def test_blanks_around_the_value_of_a_header_are_no_part_of_it(
    gateway: GatewayAuth, key: dict[str, str], padded: str
) -> None:
    # RFC 9110 section 5.5: most servers take them away, so this must not depend on the server.
    assert (await get(gateway, "/orders/1", padded.format(key["reader"]))).status == 200


async def test_an_unknown_key_and_a_wrong_secret_get_the_same_answer(gateway: GatewayAuth, key: dict[str, str]) -> None:
    unknown = KeyFormat("gwk").mint("live", 1, 1).text
    answers = [await get(gateway, "/orders/1", presented) for presented in (unknown, key["reader"][:-1] + "~")]
    bodies = [{k: v for k, v in answer.problem.items() if k != "request_id"} for answer in answers]
    assert bodies[0] == bodies[1]
    assert challenges(answers[0]) == challenges(answers[1])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "credential_expired"),
        ("disabled", "credential_disabled"),
        ("early", "credential_disabled"),
        ("revoked", "credential_revoked"),
    ],
)
@pytest.mark.parametrize("path", ["/orders/1", "/optional"])
async def test_who_has_the_right_secret_learns_the_state_of_the_key(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], kind: str, code: str, path: str
) -> None:
    answer = await get(gateway, path, key[kind])
    assert answer.refusal == (401, code)
    assert challenges(answer) == ['Bearer realm="orders", error="invalid_token"', 'ApiKey realm="orders"']
    assert app.scopes == []


@pytest.mark.parametrize("kind", ["expired", "disabled", "revoked"])
async def test_who_has_the_wrong_secret_learns_no_state(gateway: GatewayAuth, key: dict[str, str], kind: str) -> None:
    text = key[kind]
    wrong_secret = text[:-38] + key["reader"][-38:]
    assert (await get(gateway, "/orders/1", wrong_secret)).refusal == INVALID


QUERIES = {
    "plain": "key={0}",
    "among-others": "a=1&b={0}&c=2",
    "as-a-name": "{0}",
    "percent-encoded": "key={1}",
    "with-a-good-key-in-the-header": "key={0}",
}


@pytest.mark.parametrize("query", QUERIES.items(), ids=QUERIES.keys())
@pytest.mark.parametrize("path", ["/orders/1", "/optional", "/public"])
async def test_a_key_in_the_query_is_refused_everywhere_and_never_logged(
    gateway: GatewayAuth,
    app: Echo,
    site: Site,
    query: tuple[str, str],
    path: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    text = site.keys["plain"]
    spelled = query[1].format(text, "".join(f"%{ord(c):02x}" for c in text))
    credential = site.keys["reader"] if "header" in query[0] else None
    answer = await get(gateway, path, credential, query_string=spelled.encode())
    assert answer.refusal == (401, "credential_in_url")
    assert app.scopes == []
    assert site.ids["plain"] in caplog.text
    assert text[-38:] not in caplog.text
    assert text.encode() not in answer.body


@pytest.mark.parametrize("path", ["/known/{0}", "/nowhere/{0}", "/{0}"])
async def test_a_key_in_the_path_is_not_logged(
    gateway: GatewayAuth, key: dict[str, str], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await get(gateway, path.format(key["plain"]))
    assert key["plain"][-38:] not in caplog.text
    assert "refused" in caplog.text


async def test_a_disabled_key_stops_working_and_works_again_while_requests_go_on(mount: Mount, site: Site) -> None:
    gateway = await mount(Echo())
    store = site.open_store()
    keys = site.manage_keys(store)
    try:
        assert (await get(gateway, "/orders/1", site.keys["reader"])).status == 200
        await keys.disable(ACTOR, site.ids["reader"])
        await asyncio.sleep(1.1)  # longer than the change log is read apart
        assert (await get(gateway, "/orders/1", site.keys["reader"])).refusal == (401, "credential_disabled")
        await keys.enable(ACTOR, site.ids["reader"])
        await asyncio.sleep(1.1)
        assert (await get(gateway, "/orders/1", site.keys["reader"])).status == 200
    finally:
        await store.close()


@pytest.mark.parametrize("path", ["/orders/1", "/known", "/optional", "/socket"])
async def test_a_refusal_never_tells_what_is_in_the_request(gateway: GatewayAuth, path: str) -> None:
    marker = "gwk_live_MARKERMARKERxSECRETSECRET"
    answer = await call(gateway, http_scope("GET", path, [("x-api-key", marker), ("x-request-id", "MARKER")]))
    assert b"MARKER" not in answer.body
    assert "MARKER" not in str(answer.start["headers"])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["after the plain request", "before it"])
async def test_a_header_name_that_spells_two_is_not_read_as_the_two(
    gateway: GatewayAuth, key: dict[str, str], order: tuple[int, int]
) -> None:
    """Sequences of names are remembered joined; no server passes on such a name, and none may confuse the memory."""
    plain = [("accept", "*/*"), ("x-api-key", key["reader"])]
    odd = [("accept\0x-api-key", key["reader"])]
    answers = [await call(gateway, http_scope("GET", "/known", (plain, odd)[which])) for which in order]
    assert [answers[order.index(which)].status for which in (0, 1)] == [200, 401]
