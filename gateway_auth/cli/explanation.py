"""What `config explain` found out, as values and as JSON. It finds out nothing itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from gateway_auth.cli.rate_words import rate_words
from gateway_auth.core.decision import REASONS, Reason
from gateway_auth.core.policy import Policy

Result = Literal["passes", "depends", "refuses"]


NEVER_SHADOWED = frozenset(
    (Reason.MALFORMED_REQUEST, Reason.HTTPS_REQUIRED, Reason.NO_MATCHING_ROUTE, Reason.CREDENTIAL_IN_URL)
)
"""Refused whatever mode the route is in: the first three come before a route is known."""


def result_of(is_met: bool | None) -> Result:
    """What a check says of something known to be so, known not to be, or not known."""
    return "depends" if is_met is None else "passes" if is_met else "refuses"


class Step(Struct, frozen=True):
    """One check: what it says of the request, and why. `reason` is what a refusal of it is called."""

    check: str
    result: Result
    because: str
    reason: Reason | None = None


class Explanation(Struct):
    """The checks in order, up to the first that refuses whatever else the request brings."""

    method: str
    path: str
    policy: Policy | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def refusal(self) -> Reason | None:
        """What the request is refused with for certain, if it is."""
        return None if self.shadowed is not None else self._first()

    @property
    def shadowed(self) -> Reason | None:
        """What the route would refuse it with for certain, were it not in shadow mode."""
        reason = self._first()
        is_shadow = self.policy is not None and self.policy.is_shadow
        return reason if is_shadow and reason not in NEVER_SHADOWED else None

    def _first(self) -> Reason | None:
        return next((step.reason for step in self.steps if step.result == "refuses"), None)

    def summary(self) -> str:
        """One line."""
        request = f"{self.method} {self.path}"
        if self.refusal is not None:
            return f"{request} is refused: {REASONS[self.refusal].status} {self.refusal}"
        if self.shadowed is not None:
            route_id = self.policy.id if self.policy is not None else ""
            return f"{request} passes, as route {route_id} is in shadow mode; else it would be refused: {self.shadowed}"
        shadow = ", which is in shadow mode" if self.policy is not None and self.policy.is_shadow else ""
        return f"{request} falls under route {self.policy.id if self.policy is not None else ''}{shadow}"

    def view(self) -> dict[str, object]:
        """For JSON."""
        refusal = self.refusal
        return {
            "method": self.method,
            "path": self.path,
            "route": route_view(self.policy) if self.policy is not None else None,
            "refused": refusal,
            "shadowed": self.shadowed,
            "status": None if refusal is None else REASONS[refusal].status,
            "checks": [
                {"check": step.check, "result": step.result, "because": step.because, "reason": step.reason}
                for step in self.steps
            ],
        }


def route_view(policy: Policy) -> dict[str, object]:
    """A route with everything it says."""
    return {
        "id": policy.id,
        "path": policy.path,
        "methods": sorted(policy.methods) if policy.methods is not None else None,
        "access": policy.access,
        "credentials": sorted(policy.credentials),
        "scopes": sorted(policy.scopes),
        "any_scopes": sorted(policy.any_scopes),
        "roles": sorted(policy.roles),
        "allow_networks": list(policy.allow_networks.texts),
        "deny_networks": list(policy.deny_networks.texts),
        "allow_referrers": [pattern.text for pattern in policy.referrers],
        "limits": [
            *(
                {"id": limit.id, "rate": rate_words(limit.rate), "by": limit.by, "cost": limit.cost}
                for limit in policy.limits.limits
            ),
            *({"id": limit.id, "in_flight": limit.slots, "by": limit.by} for limit in policy.limits.slots),
        ],
        "upstream": policy.upstream,
        "websocket": policy.is_websocket,
        "mode": "shadow" if policy.is_shadow else "enforce",
    }
