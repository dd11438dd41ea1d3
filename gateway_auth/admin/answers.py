"""What is answered, for the OpenAPI document and its tests: the objects of `lifecycle.views`, field by field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

Time = str
Status = Literal["active", "disabled", "revoked", "expired"]


class Answer(BaseModel):
    """An object, with all its fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class App(Answer):
    """An app."""

    id: str
    name: str
    owner: str
    project: str
    plan: str | None
    status: Literal["active", "disabled"]
    created_at: Time
    created_by: str


class Grant(Answer):
    """A scope with an end of its own."""

    scope: str
    expires_at: Time


class Key(Answer):
    """A key, without its secret, which exists nowhere any more."""

    id: str
    app_id: str
    name: str
    environment: Literal["live", "test"]
    status: Status
    scopes: list[str]
    roles: list[str]
    grants: list[Grant]
    not_before: Time | None
    expires_at: Time | None
    allow_networks: list[str]
    deny_networks: list[str]
    allow_referrers: list[str]
    allow_android: list[str]
    allow_ios: list[str]
    allow_requests: list[str]
    created_at: Time
    created_by: str
    last_used_at: Time | None
    last_used_address: str | None
    rotated_from: str | None
    retires_at: Time | None
    metadata: dict[str, str]


class CreatedKey(Key):
    """A new key, with its secret this once."""

    key: str


class KnownKey(Key):
    """A key whose secret was right."""

    outcome: Literal["valid"]
    usable: bool
    app_status: Literal["active", "disabled"]


class UnknownKey(Answer):
    """What is no key of this gateway, or not with this secret."""

    outcome: Literal["not_a_key", "unknown_key", "wrong_secret"]
    usable: Literal[False]
    id: str | None


class KeyCheck(RootModel[KnownKey | UnknownKey]):
    """What a text is."""


class Revocation(Answer):
    """Tokens that were taken back."""

    id: str
    kind: Literal["jti", "subject", "token"]
    value: str
    issuer: str | None
    revoked_at: Time
    expires_at: Time


class AuditRecord(Answer):
    """One record of the audit."""

    seq: int
    at: Time
    actor: str
    action: str
    object_kind: str
    object_id: str
    outcome: str
    request_id: str | None
    address: str | None
    before: dict[str, object] | None
    after: dict[str, object] | None
    hash: str = Field(description="Of this record and the one before it, in hexadecimal.")


class Usage(Answer):
    """So many requests with a key on a route were answered with this class of status."""

    at: Time
    key_id: str | None
    route: str
    status: str
    count: int


class Anomaly(Answer):
    """A key that behaves unlike itself, and why, in words."""

    key_id: str
    kind: Literal["new_network", "refusals", "volume"]
    since: Time
    reason: str


class Apps(RootModel[list[App]]):
    """A page of apps."""


class Keys(RootModel[list[Key]]):
    """A page of keys."""


class Audit(RootModel[list[AuditRecord]]):
    """A page of the audit."""


class UsageSums(RootModel[list[Usage]]):
    """Sums of usage."""


class Anomalies(RootModel[list[Anomaly]]):
    """Keys that behave unlike themselves."""


class FieldError(Answer):
    """What is wrong with one field or parameter."""

    field: str
    message: str


class Problem(Answer):
    """Why it was not done (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] = []
