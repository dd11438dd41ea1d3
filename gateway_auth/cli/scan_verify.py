"""What the store knows of secrets that were found, so that those which work are revoked first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway_auth.cli.session import Session, with_session
from gateway_auth.errors import GatewayAuthError
from gateway_auth.scan.findings import Event, Finding, Unseen

if TYPE_CHECKING:
    from gateway_auth.core.leaks import Leak
    from gateway_auth.lifecycle.verify_key import KeyCheck

_OUTCOMES = {"unknown_key": "unknown", "wrong_secret": "wrong secret", "not_a_key": "of another prefix"}
_WORKING = "active"


def verified(config: str, events: Iterable[Event]) -> Iterator[Event]:
    """All events, each key with its status in the store of the configuration; those that work first."""
    findings: list[Finding] = []
    for event in events:
        if isinstance(event, Unseen):
            yield event
        else:
            findings.append(event)
    if not findings:
        return
    try:
        statuses = _statuses(config, {event.leak.text: event.leak for event in findings}.values())
    except GatewayAuthError as error:
        # What was found is told whether or not the store can be asked.
        yield Unseen(config, f"the keys were not verified: {error}")
        statuses = {}
    findings = [replace(event, status=statuses.get(event.leak.text)) for event in findings]
    yield from sorted(findings, key=lambda event: event.status != _WORKING)


def _statuses(config: str, leaks: Iterable[Leak]) -> dict[bytes, str]:
    """By text. Of admin tokens nothing is known here."""

    async def ask(session: Session) -> dict[bytes, str]:
        return {
            leak.text: _status(await session.keys.verify(leak.text.decode("ascii")))
            for leak in leaks
            if leak.kind == "api_key"
        }

    return with_session(config, ask)


def _status(check: KeyCheck) -> str:
    from time import time

    from gateway_auth.core.keys import status_at
    from gateway_auth.lifecycle.verify_key import is_usable

    if check.key is None or check.app is None:
        return _OUTCOMES[check.outcome]
    now = time()
    if is_usable(check.key, check.app, now):
        return _WORKING
    status = status_at(check.key, now)
    if status != _WORKING:
        return status
    return "app disabled" if check.app.status != "active" else "not begun"
