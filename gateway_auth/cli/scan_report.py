"""How a scan is told: a line or a JSON object for each secret as it is found, its id and never the secret itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator

from gateway_auth.cli.output import note, tell
from gateway_auth.core.leaks import LeakFinder, LeakKind
from gateway_auth.scan.findings import Event, Finding, Place, Unseen

_WORDS = {"api_key": "key", "admin_token": "admin token"}


class Report:
    """Tells events, and afterwards knows what came of it. `is_all_told`: secrets that are allowed are told too."""

    def __init__(self, finder: LeakFinder, *, as_json: bool, is_all_told: bool) -> None:
        self._finder = finder
        self._as_json = as_json
        self._is_all_told = is_all_told
        self.found = 0
        self.allowed = 0
        self.is_incomplete = False
        self._kinds: set[LeakKind] = set()

    def tell(self, events: Iterable[Event]) -> None:
        """Tell all of them, and a last line for whoever watches."""
        findings = self._findings(events)
        if self._as_json:
            self._tell_json(findings)
        else:
            for finding in findings:
                tell(self._line(finding))
        self._note_outcome()

    def _findings(self, events: Iterable[Event]) -> Iterator[Finding]:
        for event in events:
            if isinstance(event, Unseen):
                self.is_incomplete |= event.is_failure
                note(f"{self._finder.redact(event.path)}: {self._finder.redact(event.why)}")
            elif event.is_allowed and not self._is_all_told:
                self.allowed += 1
            else:
                self.found += 1
                self._kinds.add(event.leak.kind)
                yield event

    def _tell_json(self, findings: Iterator[Finding]) -> None:
        """An array, written as it grows: there may be more than memory holds."""
        separator = "["
        for finding in findings:
            sys.stdout.write(f"{separator}\n  {json.dumps(self._view(finding))}")
            separator = ","
        sys.stdout.write("[]\n" if separator == "[" else "\n]\n")

    def _view(self, finding: Finding) -> dict[str, object]:
        leak, place = finding.leak, finding.place
        return {
            "path": self._finder.redact(place.path),
            "member": None if place.member is None else self._finder.redact(place.member),
            "object": place.object,
            "line": finding.line,
            "column": finding.column,
            "kind": leak.kind,
            "prefix": leak.prefix,
            "environment": leak.environment,
            "id": leak.id,
            "allowed": finding.is_allowed,
            "status": finding.status,
        }

    def _line(self, finding: Finding) -> str:
        leak = finding.leak
        words = [leak.environment or "", _WORDS[leak.kind], leak.id]
        status = f" ({finding.status})" if finding.status is not None else ""
        where = f"{self._name(finding.place)}:{finding.line}:{finding.column}"
        return f"{where}: {' '.join(word for word in words if word)}{status}"

    def _name(self, place: Place) -> str:
        member = f"!{place.member}" if place.member is not None else ""
        version = f"@{place.object[:12]}" if place.object is not None else ""
        return self._finder.redact(f"{place.path}{version}{member}")

    def _note_outcome(self) -> None:
        if self.allowed:
            note(f"{self.allowed} allowed by a marker on their line; --no-allow shows them")
        if self.found:
            note(f"Whoever reads these places has them: first {self._remedy()}, then take them out.")

    def _remedy(self) -> str:
        """The commands that make worthless what was found."""
        commands = ["`gateway-auth keys revoke ID`"] if "api_key" in self._kinds else []
        if "admin_token" in self._kinds:
            commands.append("`gateway-auth admins rotate NAME`")
        return " and ".join(commands)
