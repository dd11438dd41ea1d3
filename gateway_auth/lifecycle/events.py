"""The audit events of apps, keys and tokens: which action, and the public fields before and after. Never a secret."""

from __future__ import annotations

from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation
from gateway_auth.lifecycle.input import check_text
from gateway_auth.lifecycle.views import app_view, key_view, revocation_view
from gateway_auth.ports import AuditEvent


def app_event(at: float, actor: str, action: str, before: AppRecord | None, after: AppRecord | None) -> AuditEvent:
    """`action` happened to the app; `before` is None for a new one, `after` None for a deleted one."""
    subject = after or before
    assert subject is not None  # noqa: S101 - an event of nothing is a bug here
    return AuditEvent(
        at=at,
        actor=check_text("actor", actor, may_be_empty=False),
        action=f"app.{action}",
        object_kind="app",
        object_id=subject.id,
        before=app_view(before) if before else None,
        after=app_view(after) if after else None,
    )


def key_event(at: float, actor: str, action: str, before: KeyRecord | None, after: KeyRecord | None) -> AuditEvent:
    """`action` happened to the key; `before` is None for a new one, `after` None for a deleted one."""
    subject = after or before
    assert subject is not None  # noqa: S101 - an event of nothing is a bug here
    return AuditEvent(
        at=at,
        actor=check_text("actor", actor, may_be_empty=False),
        action=f"key.{action}",
        object_kind="key",
        object_id=subject.id,
        before=key_view(before, at) if before else None,
        after=key_view(after, at) if after else None,
    )


def token_event(at: float, actor: str, revocation: Revocation) -> AuditEvent:
    """Tokens were taken back. The object is the revocation: of the tokens nobody here has a list."""
    return AuditEvent(
        at=at,
        actor=check_text("actor", actor, may_be_empty=False),
        action="token.revoke",
        object_kind="token",
        object_id=revocation.id,
        after=revocation_view(revocation),
    )
