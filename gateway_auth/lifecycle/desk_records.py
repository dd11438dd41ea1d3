"""What was done and used, and tokens taken back, as one actor may see or do it."""

from __future__ import annotations

from gateway_auth.core.audit import AuditFilter
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.anomalies import ReviewActivity, anomaly_view
from gateway_auth.lifecycle.apps import existing_app
from gateway_auth.lifecycle.audit import ReadAudit, audit_view
from gateway_auth.lifecycle.bounds import owner_of
from gateway_auth.lifecycle.input import MAX_PAGE
from gateway_auth.lifecycle.keys import existing_key
from gateway_auth.lifecycle.tokens import ManageTokens
from gateway_auth.lifecycle.usage import DEFAULT_SINCE, ReviewUsage, usage_view
from gateway_auth.lifecycle.views import View, revocation_view
from gateway_auth.lifecycle.workplace import Workplace


class RecordDesk:
    """`ReadAudit`, `ReviewUsage`, `ReviewActivity` and `ManageTokens` for one actor."""

    def __init__(self, place: Workplace) -> None:
        tools = place.tools
        self._place = place
        self._audit = ReadAudit(place.registry, tools.clock)
        self._usage = ReviewUsage(tools.usage, tools.clock)
        self._activity = ReviewActivity(tools.usage, tools.clock)
        self._tokens = ManageTokens(
            place.registry, tools.clock, tools.random, tools.issuers, key_format=tools.key_format
        )

    async def audit(
        self,
        *,
        limit: int,
        before: int | None = None,
        since: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        object_id: str | None = None,
    ) -> list[View]:
        """A page of the audit, newest first, of the records before a `seq`."""
        self._place.may("audit.read")
        chosen: AuditFilter = self._audit.choose(since=since, actor=actor, action=action, obj=object_id)
        return [audit_view(sealed) for sealed in await self._audit.newest(chosen, limit=limit, before=before)]

    async def usage(
        self,
        *,
        limit: int = MAX_PAGE,
        since: str = DEFAULT_SINCE,
        by: str = "hour",
        key_id: str | None = None,
        app_id: str | None = None,
    ) -> list[View]:
        """Sums of usage, oldest first: of a key, of an app, or of all the actor sees."""
        self._place.may("usage.read")
        owner = owner_of(self._place.actor)
        if owner is not None:
            async with self._place.registry.reading() as snapshot:
                if key_id is not None:
                    await existing_key(snapshot, key_id)
                if app_id is not None:
                    await existing_app(snapshot, app_id)
        rows = await self._usage.report(since=since, by=by, key_id=key_id, app_id=app_id, owner=owner, limit=limit)
        return [usage_view(row) for row in rows]

    async def anomalies(self, *, limit: int = MAX_PAGE) -> list[View]:
        """Keys the actor sees that behave unlike themselves."""
        self._place.may("usage.read")
        found = await self._activity.some(limit, owner_of(self._place.actor))
        return [anomaly_view(anomaly) for anomaly in found]

    async def revoke_tokens(
        self, *, jti: str | None = None, subject: str | None = None, token: str | None = None, issuer: str | None = None
    ) -> View:
        """Take back tokens of the issuers: by exactly one of `jti`, `subject` and `token`."""
        self._place.may("token.revoke")
        actor = self._place.actor
        if jti is not None and subject is None and token is None:
            return revocation_view(await self._tokens.revoke_id(actor, jti, issuer))
        if subject is not None and jti is None and token is None:
            return revocation_view(await self._tokens.revoke_subject(actor, subject, issuer))
        if token is not None and jti is None and subject is None:
            if issuer is not None:
                raise InvalidInput("issuer", "one token needs none; leave it out")
            return revocation_view(await self._tokens.revoke_token(actor, token.encode("utf-8", "replace")))
        raise InvalidInput("jti", "give exactly one of jti, subject and token")
