"""Origins are compared whole, scheme, host and port; whatever is unclear is outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.referrer import MAX_HEADER_BYTES, ReferrerPattern, is_referrer_allowed

SITES = ("https://app.example.com", "https://*.corp.example")
CONSOLE = ("https://app.example.com/console/*",)
EXACT = ("https://app.example.com/login",)

# (patterns, Origin, Referer, expected)
CASES = {
    "exact origin": (SITES, "https://app.example.com", None, True),
    "other scheme": (SITES, "http://app.example.com", None, False),
    "other port": (SITES, "https://app.example.com:8443", None, False),
    "default port spelled out": (SITES, "https://app.example.com:443", None, True),
    "the other default port": (SITES, "https://app.example.com:80", None, False),
    "suffix trick": (SITES, "https://app.example.com.evil.test", None, False),
    "prefix trick": (SITES, "https://evilapp.example.com", None, False),
    "null": (SITES, "null", None, False),
    "neither": (SITES, None, None, False),
    "empty origin": (SITES, "", None, False),
    "empty referer": (SITES, None, "", False),
    "one label": (SITES, "https://a.corp.example", None, True),
    "two labels": (SITES, "https://a.b.corp.example", None, False),
    "apex": (SITES, "https://corp.example", None, False),
    "suffix without dot": (SITES, "https://evilcorp.example", None, False),
    "empty label": (SITES, "https://.corp.example", None, False),
    "the pattern itself": (SITES, "https://*.corp.example", None, False),
    "page of the origin": (SITES, None, "https://app.example.com/page?q=1", True),
    "page without path": (SITES, None, "https://app.example.com", True),
    "page with query and no path": (SITES, None, "https://app.example.com?q=1", True),
    "userinfo": (SITES, None, "https://app.example.com@evil.test/", False),
    "userinfo with password": (SITES, None, "https://user:app.example.com@evil.test/", False),
    "userinfo at home": (SITES, None, "https://user@app.example.com/", False),
    "upper-case host": (SITES, "https://APP.EXAMPLE.COM", None, True),
    "upper-case scheme": (SITES, "HTTPS://app.example.com", None, True),
    "tab inside host": (SITES, None, "https://app.exam\tple.com/", False),
    "fullwidth dot": (SITES, None, "https://app.example\uff0ecom/", False),
    "Cyrillic a": (SITES, None, "https://\u0430pp.example.com/", False),
    "null origin, good page": (SITES, "null", "https://app.example.com/", False),
    "good origin, foreign page": (SITES, "https://app.example.com", "https://evil.test/", False),
    "foreign origin, good page": (SITES, "https://evil.test", "https://app.example.com/", False),
    "two good ones of two patterns": (SITES, "https://app.example.com", "https://a.corp.example/", False),
    "fragment": (SITES, None, "https://evil.test#https://app.example.com/", False),
    "origin with path": (SITES, "https://app.example.com/x", None, False),
    "origin with slash": (SITES, "https://app.example.com/", None, False),
    "trailing dot": (SITES, "https://app.example.com.", None, False),
    "backslash": (SITES, None, "https://evil.test\\@app.example.com/", False),
    "backslash behind": (SITES, None, "https://app.example.com\\.evil.test/", False),
    "no scheme": (SITES, None, "//app.example.com/", False),
    "other scheme altogether": (SITES, None, "javascript://app.example.com/", False),
    "port of five nines": (SITES, "https://app.example.com:99999", None, False),
    "port of zeros": (SITES, "https://app.example.com:000443", None, False),
    "two origins": (SITES, "https://app.example.com https://evil.test", None, False),
    "came twice": (SITES, "\x00", None, False),
    "newline": (SITES, "https://app.example.com\n", None, False),
    "below the path": (CONSOLE, None, "https://app.example.com/console/a/b", True),
    "the path itself": (CONSOLE, None, "https://app.example.com/console/", True),
    "beside the path": (CONSOLE, None, "https://app.example.com/console-evil/", False),
    "above the path": (CONSOLE, None, "https://app.example.com/console", False),
    "dots out of the path": (CONSOLE, None, "https://app.example.com/console/../admin", False),
    "encoded dots out of the path": (CONSOLE, None, "https://app.example.com/console/%2e%2e/admin", False),
    "encoded letters in the path": (CONSOLE, None, "https://app.example.com/%63onsole/x", True),
    "path in the query": (CONSOLE, None, "https://app.example.com/?/console/", False),
    "a path needs a page": (CONSOLE, "https://app.example.com", None, False),
    "page and origin": (CONSOLE, "https://app.example.com", "https://app.example.com/console/x", True),
    "exact page": (EXACT, None, "https://app.example.com/login?next=/", True),
    "more than the exact page": (EXACT, None, "https://app.example.com/login/", False),
    "IPv6 host": (("http://[::1]:8080",), "http://[::1]:8080", None, True),
    "all paths": (("https://app.example.com/*",), "https://app.example.com", None, True),
    "port of the pattern": (("http://localhost:3000",), "http://localhost:3000", None, True),
    "no patterns": ((), "https://app.example.com", None, False),
}


@pytest.mark.parametrize(("patterns", "origin", "referer", "expected"), CASES.values(), ids=CASES)
def test_a_page_is_allowed_when_all_it_says_fits_one_pattern(
    patterns: tuple[str, ...], origin: str | None, referer: str | None, expected: bool
) -> None:
    compiled = tuple(ReferrerPattern(pattern) for pattern in patterns)
    said = [None if text is None else text.encode() for text in (origin, referer)]
    assert is_referrer_allowed(compiled, said[0], said[1]) is expected


def test_headers_beyond_the_limit_fit_nothing() -> None:
    anything = (ReferrerPattern("https://app.example.com"),)
    page = b"https://app.example.com/" + b"a" * (MAX_HEADER_BYTES - 24)
    assert is_referrer_allowed(anything, None, page)
    assert not is_referrer_allowed(anything, None, page + b"a")
    assert not is_referrer_allowed(anything, b"https://" + b"a" * MAX_HEADER_BYTES, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "app.example.com", "https://", "ftp://app.example.com", "https://App.example.com", "https://*", "https://*.",
        "https://a.*.example.com", "https://a*.example.com", "https://*.*.example.com", "https://app.example.com:port",
        "https://app.example.com:65536", "https://app.example.com/a*b", "https://app.example.com/*/b", "https://a/**",
        "https://user@app.example.com", "https://app.example.com?x", "https://app.example.com#x", "https://app..example",
        " https://app.example.com", "https://-a.example", "https://example.com.", "https://éxample.com", "null",
        "https://" + "a" * 5000,
    ],
    ids=lambda text: text[:40] or "empty",
)  # fmt: skip
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='"'):
        ReferrerPattern(text)


def test_a_pattern_keeps_its_text() -> None:
    assert ReferrerPattern("https://*.example.com/console/*").text == "https://*.example.com/console/*"


def test_the_root_with_a_slash_means_every_page_as_browsers_send_no_more_than_that_to_others() -> None:
    root = (ReferrerPattern("https://app.example.com/"),)
    assert is_referrer_allowed(root, None, b"https://app.example.com/")
    assert is_referrer_allowed(root, b"https://app.example.com", None)


labels = st.text("ab1", min_size=1, max_size=5)


@given(labels, labels, st.sampled_from(["", ":443", ":8443"]), st.sampled_from(["http", "https"]))
def test_a_wildcard_is_one_whole_label(label: str, evil: str, port: str, scheme: str) -> None:
    pattern = (ReferrerPattern(f"https://*.{evil}.example"),)
    origin = f"{scheme}://{label}.{evil}.example{port}"
    assert is_referrer_allowed(pattern, origin.encode(), None) is (scheme == "https" and port in ("", ":443"))
    for other in (
        f"https://{evil}.example",
        f"https://{label}.{label}.{evil}.example",
        f"https://{label}{evil}.example",
    ):
        assert not is_referrer_allowed(pattern, other.encode(), None)


@given(st.binary(max_size=60), st.binary(max_size=60) | st.none())
def test_any_bytes_are_answered(origin: bytes, referer: bytes | None) -> None:
    assert not is_referrer_allowed((ReferrerPattern("https://app.example.com"),), origin, referer)
