"""Questions as the three kinds of proxies put them."""

from __future__ import annotations

from typing import Any

from tests.asgi.raw import Pairs, http_scope

AUTHORIZE = "/.gateway/authorize"
CLIENT = "198.51.100.9"
PROXIES = {"nginx": "original", "haproxy": "original", "traefik": "forwarded", "caddy": "forwarded", "envoy": "path"}


def asked(kind: str, method: str, uri: str, headers: Pairs = (), **changes: Any) -> dict[str, Any]:
    """The scope of a question; `kind` is `original`, `forwarded` or `path`."""
    told = [("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https")]
    if kind == "path":
        path, _, query = uri.partition("?")
        return http_scope(method, AUTHORIZE + path, [*told, *headers], query=query, **changes)
    method_name, uri_name = {
        "original": ("x-original-method", "x-original-uri"),
        "forwarded": ("x-forwarded-method", "x-forwarded-uri"),
    }[kind]
    told += [(method_name, method), (uri_name, uri)]
    return http_scope("GET", AUTHORIZE, [*told, *headers], **changes)
