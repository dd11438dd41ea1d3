"""`tokens`: taking tokens back and looking at one; a token comes from stdin and goes nowhere."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.bearer.issuing import AUDIENCE, ISSUER, TokenIssuer
from tests.cli.command import Workspace

OPAQUE = "8xLOxBtZp8"


@pytest.fixture(scope="module")
def issuer() -> TokenIssuer:
    made = TokenIssuer(keys={})
    made.add("k-1", "ES256")
    return made


@pytest.fixture
def corp(workspace: Workspace, issuer: TokenIssuer) -> Workspace:
    """A directory whose configuration has one issuer, with keys in a file."""
    issuer.publish(workspace.directory / "corp.json")
    table = f"""
[[issuers]]
id = "corp"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
algorithms = ["ES256"]
jwks_file = "corp.json"
"""
    workspace.config.write_text(workspace.config.read_text("utf-8") + table, "utf-8")
    return workspace


def parts_of(token: str) -> list[str]:
    return token.split(".")


# -- taking back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "kind"), [(("--jti", "id 1"), "jti"), (("--subject", "alice@example.com"), "subject")], ids=str
)
def test_a_name_is_revoked_and_told(corp: Workspace, option: tuple[str, str], kind: str) -> None:
    ended = corp.call("tokens", "revoke", *option, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert set(ended.json) == {"id", "kind", "value", "issuer", "revoked_at", "expires_at"}
    assert (ended.json["kind"], ended.json["value"], ended.json["issuer"]) == (kind, option[1], None)
    assert ended.json["expires_at"] > ended.json["revoked_at"]
    told = corp.call("tokens", "revoke", *option)
    assert told.out.count("\n") == 1
    assert f"{kind} {option[1]}" in told.out


@pytest.mark.parametrize("named", ["corp", ISSUER])
def test_one_issuer_is_named_by_its_id_or_its_iss(corp: Workspace, named: str) -> None:
    assert corp.call("tokens", "revoke", "--subject", "alice", "--issuer", named, "--json").json["issuer"] == ISSUER


def test_a_token_is_revoked_from_stdin_and_shown_nowhere(corp: Workspace, issuer: TokenIssuer) -> None:
    token = issuer.token()
    for options in ((), ("--json",)):
        ended = corp.call("tokens", "revoke", "--token-stdin", *options, stdin=f"{token}\n")
        assert ended.code == 0
        assert not any(part in ended.out + ended.err for part in parts_of(token))
    for file in corp.directory.glob("gateway.db*"):
        data = file.read_bytes()
        assert not any(part.encode() in data for part in parts_of(token)), file.name


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "give exactly one of --jti, --subject and --token-stdin"),
        (("--jti", "a", "--subject", "b"), "give exactly one of"),
        (("--jti", "a", "--token-stdin"), "give exactly one of"),
        (("--jti", "", "--subject", ""), "give exactly one of"),
        (("--token-stdin", "--issuer", "corp"), "--issuer: one token needs none"),
        (("--jti", ""), "--jti: must not be empty"),
        (("--subject", "x" * 256), "--subject: is longer than 255"),
        (("--subject", "a\nb"), "--subject: contains a control character"),
        (("--jti", "a", "--issuer", "other"), "--issuer: is not one the configuration has (corp)"),
        (("--jti", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"), "--jti: is a whole token"),
        (("--token-stdin",), "stdin: is no token of an issuer"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_revoked_is_one_line_and_a_usage_error(
    corp: Workspace, options: tuple[str, ...], line: str
) -> None:
    ended = corp.call("tokens", "revoke", *options, stdin=OPAQUE)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.error_lines) == 1
    assert ended.err.startswith(f"gateway-auth: {line}")
    assert OPAQUE not in ended.err


def test_without_issuers_there_is_nothing_to_revoke(workspace: Workspace) -> None:
    ended = workspace.call("tokens", "revoke", "--jti", "a")
    assert ended.code == 2
    assert ended.error_lines == ["gateway-auth: --issuer: the configuration has no [[issuers]]; no token is accepted"]


def test_an_api_key_is_no_token(corp: Workspace) -> None:
    key = corp.key(corp.app())["key"]
    for action in (("revoke", "--token-stdin"), ("inspect",)):
        ended = corp.call("tokens", *action, stdin=key)
        assert (ended.code, ended.out, len(ended.error_lines)) == (2, "", 1)
        assert "is an API key" in ended.err
        assert key.rsplit("_", 1)[1] not in ended.err


@pytest.mark.parametrize(("stdin", "line"), [("", "stdin is empty"), ("x" * 16385, "stdin holds more than one token")])
@pytest.mark.parametrize("action", [("revoke", "--token-stdin"), ("inspect",)], ids=["revoke", "inspect"])
def test_no_token_or_too_much_on_stdin_is_a_usage_error(
    corp: Workspace, action: tuple[str, ...], stdin: str, line: str
) -> None:
    ended = corp.call("tokens", *action, stdin=stdin)
    assert (ended.code, len(ended.error_lines)) == (2, 1)
    assert line in ended.err


@pytest.mark.parametrize("action", ["revoke", "inspect"])
def test_a_token_as_argument_is_refused_without_repeating_it(corp: Workspace, issuer: TokenIssuer, action: str) -> None:
    token = issuer.token()
    ended = corp.call("tokens", action, token)
    assert (ended.code, ended.out, len(ended.error_lines)) == (2, "", 1)
    assert not any(part in ended.err for part in parts_of(token))


def test_names_that_drive_terminals_are_shown_escaped(corp: Workspace) -> None:
    ended = corp.call("tokens", "revoke", "--subject", "a\u202eb")
    assert ended.code == 0
    assert "a\\u202eb" in ended.out
    assert "\u202e" not in ended.out


# -- looking -------------------------------------------------------------------------------------------------------


def inspect(workspace: Workspace, token: str | bytes) -> dict[str, Any]:
    ended = workspace.call("tokens", "inspect", "--json", stdin=token)
    assert ended.err == ""
    report: dict[str, Any] = ended.json
    assert ended.code == (0 if report["accepted"] else 1)
    return report


def results(report: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["result"] for check in report["checks"]}


def test_a_token_is_looked_at_check_by_check(corp: Workspace, issuer: TokenIssuer) -> None:
    report = inspect(corp, issuer.token(sub="alice"))
    assert (report["form"], report["issuer"]) == ("jwt", "corp")
    assert report["header"] == {"alg": "ES256", "kid": "k-1", "typ": "at+jwt"}
    assert (report["claims"]["sub"], report["claims"]["exp"][-1]) == ("alice", "Z")
    assert {"refuses"} & set(results(report).values()) == set()
    assert list(results(report))[-1] == "revocation"


def test_a_token_that_was_taken_back_is_found_so(corp: Workspace, issuer: TokenIssuer) -> None:
    token = issuer.token(sub="alice")
    corp.call("tokens", "revoke", "--subject", "alice", "--issuer", "corp")
    assert results(inspect(corp, token))["revocation"] == "refuses"
    assert results(inspect(corp, issuer.token(sub="bob")))["revocation"] == "passes"
    later = issuer.token(sub="alice", iat=int(time.time()) + 20)
    assert results(inspect(corp, later))["revocation"] == "passes"


def test_what_refuses_is_told_to_people(corp: Workspace, issuer: TokenIssuer) -> None:
    token = issuer.token(aud="billing", sub="al\x1b[31mice")
    ended = corp.call("tokens", "inspect", stdin=token)
    assert ended.code == 1
    assert ended.out.startswith("it is refused\n")
    assert "audience" in ended.out
    assert "orders" in ended.out
    assert "\x1b" not in ended.out + ended.err
    assert not any(part in ended.out + ended.err for part in parts_of(token))


@pytest.mark.parametrize(
    "garbage", [b"\xff\xfe\x00", b"a.b.c", b"eyJ", OPAQUE.encode()], ids=["bytes", "dots", "cut", "opaque"]
)
def test_garbage_is_refused(corp: Workspace, garbage: bytes) -> None:
    ended = corp.call("tokens", "inspect", stdin=garbage)
    assert ended.code in (1, 2)
    assert ended.out.startswith("it is refused\n") or len(ended.error_lines) == 1


def test_without_issuers_no_token_is_accepted(workspace: Workspace, issuer: TokenIssuer) -> None:
    assert inspect(workspace, issuer.token())["accepted"] is False
