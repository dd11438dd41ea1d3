"""What operators write about what is kept of what happened: the audit, and how much keys are used."""

from __future__ import annotations

from pydantic import Field

from gateway_auth.config.schema_routes import Table
from gateway_auth.config.values import Text


class AuditTable(Table):
    """The audit."""

    anchor_file: Text | None = Field(
        default=None,
        description="Where each management change notes the head of the audit, for `audit verify --anchor`: a file "
        "on another disk or machine than the store.",
        examples=["/mnt/elsewhere/audit.anchors"],
    )
    denials: bool = Field(
        default=False,
        description="The audit also keeps the requests that were refused: summed up, at most 62 records a minute and "
        "worker. It keeps them for ever, like all else; keys in URLs stand there at any rate.",
    )


class UsageTable(Table):
    """How much each key is used."""

    keep_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="How long usage is kept: two days by the minute, then by the hour.",
    )
