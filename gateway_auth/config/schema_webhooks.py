"""What operators write about webhooks: who is told of events, and who takes new keys."""

from __future__ import annotations

from pydantic import Field

from gateway_auth.config.schema_routes import Table
from gateway_auth.config.values import EventPattern, Name, Reference, WebAddress


class WebhookTable(Table):
    """Somebody who is told of what happens, by signed HTTP requests (Standard Webhooks)."""

    id: Name = Field(description="Its name in logs and messages.", examples=["ops"])
    url: WebAddress = Field(description="Where events are posted to.", examples=["https://hooks.example.com/gateway"])
    secret: Reference = Field(
        description="What events are signed with, `whsec_` and base64, as a reference.", examples=["env:WEBHOOK_SECRET"]
    )
    events: list[EventPattern] = Field(
        default=["*"], min_length=1, description="Which events: by name, `key.*`, or `*` for all.", examples=[["key.*"]]
    )


class HandoverTable(Table):
    """Who takes new keys when they are rotated with nobody watching, by signed HTTP requests."""

    url: WebAddress = Field(
        description="Where new keys are posted to. They are in the body: whoever answers here holds them.",
        examples=["https://vault.example.com/gateway-keys"],
    )
    secret: Reference = Field(
        description="What these requests are signed with, `whsec_` and base64, as a reference. No webhook's.",
        examples=["env:HANDOVER_SECRET"],
    )
