"""Operations on what was done and used, and on tokens of the issuers."""

from __future__ import annotations

from typing import cast

from gateway_auth.admin.bodies import AuditQuery, ReviewQuery, TokensToRevoke, UsageQuery
from gateway_auth.admin.operation import Answered, Asked
from gateway_auth.admin.paging import next_page, read_cursor


async def list_audit(asked: Asked) -> Answered:
    """A page, newest first."""
    query = cast(AuditQuery, asked.query)  # the operation's model
    position = read_cursor(query.cursor, _is_number)
    page = await asked.desk.records.audit(
        limit=query.limit,
        before=int(position) if position else None,
        since=query.since,
        actor=query.actor,
        action=query.action,
        object_id=query.object_id,
    )
    return Answered(page, next_page(asked.request, page, query.limit, "seq"))


async def list_usage(asked: Asked) -> Answered:
    """Sums."""
    query = cast(UsageQuery, asked.query)
    return Answered(
        await asked.desk.records.usage(
            limit=query.limit, since=query.since, by=query.by, key_id=query.key_id, app_id=query.app_id
        )
    )


async def review_keys(asked: Asked) -> Answered:
    """What is worth a look."""
    return Answered(await asked.desk.records.anomalies(limit=cast(ReviewQuery, asked.query).limit))


async def revoke_tokens(asked: Asked) -> Answered:
    """Take tokens back."""
    body = cast(TokensToRevoke, asked.body)
    return Answered(
        await asked.desk.records.revoke_tokens(jti=body.jti, subject=body.subject, token=body.token, issuer=body.issuer)
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
