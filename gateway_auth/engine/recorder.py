"""Tells what was decided: counts exactly, logs refusals, never more than a log can bear. It changes no verdict."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter, defaultdict

from gateway_auth.core.decision import Allow, Decision, Deny, Reason
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.network import format_address
from gateway_auth.core.request import RequestFacts
from gateway_auth.engine.refusals import RefusalTally
from gateway_auth.ports import Clock

logger = logging.getLogger("gateway_auth.decisions")

MAX_LINES_PER_SECOND = 50
MAX_PATH = 256
_WORD = re.compile(r"[\w.-]{16,}", re.ASCII)
"""What a token would be part of; taken whole, so that no text makes the search for one take long."""


class Recorder:
    """`refused` counts by (policy id, reason), `shadowed` what routes in shadow mode would have refused.

    `passed` counts by policy id what goes on, kept by whoever lets it; `limited` by (policy id, limit id) what was
    refused for a limit. `tally` takes what the audit keeps of refusals.
    """

    def __init__(self, key_format: KeyFormat, clock: Clock, tally: RefusalTally | None = None) -> None:
        self.passed: defaultdict[str, int] = defaultdict(int)  # a Counter asks in Python for what is not there yet
        self.limited: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, Reason]] = Counter()
        self.shadowed: Counter[tuple[str, Reason]] = Counter()
        self._format = key_format
        self._tally = tally
        self._refusals = _Lines(clock)
        self._exposures = _Lines(clock)

    def record(self, decision: Decision, facts: RequestFacts | None, request_id: str, client_request_id: str) -> None:
        """Note one decision. `facts` is None for a request that could not be read."""
        if isinstance(decision, Deny):
            route = decision.policy.id if decision.policy else ""
            self.refused[(route, decision.reason)] += 1
            if decision.outcome is not None:
                self.limited.update((route, limit_id) for limit_id in decision.outcome.violated)
            if self._tally is not None:
                self._tally.note(decision, facts.client if facts is not None else None)
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
        if (
            isinstance(decision, Deny)
            and (decision.exposed_key_id is not None or decision.exposed_admin_id is not None)
            and self._exposures.may_write()
        ):
            # Somebody has to replace that secret: other refusals cannot crowd this line out.
            if decision.exposed_key_id is not None:
                logger.warning("an API key was sent in a URL and must be replaced: key_id=%s", decision.exposed_key_id)
            if decision.exposed_admin_id is not None:
                logger.warning(
                    "an admin token was sent in a URL and must be replaced: admin_id=%s", decision.exposed_admin_id
                )
        if not self._refusals.may_write():
            return
        if not logger.isEnabledFor(logging.INFO):
            return
        fields: dict[str, object] = {
            "event": event,
            "reason": str(reason),
            "route": decision.policy.id if decision.policy else None,
            "key_id": decision.principal.key_id if decision.principal else None,
            "request_id": request_id,
        }
        if client_request_id:
            fields["client_request_id"] = self._redacted(client_request_id)
        if facts is not None:
            fields["method"] = facts.method
            fields["path"] = self._redacted(facts.path)[:MAX_PATH]
            fields["client"] = format_address(facts.client) if facts.client is not None else None
        # JSON in ASCII: whatever a client put into its path or id, one event is one line (security case G02).
        logger.info(json.dumps(fields))

    def _redacted(self, text: str) -> str:
        """Without the secrets of what looks like a key, and without what looks like a signed token."""
        without_keys = self._format.redact(text.encode("utf-8", "replace")).decode("utf-8", "replace")
        return _WORD.sub(_without_token, without_keys)


class _Lines:
    """How many lines of one kind may be written this second. What is left out is told with the next second's first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = 0
        self._asked = 0

    def may_write(self) -> bool:
        """Whether one more line may be written."""
        second = int(self._clock.monotonic())
        if second != self._second:
            left_out = self._asked - MAX_LINES_PER_SECOND
            if left_out > 0:
                logger.warning("%d more refusals were counted but not logged", left_out)
            self._second, self._asked = second, 0
        self._asked += 1
        return self._asked <= MAX_LINES_PER_SECOND


def _without_token(word: re.Match[str]) -> str:
    """A word without the JWT in it, whole or cut."""
    text, token, rest = word.group().partition("eyJ")
    return f"{text}[redacted]" if "." in rest else text + token + rest
