"""What happens to a gateway in these tests: keys are made, used, misused and leaked, and every command is run."""

from __future__ import annotations

import json
import time
from contextlib import suppress

from gateway_auth.core.keyformat import KeyFormat
from tests.conformance.upstream import Upstream
from tests.conformance.vectors import fill, key_id, with_other_secret
from tests.conformance.wire import Connection, NotHTTP, request
from tests.leaks.gateway import Gateway
from tests.leaks.tokens import Tokens, issue_tokens, token_commands, token_requests

KEY = KeyFormat()
MADE = ("good", "leaked", "disabled", "revoked", "deleted")
NAMES = (*MADE, "rotated")
LOGGED_PER_SECOND = 45
"""A log bears fifty refusals a second; more are counted, not told."""
PROMISE_SECONDS = 2.0
Fields = list[tuple[str, bytes]]


def make_keys(gateway: Gateway) -> dict[str, str]:
    """Keys by name, made by the command line, as JSON and as people read it."""
    gateway.run("init", str(gateway.folder))
    with open(gateway.folder / "gateway.toml", "a", encoding="utf-8") as config:
        config.write('\n[audit]\nanchor_file = "audit.anchors"\n')
    app = json.loads(gateway.run("apps", "create", "shop", "--owner", "shop-owner", "--json"))["id"]
    keys = {}
    for name in MADE:
        as_json = ["--json"] if name != "leaked" else []
        shown = gateway.run("keys", "create", "--app", app, "--name", name, "--scope", "orders:read", *as_json)
        keys[name] = _key_in(shown)
    keys["rotated"] = _key_in(gateway.run("keys", "rotate", key_id(keys["good"]), "--json"))
    return keys


def _key_in(shown: bytes) -> str:
    (key,) = {word for word in shown.decode().replace('"', " ").replace(",", " ").split() if _is_key(word)}
    return key


def _is_key(word: str) -> bool:
    return KEY.parse_key_id(word.encode()) is not None


def requests(keys: dict[str, str]) -> list[bytes]:
    """Good, bad, and with a key everywhere where it should not be."""
    good, leaked = keys["good"].encode(), keys["leaked"].encode()
    auth: Fields = [("X-API-Key", good)]
    encoded, target = fill("{leaked:pct}", keys), "/v1/orders/1"
    found: list[tuple[str, bytes | str, Fields]] = [
        ("GET", target, auth), ("GET", target, [("Authorization", b"Bearer " + good)]), ("GET", target, []),
        *(("GET", target, [("X-API-Key", keys[name].encode())]) for name in ("disabled", "revoked", "deleted")),
        ("GET", target, [("X-API-Key", with_other_secret(keys["good"]).encode())]),
        ("GET", target, [("X-API-Key", good[:-1])]), ("GET", target, [("X-API-Key", good + b"x")]),
        ("GET", target, [*auth, *auth]), ("GET", target, [("Authorization", b"Basic " + leaked)]),
        ("DELETE", target, auth), ("GET", "/nowhere", auth),
    ]  # fmt: skip
    for place in (leaked, encoded, b"_" + leaked, b"A" + leaked):
        found += [("GET", b"/v1/orders/1?k=" + place, auth), ("GET", b"/nowhere?k=" + place, [])]
        found += [
            ("GET", b"/v1/orders/" + place, auth),
            ("GET", b"/v1/orders/" + place, []),
            ("GET", b"/no/" + place, []),
        ]
        found += [("GET", b"/v1//" + place, []), ("GET", b"/no/" + b"p" * 230 + place, [])]
        for name in ("X-Request-Id", "Referer", "Origin", "Cookie", "User-Agent", "X-Forwarded-For", "Via", "Host"):
            found += [("GET", target, [(name, place)]), ("GET", "/nowhere", [(name, place)])]
        found += [("GET", target, [("X-" + place.decode(), b"1")]), ("GET", target, [("Content-Length", place)])]
        found.append((place.decode(), target, []))
    raw = [request(method, where, fields) for method, where, fields in found]
    return [
        *raw,
        leaked + b"\r\n\r\n",
        b"GET /v1/orders/" + leaked + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + leaked + b"\r\n\r\n",
    ]


def send(gateway: Gateway, raw_requests: list[bytes]) -> bytes:
    """All of them, no faster than the log tells of each; everything the gateway answered."""
    answered = b""
    for number, raw in enumerate(raw_requests):
        if number % LOGGED_PER_SECOND == LOGGED_PER_SECOND - 1:
            time.sleep(1.05)
        with Connection(gateway.port, f"127.120.{number // 200}.{1 + number % 200}") as connection:
            connection.send(raw)
            with suppress(NotHTTP):
                answer = connection.answer()
                assert answer.status < 500 or answer.status == 501, raw
                answered += repr(answer).encode()
    return answered


