"""The options that say what a key may do, and the fields they mean. It checks no value: `lifecycle` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.failures import CommandRefused

if TYPE_CHECKING:
    from gateway_auth.lifecycle.key_fields import KeyFields

Texts = list[str] | None

Name = Annotated[str | None, typer.Option(help="A name for people.")]
Scopes = Annotated[
    Texts, typer.Option("--scope", metavar="SCOPE", help="A scope, `orders:read` or `orders:*`. Repeatable.")
]
Roles = Annotated[Texts, typer.Option("--role", metavar="ROLE", help="A role of the configuration. Repeatable.")]
ExpiresIn = Annotated[str | None, typer.Option(metavar="90d", help="How long it lives: `90d`, `12h`, `never`.")]
ExpiresAt = Annotated[str | None, typer.Option(metavar="TIME", help="When it ends: `2030-01-31T12:00:00Z`.")]
NotBefore = Annotated[str | None, typer.Option(metavar="TIME", help="When it begins to work: `2030-01-31T12:00:00Z`.")]
AllowNetworks = Annotated[
    Texts, typer.Option("--allow-network", metavar="CIDR", help="A network it works from. Repeatable.")
]
DenyNetworks = Annotated[
    Texts, typer.Option("--deny-network", metavar="CIDR", help="A network it does not work from; wins. Repeatable.")
]
AllowReferrers = Annotated[
    Texts,
    typer.Option(
        "--allow-referrer", metavar="URL", help="Web pages it works from: `https://*.example.com/*`. Repeatable."
    ),
]
AllowAndroid = Annotated[
    Texts,
    typer.Option("--allow-android", metavar="PACKAGE:SHA1", help="An Android app, with its certificate. Repeatable."),
]
AllowIos = Annotated[Texts, typer.Option("--allow-ios", metavar="BUNDLE", help="An iOS app. Repeatable.")]
AllowRequests = Annotated[
    Texts, typer.Option("--allow-request", metavar="REQUEST", help='Requests it is for: `"GET /v1/*"`. Repeatable.')
]
Metadata = Annotated[Texts, typer.Option("--metadata", metavar="NAME=VALUE", help="A note of yours. Repeatable.")]
Clear = Annotated[
    Texts,
    typer.Option("--clear", metavar="FIELD", help="Empty a field, such as `scopes` or `allow_networks`. Repeatable."),
]

_LISTS = (
    "scopes",
    "roles",
    "allow_networks",
    "deny_networks",
    "allow_referrers",
    "allow_android",
    "allow_ios",
    "allow_requests",
)
_EMPTY: dict[str, object] = {
    **dict.fromkeys(_LISTS, ()),
    "name": "",
    "metadata": {},
    "not_before": None,
    "expires_at": None,
}


def fields_from(given: Mapping[str, str | Sequence[str] | None], clear: Sequence[str] | None = None) -> KeyFields:
    """The fields that were given, and those to be emptied. Raises CommandRefused."""
    from gateway_auth.lifecycle.key_fields import KeyFields

    # An empty text was given too, perhaps by a variable that is not set: it must not mean "for ever".
    fields: dict[str, object] = {name: value for name, value in given.items() if value or value == ""}
    if fields.get("metadata"):
        fields["metadata"] = _metadata(given["metadata"] or ())
    for field in clear or ():
        name = field.replace("-", "_")
        if name not in _EMPTY:
            raise CommandRefused(f"--clear: there is no such field {field}; known are {', '.join(sorted(_EMPTY))}")
        if name in fields:
            raise CommandRefused(f"--clear: {field} is also given a value; do one of both")
        fields[name] = _EMPTY[name]
    return KeyFields(**fields)  # type: ignore[arg-type]  # each name has its type by the options above


def _metadata(entries: Sequence[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in entries]
    for name, separator, _ in pairs:
        if not separator:
            raise CommandRefused(f"--metadata: write NAME=VALUE, not {name}")
    return {name: value for name, _, value in pairs}
