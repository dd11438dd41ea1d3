"""`[[webhooks]]` and `[handover]`: what is accepted, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway_auth.config import load
from gateway_auth.errors import ConfigError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = {"id": "ops", "url": "https://hooks.example.com/x", "secret": "env:HOOK"}


def loaded(
    tmp_path: Path, *webhooks: dict[str, Any], secret: str = SECRET, handover: dict[str, Any] | None = None
) -> Any:
    tables: dict[str, Any] = {
        "store": {"url": f"sqlite:///{tmp_path}/gateway.db"},
        "secrets": {"pepper": "env:PEPPER"},
        "webhooks": list(webhooks),
        "routes": [],
    }
    if handover is not None:
        tables["handover"] = handover
    environ = {"PEPPER": "a pepper for tests, 32 bytes and more of it", "HOOK": secret, "KEYS": SECRET}
    return load(tables, environ=environ)


def test_a_webhook_wants_everything_unless_it_says_what(tmp_path: Path) -> None:
    plain, chosen = loaded(tmp_path, WEBHOOK, {**WEBHOOK, "id": "b", "events": ["key.*", "app.disable"]}).webhooks
    assert (plain.id, plain.url, plain.events) == ("ops", "https://hooks.example.com/x", ("*",))
    assert chosen.events == ("key.*", "app.disable")
    assert len(plain.secret.reveal()) == 24


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "http://hooks.example.com/"}, "webhooks[0].url: must be an https address"),
        ({"events": ["key*"]}, "webhooks[0].events[0]: must be the name of an event"),
        ({"events": []}, "webhooks[0].events"),
        ({"secret": SECRET}, "webhooks[0].secret: is not a reference to a secret"),
        ({"secert": "env:HOOK"}, 'webhooks[0].secert: unknown key "secert", did you mean "secret"?'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, {**WEBHOOK, **change})
    assert any(str(one).startswith(problem) for one in refused.value.problems), refused.value
    assert SECRET not in str(refused.value)


def test_two_of_one_name_and_a_weak_secret_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, WEBHOOK, WEBHOOK, secret="whsec_c2hvcnQ=")
    said = str(refused.value)
    assert 'webhooks[1].id: "ops" is the id of webhooks[0] already' in said
    assert 'webhooks[0].secret: is not "whsec_" and the base64 of 24 to 64 random bytes' in said
    assert "c2hvcnQ" not in said


HANDOVER = {"url": "https://vault.example.com/keys", "secret": "env:KEYS"}


def test_who_takes_keys_is_named_once_with_a_secret(tmp_path: Path) -> None:
    assert loaded(tmp_path).handover is None
    taker = loaded(tmp_path, WEBHOOK, handover=HANDOVER).handover
    assert (taker.url, len(taker.secret.reveal())) == ("https://vault.example.com/keys", 24)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "http://vault.example.com/"}, "handover.url: must be an https address"),
        ({"url": "https://user:pass@vault.example.com/"}, "handover.url: "),
        ({"secret": SECRET}, "handover.secret: is not a reference to a secret"),
        ({"secret": "env:MISSING"}, "handover.secret: environment variable MISSING is not set"),
        ({"secret": "env:HOOK"}, "handover.secret: is that of webhooks[0]; give it one of its own"),
        ({"events": ["*"]}, "handover.events: unknown key"),
    ],
)
def test_what_is_wrong_with_who_takes_keys_is_said(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, WEBHOOK, handover={**HANDOVER, **change})
    assert any(str(one).startswith(problem) for one in refused.value.problems), refused.value
    assert SECRET not in str(refused.value)
