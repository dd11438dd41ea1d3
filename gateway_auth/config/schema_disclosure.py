"""What operators write about reports of leaked secrets: who may send them, and what becomes of the secrets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway_auth.config.configuration import LeakMeasure
from gateway_auth.config.schema_routes import Table
from gateway_auth.config.values import Name, Text, WebAddress

GITHUB_KEYS = "https://api.github.com/meta/public_keys/secret_scanning"


class DisclosureTable(Table):
    """`serve` takes signed reports of leaked secrets at `/.gateway/disclosure` and stops what leaked."""

    name: Name = Field(default="github", description="Who reports, as the audit names it: `disclosure:NAME`.")
    keys_url: WebAddress | None = Field(
        default=None,
        description="Where the public keys are that reports are signed with. GitHub's unless a file is named.",
        examples=[GITHUB_KEYS],
    )
    keys_file: Text | None = Field(
        default=None,
        description="A file with them instead, relative to this file: for a scanner of your own.",
        examples=["scanner-keys.json"],
    )
    live: LeakMeasure = Field(
        default="revoke",
        description="What becomes of a live key whose whole secret is reported: it is revoked, disabled, or only "
        "recorded and told to webhooks.",
    )
    test: LeakMeasure = Field(default="report", description="What becomes of a test key.")
    admin: Literal["disable", "report"] = Field(
        default="disable", description="What becomes of an admin whose token is reported."
    )

    @field_validator("keys_file")
    @classmethod
    def _is_the_only_source(cls, file: str | None, info: ValidationInfo) -> str | None:
        if file is not None and info.data.get("keys_url") is not None:
            raise ValueError("stands beside keys_url; the public keys come from one place")
        return file
