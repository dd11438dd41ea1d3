"""Who a request comes from, once that is proven. A principal says who, never whether."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from gateway_auth.core.memo import Memo
from gateway_auth.core.scopes import ScopeSet

HeaderList = tuple[tuple[bytes, bytes], ...]

_VISIBLE = "!#$&'()*+,/:;=?@[]^`{|}~<>\""
"""Left as they are in identity headers; spaces, `%`, controls and everything beyond ASCII are percent-encoded."""
_is_visible = re.compile(r"[A-Za-z0-9_.~!#$&'()*+,/:;=?@\[\]^`{|}<>\"-]*").fullmatch


class Principal(Struct, frozen=True, eq=False):
    """The authenticated caller; also `request.user` of Starlette (same attribute names).

    `scopes` are as granted, roles expanded; `granted` answers what they cover. `subject` is the app's owner, or
    the app where none is named. `claims` are the verified claims of a bearer token, empty for an API key; `issuer_id`
    names its issuer, as subjects and apps of different issuers may be called alike. The last three are how limits name
    key, subject and app. A key counts as the one it was first rotated from; the other two are spelled by
    `core.cachekey` when first asked for, and kept.
    """

    subject: str
    app_id: str | None
    key_id: str | None
    scopes: frozenset[str]
    roles: frozenset[str]
    method: str
    display_name: str
    is_authenticated: bool
    granted: ScopeSet
    claims: Mapping[str, object]
    identity_headers: HeaderList
    issuer_id: str | None = None
    key_counted_as: str | None = None
    counted_as: str = ""
    app_counted_as: str = ""

    @property
    def identity(self) -> str:
        """Starlette's name for the subject."""
        return self.subject


def build_principal(
    *,
    subject: str,
    method: str,
    scopes: frozenset[str],
    roles: frozenset[str],
    app_id: str | None = None,
    key_id: str | None = None,
    key_counted_as: str | None = None,
    display_name: str = "",
    claims: Mapping[str, object] | None = None,
    issuer_id: str | None = None,
) -> Principal:
    """A principal with what is derived from it computed once: compiled scopes and the headers for the upstream."""
    headers = [(b"x-auth-method", method.encode("ascii"))]
    for name, value in (
        (b"x-auth-subject", _header_text(subject)),
        (b"x-auth-app", _header_text(app_id or "")),
        (b"x-auth-key-id", _header_text(key_id or "")),
        (b"x-auth-scopes", _LISTS[scopes]),
        (b"x-auth-roles", _LISTS[roles]),
    ):
        if value:
            headers.append((name, value.encode("ascii")))
    return Principal(
        subject=subject,
        app_id=app_id,
        key_id=key_id,
        scopes=scopes,
        roles=roles,
        method=method,
        display_name=display_name or subject,
        is_authenticated=method != "anonymous",
        granted=_GRANTED[scopes],
        claims=claims or {},
        identity_headers=tuple(headers),
        issuer_id=issuer_id,
        key_counted_as=key_counted_as or key_id,
    )


def _header_text(value: str) -> str:
    """`value` as it can stand in a header: nothing in it can end the line or add another (RFC 9110 section 5.5)."""
    return value if _is_visible(value) else quote(value, safe=_VISIBLE)


# Principals are many, the sets of scopes and roles among them few.
_GRANTED: Memo[frozenset[str], ScopeSet] = Memo(ScopeSet, max_entries=1024)
_LISTS: Memo[frozenset[str], str] = Memo(lambda names: " ".join(map(_header_text, sorted(names))), max_entries=1024)


ANONYMOUS = build_principal(
    subject="", method="anonymous", scopes=frozenset(), roles=frozenset(), display_name="anonymous"
)
