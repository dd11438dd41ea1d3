"""What a presented token is, for operators: whose, and whether it would be accepted, check by check. Never for clients.

It asks what the gateway asks, in the same order and by the same functions, up to the first check that refuses. A client
learns less (`core.decide`). It has no keys: who calls it says how a signature is verified, if at all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Literal

from msgspec import Struct, field

from gateway_auth.core.claims import Claims, Expired, build_token, check_claims
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import Rejected, UnverifiedToken, is_jws, parse_compact
from gateway_auth.core.token import Revocation, token_digest
from gateway_auth.lifecycle.input import LAST_SECOND, format_time
from gateway_auth.lifecycle.token_words import CHECKS, why_words
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import RevocationStore

_TIMES = ("iat", "nbf", "exp")
_SHOWN = ("iss", "sub", "aud", "client_id", "azp", "jti", *_TIMES, "scope", "scp", "roles")

StepResult = Literal["passes", "depends", "refuses"]


class TokenStep(Struct, frozen=True):
    """One check: what it says of the token, and why."""

    check: str
    result: StepResult
    because: str


class TokenReport(Struct):
    """What was found. `token` is there when it could be read, `issuer` when it names one with keys here."""

    steps: list[TokenStep] = field(default_factory=list)
    token: UnverifiedToken | None = None
    issuer: Issuer | None = None

    @property
    def is_accepted(self) -> bool | None:
        """Whether a request with it would pass the checks of its credential; None where that cannot be told."""
        results = {step.result for step in self.steps}
        return False if "refuses" in results else None if "depends" in results else True


class Unchecked(Struct, frozen=True):
    """A signature was not verified."""

    because: str


Verify = Callable[[UnverifiedToken, Issuer], Awaitable[bool | Unchecked]]
"""Whether a key of the issuer made the signature of a token."""


async def leave_unchecked(_token: UnverifiedToken, _issuer: Issuer) -> Unchecked:
    """The answer where there are no keys."""
    return Unchecked("it was not verified: the keys of the issuer were not asked for")


class TokenInspector:
    """Looks at tokens by one configuration and what is revoked now."""

    def __init__(
        self, issuers: Sequence[Issuer], revocations: RevocationStore, verify: Verify = leave_unchecked
    ) -> None:
        self._issuers = tuple(issuers)
        self._revocations = revocations
        self._verify = verify

    async def inspect(self, token: bytes, now: float) -> TokenReport:
        """The report on a token (`tokens.check_token`). Raises StoreUnavailable."""
        report = TokenReport()
        parsed = parse_compact(token) if self._is_signed(token) else None
        if isinstance(parsed, Rejected):
            report.steps.append(TokenStep("form", "refuses", why_words(parsed.why)))
            return report
        report.token = parsed
        report.issuer = self._issuer_of(parsed)
        async with aclosing(self._steps(token, report, now)) as steps:
            async for step in steps:
                report.steps.append(step)
                if step.result == "refuses":
                    break
        return report

    def _is_signed(self, token: bytes) -> bool:
        """As on a request: where issuers have keys, what looks like a JWT is one; the rest is asked about."""
        if not any(issuer.has_keys for issuer in self._issuers):
            return False
        return is_jws(token) or (token.count(b".") == 2 and not any(issuer.is_introspected for issuer in self._issuers))

    def _steps(self, token: bytes, report: TokenReport, now: float) -> AsyncGenerator[TokenStep, None]:
        if report.token is None:
            form, otherwise = (
                "it is opaque here: only its issuer can tell what it says",
                "none is asked about such tokens",
            )
            return self._of_opaque(token, form, otherwise, now)
        if report.issuer is None:
            named = report.token.unverified_claims.get("iss")
            return self._of_opaque(
                token, "it is a signed JWT", f"none with keys has the iss of the token: {named}", now
            )
        return self._of_signed(report.token, report.issuer, now)

    async def _of_opaque(self, token: bytes, form: str, otherwise: str, now: float) -> AsyncGenerator[TokenStep, None]:
        yield TokenStep("form", "passes", form)
        yield self._asked(otherwise)
        yield await self._not_revoked(lambda entry: _is_of(entry, token), now)

    async def _of_signed(self, token: UnverifiedToken, issuer: Issuer, now: float) -> AsyncGenerator[TokenStep, None]:
        yield TokenStep("form", "passes", "it is a signed JWT")
        yield TokenStep("issuer", "passes", f"{issuer.id} ({issuer.issuer})")
        yield _algorithm(token, issuer)
        yield await self._signature(token, issuer)
        claims = check_claims(token, issuer, now)
        for step in _claims(claims, issuer):
            yield step
        if isinstance(claims, Claims):
            supposed = build_token(token, claims, issuer, {})
            yield await self._not_revoked(lambda entry: entry.covers(supposed), now)

    def _issuer_of(self, token: UnverifiedToken | None) -> Issuer | None:
        named = token.unverified_claims.get("iss") if token is not None else None
        return next((issuer for issuer in self._issuers if issuer.has_keys and issuer.issuer == named), None)

    def _asked(self, otherwise: str) -> TokenStep:
        asked = ", ".join(issuer.id for issuer in self._issuers if issuer.is_introspected)
        if not asked:
            return TokenStep("issuer", "refuses", otherwise)
        return TokenStep("issuer", "depends", f"the gateway would ask {asked}; it was not asked now")

    async def _signature(self, token: UnverifiedToken, issuer: Issuer) -> TokenStep:
        answer = await self._verify(token, issuer)
        if isinstance(answer, Unchecked):
            return TokenStep("signature", "depends", answer.because)
        if answer:
            return TokenStep("signature", "passes", "a key of the issuer made it")
        return TokenStep("signature", "refuses", "no key of the issuer made it")

    async def _not_revoked(self, is_about: Callable[[Revocation], bool], now: float) -> TokenStep:
        reading = await self._revocations.read_revocations(0)
        found = next((entry for entry in reading.revocations if entry.expires_at > now and is_about(entry)), None)
        if found is None:
            return TokenStep("revocation", "passes", "it was not taken back")
        at = format_time(int(found.revoked_at))
        return TokenStep("revocation", "refuses", f"it was taken back at {at}, by its {found.kind} ({found.id})")


def _is_of(entry: Revocation, token: bytes) -> bool:
    return entry.kind == "token" and entry.value == token_digest(token).hex()


def _algorithm(token: UnverifiedToken, issuer: Issuer) -> TokenStep:
    allowed = ", ".join(issuer.algorithms)
    if token.algorithm in issuer.algorithms:
        return TokenStep("algorithm", "passes", token.algorithm)
    return TokenStep("algorithm", "refuses", f"{token.algorithm} is none of {allowed}")


def _claims(verdict: Claims | Rejected | Expired, issuer: Issuer) -> Iterator[TokenStep]:
    """The checks of the claims: the gateway says which of them is the first to refuse, so those before it passed."""
    why = verdict.why if isinstance(verdict, Rejected) else "expired" if isinstance(verdict, Expired) else None
    for check in CHECKS:
        if why is not None and why in check.reasons:
            yield TokenStep(check.name, "refuses", why_words(why, issuer))
        else:
            yield TokenStep(check.name, "passes", check.passed)


def report_view(report: TokenReport) -> View:
    """What people see. Nothing of it is proven unless the signature passes; the token itself is not in it."""
    token = report.token
    claims = token.unverified_claims if token is not None else {}
    shown = {name: _shown(name, claims[name]) for name in _SHOWN if name in claims}
    return {
        "form": _form(report),
        "accepted": report.is_accepted,
        "issuer": report.issuer.id if report.issuer is not None else None,
        "header": {"alg": token.algorithm, "kid": token.key_id, "typ": token.token_type} if token is not None else {},
        "claims": shown,
        "checks": [{"check": step.check, "result": step.result, "because": step.because} for step in report.steps],
    }


def _form(report: TokenReport) -> str:
    if report.token is not None:
        return "jwt"
    return "unreadable" if report.steps[0].result == "refuses" else "opaque"


def _shown(name: str, value: object) -> object:
    """A claim as people read it: times as everywhere in our answers."""
    if name in _TIMES and isinstance(value, int | float) and 0 <= value <= LAST_SECOND:
        return format_time(int(value))
    return value
