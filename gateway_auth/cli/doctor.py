"""`gateway-auth doctor`: everything that can be wrong, looked at once. It repairs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gateway_auth.cli.failures import FAILED
from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import tell, tell_json, tell_table

if TYPE_CHECKING:
    from gateway_auth.cli.checks import Check


def doctor(config: Config = "", as_json: AsJson = False) -> None:
    """Look at configuration, secrets, store, Redis, issuers, port and clock. Exits 1 when anything fails."""
    checks = _examine(config)
    is_well = all(check.status != "failed" for check in checks)
    if as_json:
        listed = [{"check": check.check, "status": check.status, "detail": check.detail} for check in checks]
        tell_json({"ok": is_well, "checks": listed})
    else:
        tell_table(("", "check", "found"), [(check.status, check.check, check.detail) for check in checks])
        tell()
        tell("Nothing is wrong." if is_well else "Something is wrong: see the lines that failed.")
    if not is_well:
        raise typer.Exit(FAILED)


def _examine(config: str) -> list[Check]:
    import asyncio

    from gateway_auth.cli import checks as look
    from gateway_auth.cli.check_disclosure import check_disclosure
    from gateway_auth.cli.check_issuers import check_issuers
    from gateway_auth.cli.check_listener import check_listener
    from gateway_auth.cli.check_redis import check_redis
    from gateway_auth.cli.check_store import check_store
    from gateway_auth.config import load
    from gateway_auth.config.secrets_section import read_secrets
    from gateway_auth.errors import ConfigError

    try:
        configuration = load(config)
    except ConfigError as error:
        return [*look.check_problems(error.problems), look.check_clock(0)]
    secrets = read_secrets(config)
    keys = [Path(configuration.tls.key_file)] if configuration.tls is not None else []
    of_store, newest_record = asyncio.run(check_store(configuration, secrets.pepper_ids))
    return [
        *look.check_configuration(configuration),
        look.Check("secrets", "ok", "the pepper is there, and long enough"),
        *look.check_files(configuration, (*secrets.files, *keys)),
        *of_store,
        *asyncio.run(check_redis(configuration)),
        *asyncio.run(check_issuers(configuration)),
        *asyncio.run(check_disclosure(configuration)),
        *check_listener(configuration),
        look.check_clock(newest_record),
    ]
