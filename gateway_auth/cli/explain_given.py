"""What an operator says about the request to be explained: where it comes from, what it carries. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.core.headers import HeaderTable
from gateway_auth.core.network import Address, parse_address
from gateway_auth.core.principal import Principal, build_principal
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.roles import parse_role
from gateway_auth.core.scopes import parse_granted


class Given(Struct, frozen=True):
    """None is what nothing was said about. `headers` are by kind, as the gateway reads them."""

    client: Address | None = None
    is_https: bool | None = None
    headers: Mapping[int, bytes] | None = None
    principal: Principal | None = None

    def facts(self, method: str, path: str) -> RequestFacts:
        """The request as the checks take it; ask only those about what was given."""
        return RequestFacts(method, path, b"", self.client, dict(self.headers or {}), bool(self.is_https), False, 0)


def read_given(
    table: HeaderTable,
    *,
    client: str = "",
    is_https: bool | None = None,
    headers: Sequence[str] = (),
    scopes: Sequence[str] = (),
    roles: Sequence[str] = (),
) -> Given:
    """From the command line. Raises CommandRefused."""
    address = parse_address(client) if client else None
    if client and address is None:
        raise CommandRefused(f"--from {client[:64]}: is not an address; write for example 192.0.2.7")
    return Given(
        client=address,
        is_https=is_https,
        headers=dict(_header(table, text) for text in headers) or None,
        principal=_principal(scopes, roles),
    )


def _header(table: HeaderTable, text: str) -> tuple[int, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandRefused('--header: is not a header; write for example "Referer: https://app.example.com/"')
    return table[name.strip().lower().encode("utf-8", "replace")], value.strip().encode("utf-8", "replace")


def _principal(scopes: Sequence[str], roles: Sequence[str]) -> Principal | None:
    if not scopes and not roles:
        return None
    try:
        for text in scopes:
            parse_granted(text)
        for text in roles:
            parse_role(text)
        return build_principal(subject="whoever", method="jwt", scopes=frozenset(scopes), roles=frozenset(roles))
    except ValueError as error:
        raise CommandRefused(f"--scope or --role: {error}") from None
