"""Records as people see them: for the command line, the admin API and the audit. Never a digest or a pepper.

Names are those of the contract; times are RFC 3339 in UTC; the status is the one of the moment asked about.
"""

from __future__ import annotations

from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.keys import AppRecord, Grant, KeyRecord, status_at
from gateway_auth.core.token import Revocation
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.input import format_time

View = dict[str, object]


def app_view(app: AppRecord) -> View:
    """Every field of an app."""
    return {
        "id": app.id,
        "name": app.name,
        "owner": app.owner,
        "project": app.project,
        "plan": app.plan,
        "status": app.status,
        "created_at": format_time(app.created_at),
        "created_by": app.created_by,
    }


def key_view(key: KeyRecord, now: float) -> View:
    """Every public field of a key."""
    return {
        "id": key.id,
        "app_id": key.app_id,
        "name": key.name,
        "environment": key.environment,
        "status": status_at(key, now),
        "scopes": list(key.scopes),
        "roles": list(key.roles),
        "grants": [_grant_view(grant) for grant in key.grants],
        "not_before": _time(key.not_before),
        "expires_at": _time(key.expires_at),
        "allow_networks": list(key.allow_networks),
        "deny_networks": list(key.deny_networks),
        "allow_referrers": list(key.allow_referrers),
        "allow_android": list(key.allow_android),
        "allow_ios": list(key.allow_ios),
        "allow_requests": list(key.allow_requests),
        "created_at": format_time(key.created_at),
        "created_by": key.created_by,
        "last_used_at": _time(key.last_used_at),
        "last_used_address": key.last_used_address,
        "rotated_from": key.rotated_from,
        "retires_at": _time(key.retires_at),
        "metadata": dict(key.metadata),
    }


def created_view(created: CreatedKey) -> View:
    """A new key: its text, this once, and every public field."""
    return {"key": created.text, **key_view(created.record, created.record.created_at)}


def revocation_view(revocation: Revocation) -> View:
    """Every field of a revocation. Of a token that is its digest (hex), never the token."""
    return {
        "id": revocation.id,
        "kind": revocation.kind,
        "value": revocation.value,
        "issuer": revocation.issuer,
        "revoked_at": format_time(int(revocation.revoked_at)),
        "expires_at": format_time(int(revocation.expires_at)),
    }


def admin_view(admin: AdminRecord) -> View:
    """Every public field of an admin; the bounds are None where there are none."""
    return {
        "id": admin.id,
        "name": admin.name,
        "role": admin.role,
        "status": admin.status,
        "may_grant_scopes": None if admin.may_grant_scopes is None else list(admin.may_grant_scopes),
        "may_grant_roles": None if admin.may_grant_roles is None else list(admin.may_grant_roles),
        "created_at": format_time(admin.created_at),
        "created_by": admin.created_by,
    }


def _grant_view(grant: Grant) -> View:
    return {"scope": grant.scope, "expires_at": format_time(grant.expires_at)}


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_time(seconds)
