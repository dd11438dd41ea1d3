"""What may be sent: bodies and query parameters. Unknown names are refused. What values mean, `lifecycle` checks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.input import MAX_PAGE
from gateway_auth.lifecycle.key_fields import KeyFields

DEFAULT_PAGE = 100

Texts = list[str]


class Body(BaseModel):
    """A JSON object; nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Body):
    """No body, or an empty object."""


class AppChange(Body):
    """Fields of an app. What is not given stays."""

    name: str = Field(default="", description="A name for people.", examples=["shop"])
    owner: str = Field(default="", description="Who answers for it; a developer's apps have the developer's name.")
    project: str = Field(default="", description="A group of apps.")
    plan: str | None = Field(default=None, description="A plan of the configuration; null is none.")

    def fields(self) -> AppFields:
        """Those that were given."""
        return AppFields(**{name: getattr(self, name) for name in self.model_fields_set})


class NewApp(AppChange):
    """A new app."""

    name: str = Field(description="A name for people.", examples=["shop"])


class KeyChange(Body):
    """Fields of a key. What is not given stays; a list is given whole."""

    name: str = Field(default="", description="A name for people.")
    scopes: Texts = Field(default=[], description="What it may do.", examples=[["orders:read"]])
    roles: Texts = Field(default=[], description="Roles of the configuration, which stand for scopes.")
    not_before: str | None = Field(default=None, description="From when it works (RFC 3339); null is at once.")
    expires_in: str = Field(default="never", description="How long it lives from now.", examples=["90d", "never"])
    expires_at: str | None = Field(default=None, description="When it ends (RFC 3339); null is never.")
    allow_networks: Texts = Field(default=[], description="From where it works; from everywhere when empty.")
    deny_networks: Texts = Field(default=[], description="From where it does not.")
    allow_referrers: Texts = Field(default=[], description="From which pages it works.")
    allow_android: Texts = Field(default=[], description="In which Android apps: `package:SHA-1 of the certificate`.")
    allow_ios: Texts = Field(default=[], description="In which iOS apps: bundle identifiers.")
    allow_requests: Texts = Field(default=[], description="For which requests.", examples=[["GET /v1/orders/*"]])
    metadata: dict[str, str] = Field(default={}, description="Whatever you want to know of it.")

    def fields(self) -> KeyFields:
        """Those that were given."""
        given = self.model_fields_set & set(KeyFields.__struct_fields__)
        return KeyFields(**{name: getattr(self, name) for name in given})


class NewKey(KeyChange):
    """A new key of an app."""

    app_id: str = Field(description="The app it belongs to.")
    environment: Literal["live", "test"] = Field(default="live", description="It stands in the key.")


class Rotation(KeyChange):
    """How a key is replaced. Fields of the new one, where it is to differ."""

    overlap: str = Field(default="7d", description="How long the old key goes on working; `0` stops it at once.")


class NewGrant(Body):
    """One more scope, for a time."""

    scope: str
    expires_in: str = Field(description="For how long.", examples=["1h"])


class PresentedKey(Body):
    """A key somebody has."""

    key: str = Field(description="The whole text. It is compared and forgotten.", max_length=8192)


class TokensToRevoke(Body):
    """Tokens of the configured issuers: exactly one of `jti`, `subject` and `token`."""

    jti: str | None = Field(default=None, description="The tokens with this id.")
    subject: str | None = Field(default=None, description="All that was issued to this subject up to now.")
    token: str | None = Field(default=None, description="This one token. Only its digest is kept.", max_length=16384)
    issuer: str | None = Field(default=None, description="Only those of this issuer: its id, or its `iss`.")


class Query(BaseModel):
    """Query parameters."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Query):
    """None."""


Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="How many at most.")]
Cursor = Annotated[str, Field(max_length=128, description="Where the page begins: `X-Next-Cursor` of the one before.")]


class AppsQuery(Query):
    """A page of apps."""

    limit: Limit = DEFAULT_PAGE
    cursor: Cursor = ""


class KeysQuery(AppsQuery):
    """A page of keys."""

    app_id: str | None = Field(default=None, description="Only those of this app.")


class AuditQuery(AppsQuery):
    """A page of the audit, newest first."""

    since: str | None = Field(default=None, description="A time (RFC 3339), or how long ago.", examples=["7d"])
    actor: str | None = Field(default=None, description="Only what this one did.", examples=["admin:alice"])
    action: str | None = Field(default=None, description="Only this.", examples=["key.create"])
    object_id: str | None = Field(default=None, description="Only what was done to this object.")


class UsageQuery(Query):
    """Sums of usage, oldest first."""

    limit: Limit = MAX_PAGE
    since: str = Field(default="24h", description="How far back.", examples=["7d"])
    by: str = Field(default="hour", description="What is summed up: `minute`, `hour`, `day` or `all`.")
    key_id: str | None = Field(default=None, description="Only of this key.")
    app_id: str | None = Field(default=None, description="Only of this app.")


class ReviewQuery(Query):
    """What is worth a look."""

    limit: Limit = MAX_PAGE


class DeletionQuery(Query):
    """How a key is deleted."""

    force: bool = Field(default=False, description="Also one that was used within the last day.")
