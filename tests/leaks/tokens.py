"""The bearer tokens of the story: who issues them, the requests they are sent with, the commands they are given to."""

from __future__ import annotations

from tests.bearer.issuing import AUDIENCE, ISSUER, TokenIssuer
from tests.conformance.wire import request
from tests.leaks.gateway import Gateway

NAMES = ("good token", "revoked token")
Tokens = dict[str, str]


def issue_tokens(gateway: Gateway) -> Tokens:
    """Tokens by name, of an issuer that the configuration has from now on."""
    issuer = TokenIssuer(keys={})
    issuer.add("k-1", "ES256")
    issuer.publish(gateway.folder / "corp.json")
    table = f"""
[[issuers]]
id = "corp"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
algorithms = ["ES256"]
jwks_file = "corp.json"
"""
    config = gateway.folder / "gateway.toml"
    config.write_text(config.read_text("utf-8") + table, "utf-8")
    return {name: issuer.token(sub=name) for name in NAMES}


def secrets_of(tokens: Tokens) -> Tokens:
    """The parts of each token that make it one: what it says, and that it is signed."""
    found = {}
    for name, text in tokens.items():
        _, found[f"{name}: claims"], found[f"{name}: signature"] = text.split(".")
    return found


def token_requests(tokens: Tokens) -> list[bytes]:
    """Good, taken back, spoilt, and where no token belongs."""
    target, good = "/v1/orders/1", tokens["good token"].encode()
    authorizations = [b"Bearer " + text.encode() for text in tokens.values()]
    authorizations += [b"Bearer " + good[:-3], b"Bearer " + good + b"x", b"Bearer x" + good, b"ApiKey " + good, good]
    fields = [[("Authorization", value)] for value in authorizations]
    fields += [[("X-API-Key", good)], [("Authorization", authorizations[0])] * 2]
    fields += [[(name, good)] for name in ("X-Request-Id", "Referer", "Origin", "Cookie", "User-Agent", "Via")]
    return [request("GET", target, field) for field in fields]


def token_commands(tokens: Tokens) -> list[tuple[tuple[str, ...], str]]:
    """Commands with what they read: looking, taking back, and a token where it does not belong."""
    good, revoked = (tokens[name] for name in NAMES)
    found: list[tuple[tuple[str, ...], str]] = []
    for words in ((), ("--json",)):
        found += [(("tokens", "revoke", "--token-stdin", *words), f"{revoked}\n")]
        found += [(("tokens", "revoke", kind, "somebody", *words), "") for kind in ("--jti", "--subject")]
        found += [
            (("tokens", "inspect", *words), text) for text in (good, revoked, good[:-5], f"Bearer {good}", "a.b.c")
        ]
    mistaken = (("tokens", "inspect", good), ("tokens", good), ("tokens", "revoke", "--jti", good))
    return [*found, *((words, "") for words in mistaken), (("keys", "verify"), good)]
