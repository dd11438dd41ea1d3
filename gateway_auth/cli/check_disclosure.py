"""What `doctor` finds out about reports of leaked secrets: whether the keys they are signed with can be had."""

from __future__ import annotations

from gateway_auth.bootstrap.disclosure import open_source
from gateway_auth.cli.checks import Check
from gateway_auth.config import Configuration
from gateway_auth.errors import IssuerUnavailable


async def check_disclosure(configuration: Configuration) -> list[Check]:
    """One line, where anybody may report."""
    settings = configuration.disclosure
    if settings is None:
        return []
    name = f"disclosure {settings.name}"
    source, close = open_source(settings)
    try:
        keys = await source.fetch()
    except IssuerUnavailable as error:
        return [Check(name, "failed", f"{error}; until then reports get 503")]
    finally:
        await close()
    if not keys:
        return [Check(name, "failed", "there is no P-256 key among those published: no report can be believed")]
    return [Check(name, "ok", f"{len(keys)} keys: {', '.join(ascii(key.key_id) for key in keys)}")]
