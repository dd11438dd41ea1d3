"""What an upstream reads as the head of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.proxy.failures import RequestRefused
from gateway_auth.proxy.request import CHUNKED, MAX_VISITS, NO_BODY, Addressee, RequestHead, request_head, without_body
from tests.proxy.asgi_client import scope_of

UPSTREAM = Addressee(b"upstream:9000")


def head(
    *headers: tuple[str, str], method: str = "GET", path: str = "/", query: str = "", version: str = "1.1"
) -> RequestHead:
    return request_head(scope_of(method, path, headers, query=query, version=version), "192.0.2.7", UPSTREAM)


def fields(made: RequestHead) -> list[tuple[bytes, bytes]]:
    lines = made.data.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def names(made: RequestHead) -> list[bytes]:
    return [name for name, _ in fields(made)]


def test_a_plain_request_is_written_anew() -> None:
    made = head(("host", "api.test"), ("accept", "*/*"), path="/v1/a%20b;c=d", query="q=%2f&x")
    assert made.data == (
        b"GET /v1/a%20b;c=d?q=%2f&x HTTP/1.1\r\nhost: api.test\r\naccept: */*\r\n"
        b"x-forwarded-for: 192.0.2.7\r\nx-forwarded-host: api.test\r\nx-forwarded-proto: http\r\n"
        b"via: 1.1 gateway-auth\r\n\r\n"
    )
    assert made.body_bytes == NO_BODY


def test_repeated_fields_keep_their_order() -> None:
    made = head(("x-a", "1"), ("x-b", "2"), ("x-a", "3"))
    assert [field for field in fields(made) if field[0] in (b"x-a", b"x-b")] == [
        (b"x-a", b"1"),
        (b"x-b", b"2"),
        (b"x-a", b"3"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "keep-alive",
        "proxy",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "expect",
    ],
)
def test_hop_by_hop_fields_stop_here(name: str) -> None:
    assert name.encode() not in names(head((name, "something")))


def test_a_field_listed_in_connection_stops_here() -> None:
    made = head(("x-secret", "1"), ("connection", "close, X-Secret"), ("connection", "x-other"), ("x-other", "2"))
    assert {b"x-secret", b"x-other", b"connection"}.isdisjoint(names(made))


def test_connection_cannot_remove_what_the_gateway_says() -> None:
    made = head(
        ("connection", "close, X-Auth-Subject, X-Request-Id, X-Forwarded-For, Host, Via"),
        ("x-auth-subject", "app-1"),
        ("x-request-id", "r"),
    )
    assert {b"x-auth-subject", b"x-request-id", b"x-forwarded-for", b"host", b"via"} <= set(names(made))


def test_connection_cannot_remove_framing() -> None:
    listed = ("connection", "close, Transfer-Encoding, Content-Length")
    assert (b"content-length", b"5") in fields(head(listed, ("content-length", "5"), method="POST"))
    chunked = head(listed, ("transfer-encoding", "chunked"), method="POST")
    assert (b"transfer-encoding", b"chunked") in fields(chunked)


@pytest.mark.parametrize(
    "name",
    [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x_forwarded_for",
        "x-forwarded_for",
        "x_real_ip",
        "transfer_encoding",
        "content_length",
    ],
)
def test_a_clients_own_claim_about_itself_does_not_pass(name: str) -> None:
    assert b"203.0.113.9" not in head((name, "203.0.113.9")).data


def test_a_field_with_underscores_that_resembles_nothing_of_ours_passes() -> None:
    assert (b"x_trace", b"1") in fields(head(("x_trace", "1")))


def test_without_a_client_address_nothing_is_said_about_it() -> None:
    assert b"x-forwarded-for" not in request_head(scope_of(), None, UPSTREAM).data


def test_the_scheme_the_client_used_is_told() -> None:
    scope = scope_of()
    scope["scheme"] = "https"
    assert b"x-forwarded-proto: https\r\n" in request_head(scope, None, UPSTREAM).data


def test_http_1_0_without_host_gets_the_upstreams_name() -> None:
    made = head(("host", ""), version="1")
    assert (b"host", b"upstream:9000") in fields(made)
    assert b"x-forwarded-host" not in names(made)


def test_earlier_via_entries_are_kept_and_ours_comes_last() -> None:
    made = head(("via", "1.0 fred"))
    assert [value for name, value in fields(made) if name == b"via"] == [b"1.0 fred", b"1.1 gateway-auth"]


def test_a_chain_of_gateways_passes_but_a_loop_does_not() -> None:
    own = ", ".join(["1.1 gateway-auth"] * MAX_VISITS)
    assert head(("via", own)).data
    with pytest.raises(RequestRefused, match="loop"):
        head(("via", own), ("via", "1.1 Gateway-Auth"))


@pytest.mark.parametrize(
    ("headers", "body_bytes", "framing"),
    [
        ([], NO_BODY, None),
        ([("content-length", "0")], 0, (b"content-length", b"0")),
        ([("content-length", "5")], 5, (b"content-length", b"5")),
        ([("content-length", "005")], 5, (b"content-length", b"5")),
        ([("transfer-encoding", "chunked")], CHUNKED, (b"transfer-encoding", b"chunked")),
        ([("transfer-encoding", " Chunked ")], CHUNKED, (b"transfer-encoding", b"chunked")),
    ],
    ids=["none", "zero", "length", "leading zeros", "chunked", "chunked, spelt oddly"],
)
def test_framing_is_written_once(
    headers: list[tuple[str, str]], body_bytes: int, framing: tuple[bytes, bytes] | None
) -> None:
    made = head(*headers, method="POST")
    written = [f for f in fields(made) if f[0] in (b"content-length", b"transfer-encoding")]
    assert (made.body_bytes, written) == (body_bytes, [framing] if framing else [])


@pytest.mark.parametrize(
    "headers",
    [
        [("content-length", "5"), ("transfer-encoding", "chunked")],
        [("content-length", "5"), ("content-length", "5")],
        [("content-length", "5"), ("content-length", "6")],
        [("content-length", "5, 5")],
        [("content-length", "+5")],
        [("content-length", "-5")],
        [("content-length", "0x5")],
        [("content-length", "\u0665".encode().decode("latin-1"))],
        [("content-length", "")],
        [("content-length", "9" * 19)],
        [("transfer-encoding", "chunked, identity")],
        [("transfer-encoding", "gzip, chunked")],
        [("transfer-encoding", "xchunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        [("host", "a"), ("host", "a")],
        [("host", "a"), ("host", "b")],
        [("host", "")],
    ],
    ids=str,
)
def test_ambiguous_requests_are_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RequestRefused):
        head(*headers, method="POST")


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    with pytest.raises(RequestRefused):
        head(("transfer-encoding", "chunked"), method="POST", version="1.0")


@pytest.mark.parametrize("byte", ["\r", "\n", "\0", "\r\nx: y", "\n\n"])
@pytest.mark.parametrize("place", ["name", "value", "path", "query", "host", "client", "via"])
def test_line_breaks_and_nul_are_refused_wherever_they_hide(byte: str, place: str) -> None:
    dirty = f"a{byte}b"
    headers = {
        "name": [(dirty, "v")],
        "value": [("x", dirty)],
        "host": [("host", dirty)],
        "via": [("via", dirty)],
    }
    scope = scope_of(
        "GET",
        f"/{dirty}" if place == "path" else "/",
        headers.get(place, []),
        query=dirty if place == "query" else "",
    )
    with pytest.raises(RequestRefused):
        request_head(scope, dirty if place == "client" else None, UPSTREAM)


@pytest.mark.parametrize("path", ["", "x", "*", "http://other/", "/a b", "/a#b", "/\x7f", "/a\tb"])
def test_a_target_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(RequestRefused):
        head(path=path)


def test_options_may_ask_about_the_server_itself() -> None:
    assert head(method="OPTIONS", path="*").data.startswith(b"OPTIONS * HTTP/1.1\r\n")


@pytest.mark.parametrize("method", ["CONNECT", "", "GE T", "GET\r\nX", "G" * 33, "GÉT"])
def test_a_method_that_is_no_method_is_refused(method: str) -> None:
    with pytest.raises(RequestRefused):
        head(method=method)


@pytest.mark.parametrize(
    ("method", "headers", "is_repeatable"),
    [
        ("GET", [], True),
        ("HEAD", [], True),
        ("OPTIONS", [], True),
        ("DELETE", [], True),
        ("PUT", [("content-length", "0")], True),
        ("PUT", [("content-length", "1")], False),
        ("GET", [("transfer-encoding", "chunked")], False),
        ("POST", [], False),
        ("PATCH", [], False),
        ("PROPFIND", [], False),
    ],
    ids=str,
)
def test_only_idempotent_requests_without_a_body_may_be_repeated(
    method: str, headers: list[tuple[str, str]], is_repeatable: bool
) -> None:
    assert head(*headers, method=method).is_repeatable is is_repeatable


LATIN = st.text(st.characters(max_codepoint=255), max_size=20)
NAMES = st.sampled_from(
    [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "via",
        "te",
        "x-a",
        "x_b",
        "expect",
        "upgrade",
    ]
)


@given(st.lists(st.tuples(NAMES, LATIN), max_size=6), LATIN, LATIN)
def test_whatever_comes_in_one_well_formed_head_goes_out_or_none(
    headers: list[tuple[str, str]], path: str, query: str
) -> None:
    try:
        made = head(*headers, method="POST", path=f"/{path}", query=query)
    except RequestRefused:
        return
    assert made.data.count(b"\r\n\r\n") == 1
    assert made.data.endswith(b"\r\n\r\n")
    assert made.data.count(b"\r\n") == made.data.count(b"\n") == made.data.count(b"\r")
    assert made.data.split(b"\r\n", 1)[0].count(b" ") == 2
    assert names(made).count(b"host") == 1
    assert names(made).count(b"content-length") + names(made).count(b"transfer-encoding") <= 1


def test_cookies_that_http_2_split_are_one_field_again() -> None:
    crumbs = (("cookie", "a=1"), ("x-b", "2"), ("cookie", "c=3"))
    made = head(("host", "api.test"), *crumbs, version="2")
    assert [field for field in fields(made) if field[0] == b"cookie"] == [(b"cookie", b"a=1; c=3")]
    assert names(head(("host", "api.test"), *crumbs)).count(b"cookie") == 2


@pytest.mark.parametrize(("method", "framing"), [("GET", []), ("DELETE", []), ("POST", [(b"content-length", b"0")])])
def test_a_request_over_http_2_that_turns_out_to_have_no_body_announces_none(
    method: str, framing: list[tuple[bytes, bytes]]
) -> None:
    made = head(("host", "api.test"), ("x-a", "transfer-encoding: chunked"), method=method, version="2")
    assert made.body_bytes == CHUNKED
    rest = without_body(made)
    assert fields(rest) == [*fields(made)[:-1], *framing]
    assert rest.data.count(b"\r\n\r\n") == 1
    assert (rest.body_bytes, rest.is_repeatable) == (NO_BODY, method != "POST")
