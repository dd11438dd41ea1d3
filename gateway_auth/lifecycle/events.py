"""The audit events of apps, keys, tokens and admins: which action, public fields before and after. Never a secret."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import AuditEvent, ObjectKind
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation
from gateway_auth.lifecycle.input import check_text
from gateway_auth.lifecycle.views import View, admin_view, app_view, key_view, revocation_view

_KINDS: dict[str, ObjectKind] = {"app": "app", "key": "key", "token": "token", "admin": "admin"}


def app_event(at: float, actor: Actor, action: str, before: AppRecord | None, after: AppRecord | None) -> AuditEvent:
    """`action` happened to the app; `before` is None for a new one, `after` None for a deleted one."""
    subject = after or before
    assert subject is not None  # noqa: S101 - an event of nothing is a bug here
    views = app_view(before) if before else None, app_view(after) if after else None
    return _event(at, actor, "app", action, subject.id, *views)


def key_event(at: float, actor: Actor, action: str, before: KeyRecord | None, after: KeyRecord | None) -> AuditEvent:
    """`action` happened to the key; `before` is None for a new one, `after` None for a deleted one."""
    subject = after or before
    assert subject is not None  # noqa: S101 - an event of nothing is a bug here
    views = key_view(before, at) if before else None, key_view(after, at) if after else None
    return _event(at, actor, "key", action, subject.id, *views)


def token_event(at: float, actor: Actor, revocation: Revocation) -> AuditEvent:
    """Tokens were taken back. The object is the revocation: of the tokens nobody here has a list."""
    return _event(at, actor, "token", "revoke", revocation.id, None, revocation_view(revocation))


def admin_event(at: float, actor: Actor, action: str, before: AdminRecord | None, after: AdminRecord) -> AuditEvent:
    """`action` happened to the admin; `before` is None for a new one."""
    return _event(at, actor, "admin", action, after.id, admin_view(before) if before else None, admin_view(after))


def exposed_event(at: float, actor: Actor, kind: Literal["key", "admin"], object_id: str, where: View) -> AuditEvent:
    """The whole secret of a key or an admin was seen where others can see it; `where` says what is known of that."""
    return _event(at, actor, kind, "exposed", object_id, None, where)


def denied_event(at: float, actor: Actor, action: str, object_id: str) -> AuditEvent:
    """`actor` asked for an action (`key.create`) of an object, or of none yet (""), and may not."""
    kind, _, verb = action.partition(".")
    event = _event(at, actor, _KINDS.get(kind, "store"), verb, object_id, None, None)
    return replace(event, action=action, outcome="denied")


def _event(
    at: float, actor: Actor, kind: ObjectKind, action: str, object_id: str, before: View | None, after: View | None
) -> AuditEvent:
    check_text("actor", actor.name, may_be_empty=False)
    return AuditEvent(
        at=at,
        actor=str(actor),
        action=f"{kind}.{action}",
        object_kind=kind,
        object_id=object_id,
        request_id=actor.request_id,
        address=actor.address,
        before=before,
        after=after,
    )