def run_every_command(gateway: Gateway, keys: dict[str, str], tokens: Tokens) -> None:
    """Those that change, those that show, and some with a key or a token where an id belongs."""
    good, ids = keys["good"], {name: key_id(text) for name, text in keys.items()}
    (app,) = (app["id"] for app in json.loads(gateway.run("apps", "list", "--json")))
    changes: list[tuple[str, ...]] = [
        ("apps", "create", "other", "--plan", "free"), ("apps", "disable", app, "--json"), ("apps", "enable", app),
        ("keys", "disable", ids["disabled"]), ("keys", "enable", ids["disabled"], "--json"),
        ("keys", "disable", ids["disabled"], "--json"), ("keys", "revoke", ids["revoked"], "--yes"),
        ("keys", "delete", ids["deleted"], "--force", "--yes", "--json"), ("store", "upgrade", "--json"),
        ("keys", "grant", ids["good"], "orders:write", "--expires-in", "1h"),
        ("keys", "update", ids["good"], "--name", "n"),
        ("store", "backup", "backup.jsonl"), ("store", "restore", "backup.jsonl", "--yes", "--json"),
        ("audit", "export", "--output", "audit.jsonl"),
        ("audit", "export", "--format", "csv", "--output", "audit.csv"),
        ("admins", "create", "ann", "--role", "operator", "--may-grant-scope", "orders:*"), ("admins", "rotate", "ann"),
        ("admins", "update", "ann", "--role", "auditor"),
        ("admins", "disable", "ann", "--json"), ("admins", "enable", "ann"),
    ]  # fmt: skip
    views: list[tuple[str, ...]] = [
        ("apps", "list"), ("apps", "show", app), ("keys", "list"), ("keys", "list", "--app", app), ("doctor",),
        ("admins", "list"),
        *(("keys", "show", ids[name]) for name in NAMES), ("config", "check"),
        ("webhooks", "deliveries"), ("webhooks", "retry", good), ("webhooks", "test", good),
        ("keys", "usage", ids["good"]), ("keys", "due"), ("keys", "review"), ("keys", "unused", "--days", "0"),
        ("config", "explain", "GET", "/v1/orders/1"), ("audit", "list"), ("audit", "verify"), ("audit", "export"),
        ("config", "explain", "GET", "/v1/orders/1", "--key-id", ids["good"]),
    ]  # fmt: skip
    mistaken: list[tuple[str, ...]] = [
        ("config", "explain", "GET", f"/v1/orders/{good}?k={good}"), ("keys", "show", good),
        ("audit", "list", "--object", good), ("audit", "verify", "--anchor", good),
        ("keys", "disable", f"_{good}"),
        ("apps", "show", f"A{good}"), (good,), ("keys", good), ("keys", "list", "--app", good),
        ("keys", "show", good, "--debug"),
    ]  # fmt: skip
    typed = (*keys.values(), with_other_secret(good), good[:-1], f"_{good}", "garbage", "")
    shown = [*views, *mistaken, ("config", "schema")]
    verified = [((*("keys", "verify"), *words), f"{text}\n") for text in typed for words in ((), ("--json",))]
    plain = [(words, "") for words in (*changes, *shown, *((*view, "--json") for view in views))]
    everything = "\n".join(typed)
    piped: list[tuple[tuple[str, ...], str]] = [
        (("scan", "-"), everything), (("scan", "-", "--verify", "--json"), everything), (("scan", f"no/{good}"), ""),
        *((("keys", "import", "-", "--format", "csv", "--app", app), f"key\n{text}\n") for text in (good, "a" * 20)),
        (("keys", "import", "-", "--format", "jsonl", "--app", good), f'{{"key": "{good}"}}\n{good}'),
    ]  # fmt: skip
    gateway.run_all([*plain, *verified, *piped, *token_commands(tokens)])


def live(gateway: Gateway) -> tuple[dict[str, str], Tokens, bytes]:
    """The whole story: the keys that were made, the tokens, and all answers to clients."""
    keys = make_keys(gateway)
    tokens = issue_tokens(gateway)
    with Upstream() as upstream, gateway.serving(upstream):
        answered = send(gateway, [*requests(keys), *token_requests(tokens)])
        run_every_command(gateway, keys, tokens)
        time.sleep(PROMISE_SECONDS)
        again = [request("GET", "/v1/orders/1", [("X-API-Key", key.encode())]) for key in keys.values()]
        answered += send(gateway, [*again, *token_requests(tokens)])
    app = json.loads(gateway.run("apps", "list", "--json"))[0]["id"]
    gateway.run("apps", "delete", app, "--yes")
    gateway.collect()
    return keys, tokens, answered
