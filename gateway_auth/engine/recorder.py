"""Tells what was decided: counts exactly, logs refusals, never more than a log can bear. It changes no verdict."""

from __future__ import annotations

import json
import logging
from collections import Counter

from gateway_auth.core.decision import Allow, Decision, Deny, Reason
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.network import format_address
from gateway_auth.core.request import RequestFacts
from gateway_auth.ports import Clock

logger = logging.getLogger("gateway_auth.decisions")

MAX_LINES_PER_SECOND = 50
MAX_PATH = 256


class Recorder:
    """`refused` counts by (policy id, reason), `shadowed` what routes in shadow mode would have refused."""

    def __init__(self, key_format: KeyFormat, clock: Clock) -> None:
        self.refused: Counter[tuple[str, Reason]] = Counter()
        self.shadowed: Counter[tuple[str, Reason]] = Counter()
        self._format = key_format
        self._monotonic = clock.monotonic
        self._second = 0
        self._lines = 0
        self._unlogged = 0

    def record(self, decision: Decision, facts: RequestFacts | None, request_id: str, client_request_id: str) -> None:
        """Note one decision. `facts` is None for a request that could not be read."""
        if isinstance(decision, Deny):
            self.refused[(decision.policy.id if decision.policy else "", decision.reason)] += 1
            if decision.exposed_key_id is not None:
                # Somebody has to replace that key: never dropped, whatever the volume.
                logger.warning("an API key was sent in a URL and must be replaced: key_id=%s", decision.exposed_key_id)
            self._log("refused", decision.reason, decision, facts, request_id, client_request_id)
        elif decision.shadowed is not None:
            self.shadowed[(decision.policy.id, decision.shadowed)] += 1
            self._log("shadowed", decision.shadowed, decision, facts, request_id, client_request_id)

    def _log(
        self,
        event: str,
        reason: Reason,
        decision: Allow | Deny,
        facts: RequestFacts | None,
        request_id: str,
        client_request_id: str,
    ) -> None:
        if not self._may_log() or not logger.isEnabledFor(logging.INFO):
            return
        fields: dict[str, object] = {
            "event": event,
            "reason": str(reason),
            "route": decision.policy.id if decision.policy else None,
            "key_id": decision.principal.key_id if decision.principal else None,
            "request_id": request_id,
        }
        if client_request_id:
            fields["client_request_id"] = client_request_id
        if facts is not None:
            fields["method"] = facts.method
            fields["path"] = self._format.redact(facts.path.encode()).decode()[:MAX_PATH]
            fields["client"] = format_address(facts.client) if facts.client is not None else None
        # JSON in ASCII: whatever a client put into its path or id, one event is one line (security case G02).
        logger.info(json.dumps(fields))

    def _may_log(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            if self._unlogged:
                logger.warning("%d more refusals were counted but not logged", self._unlogged)
            self._second, self._lines, self._unlogged = second, 0, 0
        self._lines += 1
        if self._lines > MAX_LINES_PER_SECOND:
            self._unlogged += 1
            return False
        return True
