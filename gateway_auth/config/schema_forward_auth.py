"""What operators write about forward-auth: which proxy asks, and so which headers are its own."""

from __future__ import annotations

from pydantic import Field

from gateway_auth.config.configuration import AskingProxy
from gateway_auth.config.schema_routes import Table


class ForwardAuthTable(Table):
    """Answers at `/.gateway/authorize` for a proxy that asks before it forwards."""

    proxy: AskingProxy = Field(
        default="any",
        description="Which proxy asks: only the headers this one sets are read. `any` reads whichever are there and "
        "refuses a request in which two kinds are.",
        examples=["nginx"],
    )
