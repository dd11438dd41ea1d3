"""The way of one request, from facts to decision: `begin` without ever waiting, `resume` where something must be asked.

A cached request is decided by `begin` alone. The order of checks is the contract's (section 5) and is the same on
both ways: what a cache gives is who, and everything else is asked again on every request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from gateway_auth.core import decide
from gateway_auth.core.cachekey import partitions_of
from gateway_auth.core.credential import Absent, ApiKey, Jwt, Opaque, Repeated, extract
from gateway_auth.core.decision import Allow, Decision, Deny, Reason
from gateway_auth.core.keyformat import ADMIN_MARKER, find_admin_id
from gateway_auth.core.keys import VerifiedKey
from gateway_auth.core.limits import NO_LIMITS, LimitOutcome, LimitSet
from gateway_auth.core.outcome import DEPENDENCY_RETRY_SECONDS
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import ANONYMOUS, Principal
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.api_key import Invalid, KeyVerifier
from gateway_auth.engine.brake import Brake
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.needs import Need, TakeLimits, VerifyKey, VerifyToken
from gateway_auth.errors import IssuerUnavailable, StoreUnavailable
from gateway_auth.ports import Clock, LimitStore

if TYPE_CHECKING:
    from gateway_auth.engine.bearer import BearerVerifier

_KEPT_IN_SHADOW = frozenset(
    (
        Reason.INSUFFICIENT_SCOPE,
        Reason.INSUFFICIENT_ROLE,
        Reason.RATE_LIMITED,
        Reason.REFERRER_NOT_ALLOWED,
        Reason.APPLICATION_NOT_ALLOWED,
        Reason.REQUEST_NOT_ALLOWED,
        Reason.NETWORK_NOT_ALLOWED,
        Reason.DEPENDENCY_UNAVAILABLE,  # of limits; where the credential could not be checked there is no principal
    )
)
"""Refusals after which a route in shadow mode still says who it was; after all others nobody was proven."""

_NEVER_SHADOWED = frozenset((Reason.CREDENTIAL_IN_URL, Reason.BODY_TOO_LARGE))
"""Refused in shadow mode too: a key in a URL would go on in it, and the cap protects what is behind."""
_DECISIONS = (Allow, Deny)
UNCOUNTABLE = "The limits of this request cannot be counted right now; try again after Retry-After."


class Engine:
    """Decides. One per worker; everything it holds is of one configuration."""

    def __init__(
        self,
        rules: RuleSet,
        keys: KeyVerifier,
        limits: LimitStore,
        brake: Brake,
        changes: ChangeFollower,
        clock: Clock,
        tokens: BearerVerifier | None = None,
    ) -> None:
        self.rules = rules
        self._is_https_required = rules.is_https_required
        self._max_body_bytes = rules.max_body_bytes
        self._routes = rules.routes
        self._format = rules.key_format
        self._marker = rules.key_format.marker
        self._keys = keys
        self._limits = limits
        self._brake = brake
        self._changes = changes
        self._now = clock.now
        self.tokens = tokens

    def begin(self, facts: RequestFacts) -> Decision | Need:
        """The decision, or what has to be awaited for it."""
        if self._is_https_required and not facts.is_tls:
            return self._early(Deny(Reason.HTTPS_REQUIRED), facts)
        policy = self._routes.match(facts.method, facts.path)
        is_anonymous = False
        if facts.method == "OPTIONS" and facts.preflight_method is not None:
            policy, is_anonymous = self._route_preflight(facts.preflight_method, facts.path, policy)
        if policy is None:
            return self._early(Deny(Reason.NO_MATCHING_ROUTE), facts)
        result = self._judge(policy, facts, is_anonymous or policy.access == "public")
        return self._shadow(result, facts) if policy.is_shadow else result

    async def decide(self, facts: RequestFacts) -> Decision:
        """The decision, waiting where that is needed."""
        return await self.resume(self.begin(facts))

    async def resume(self, result: Decision | Need) -> Decision:
        """Wait for what a decision needs, and decide. A decision needs nothing more."""
        while True:
            need = result
            # Where limits are counted elsewhere every request comes this way: no coroutine more, no false `isinstance`.
            if type(need) is TakeLimits:
                outcome = await self._limits.take(need.limits, need.partitions)
                result = self._with_limits(need.policy, need.principal, need.limits, outcome)
            elif isinstance(need, _DECISIONS):
                return need
            else:
                result = await self._verify(need)
            if need.policy.is_shadow:
                result = self._shadow(result, need.facts)

    # -- the steps ------------------------------------------------------------------------------------------------

    def _route_preflight(self, method: str, path: str, otherwise: Policy | None) -> tuple[Policy | None, bool]:
        """The route a preflight asks about, and whether it passes unauthenticated there."""
        if otherwise is not None and otherwise.methods is not None:
            return otherwise, False  # A route that names OPTIONS itself is asked like any other.
        asked_for = self._routes.match(method, path)
        if asked_for is not None and asked_for.is_preflight_passed:
            return asked_for, True
        return otherwise or asked_for, False

    def _judge(self, policy: Policy, facts: RequestFacts, is_anonymous: bool) -> Decision | Need:
        denial = decide.before_verify(policy, facts)
        if denial is None and not is_anonymous and not self._brake.is_idle:
            denial = self._braked(policy, facts)
        if denial is not None:
            return self._early(denial, facts)
        if facts.query:
            denial = self._find_exposed(policy, facts.query)
            if denial is not None:
                return denial
        if is_anonymous:
            return self._conclude(policy, facts, ANONYMOUS, policy.limits, is_asked=policy.access == "public")
        return self._authenticate(policy, facts)

    def _braked(self, policy: Policy, facts: RequestFacts) -> Deny | None:
        wait_seconds = self._brake.wait_seconds(facts.client)
        return Deny(Reason.TOO_MANY_FAILURES, policy, retry_after_seconds=wait_seconds) if wait_seconds else None

    def _early(self, denial: Deny, facts: RequestFacts) -> Deny:
        """Refused before the query is looked at: a secret of ours in it is told of all the same."""
        exposed = self._find_exposed(denial.policy, facts.query)
        if exposed is None:
            return denial
        return replace(denial, exposed_key_id=exposed.exposed_key_id, exposed_admin_id=exposed.exposed_admin_id)

    def _find_exposed(self, policy: Policy | None, query: bytes) -> Deny | None:
        """The refusal where a key or an admin token of ours stands in the query, plainly or percent-encoded."""
        if b"%" in query:
            query = unquote_to_bytes(query)
        key_id = self._format.find(query) if self._marker in query else None
        admin_id = find_admin_id(query) if ADMIN_MARKER in query else None
        if key_id is None and admin_id is None:
            return None
        return Deny(Reason.CREDENTIAL_IN_URL, policy, exposed_key_id=key_id, exposed_admin_id=admin_id)

    def _authenticate(self, policy: Policy, facts: RequestFacts) -> Decision | Need:
        credential = extract(facts, self._format)
        if isinstance(credential, ApiKey) and "api_key" in policy.credentials:
            key = self._keys.recall(credential)
            if key is None:
                return VerifyKey(policy, facts, credential.presented)
            return self._with_key(policy, facts, key)
        if isinstance(credential, (Jwt, Opaque)) and self.tokens is not None:
            token = self.tokens.recall(credential, policy.credentials)
            if token is None:
                return VerifyToken(policy, facts, credential)
            return self._with_token(policy, facts, token)
        if (
            isinstance(credential, (Jwt, Opaque))
            and self._keys.imported is not None
            and "api_key" in policy.credentials
        ):
            # Keys from elsewhere came as bearers there, and nobody has issued tokens here.
            key = self._keys.recall(ApiKey(credential.presented))
            return VerifyKey(policy, facts, credential.presented) if key is None else self._with_key(policy, facts, key)
        if isinstance(credential, Repeated):
            return Deny(Reason.AMBIGUOUS_CREDENTIALS, policy)
        if isinstance(credential, Absent):
            if policy.access == "optional":
                return self._conclude(policy, facts, ANONYMOUS, policy.limits)
            return Deny(Reason.CREDENTIAL_REQUIRED, policy)
        return self._invalid(policy, facts)

    def _invalid(self, policy: Policy, facts: RequestFacts) -> Deny:
        self._brake.failed(facts.client)
        return Deny(Reason.INVALID_CREDENTIAL, policy)

    def _with_key(self, policy: Policy, facts: RequestFacts, key: VerifiedKey | Invalid) -> Decision | Need:
        if not isinstance(key, VerifiedKey):
            return self._invalid(policy, facts)
        if not self._brake.is_idle:
            self._brake.succeeded(facts.client)
        clock = self._now
        now = clock()
        if not (key.is_active and key.usable_from <= now < key.usable_until):
            return Deny(decide.unusable_reason(key, now), policy, key.principal)
        principal = key.principal if now < key.principal_until else key.principal_at(now)
        if key.restrictions is not None:
            denial = decide.key_restrictions(policy, key.restrictions, principal, facts)
            if denial is not None:
                return denial
        limits = policy.limits if key.limits is NO_LIMITS else policy.limits.joined(key.limits)
        return self._conclude(policy, facts, principal, limits)

    def _with_token(self, policy: Policy, facts: RequestFacts, token: VerifiedToken | Reason) -> Decision | Need:
        if not isinstance(token, VerifiedToken):
            return self._invalid(policy, facts) if token is Reason.INVALID_CREDENTIAL else Deny(token, policy)
        if not self._brake.is_idle:
            self._brake.succeeded(facts.client)
        # Asked on every request, however lately the token was proven: it may end while it is remembered.
        now = self._now()
        if now >= token.usable_until:
            return Deny(Reason.CREDENTIAL_EXPIRED, policy, token.principal)
        if now < token.usable_from:
            return self._invalid(policy, facts)
        return self._conclude(policy, facts, token.principal, policy.limits)

    def _conclude(
        self, policy: Policy, facts: RequestFacts, principal: Principal, limits: LimitSet, *, is_asked: bool = True
    ) -> Decision | Need:
        """What does not depend on how the principal was proven. Limits come last: what is refused before costs nothing.

        A preflight asks what a request would have to bring and brings nothing itself: for it, `is_asked` is false.
        """
        if is_asked:
            denial = decide.authorization(policy, principal, facts)
            if denial is not None:
                return denial
        if facts.body_bytes is not None and facts.body_bytes > self._max_body_bytes:
            return Deny(Reason.BODY_TOO_LARGE, policy, principal)
        if not limits.bys:
            return Allow(policy, principal, is_degraded=self._changes.is_degraded)
        partitions = partitions_of(limits.bys, principal, facts.client)
        outcome = self._limits.take_now(limits, partitions)
        if outcome is None:
            return TakeLimits(policy, facts, principal, limits, partitions)
        if outcome.is_admitted and outcome.counted is None:  # also here, as nearly every request ends so
            return Allow(policy, principal, limits, outcome, None, self._changes.is_degraded)
        return self._with_limits(policy, principal, limits, outcome)

    def _with_limits(self, policy: Policy, principal: Principal, limits: LimitSet, outcome: LimitOutcome) -> Decision:
        if outcome.is_admitted and outcome.counted is None:
            return Allow(policy, principal, limits, outcome, None, self._changes.is_degraded)
        if outcome.is_unavailable:
            wait_seconds = outcome.retry_after_seconds
            return Deny(Reason.DEPENDENCY_UNAVAILABLE, policy, principal, UNCOUNTABLE, wait_seconds)
        is_degraded = self._changes.is_degraded or outcome.counted is not None
        limits = limits if outcome.counted is None else outcome.counted
        if outcome.is_admitted:
            return Allow(policy, principal, limits, outcome if limits else None, None, is_degraded)
        return Deny(
            Reason.RATE_LIMITED,
            policy,
            principal,
            retry_after_seconds=outcome.retry_after_seconds,
            limits=limits,
            outcome=outcome,
        )

    async def _verify(self, need: VerifyKey | VerifyToken) -> Decision | Need:
        match need:
            case VerifyKey(policy, facts, presented):
                try:
                    key = await self._keys.verify(presented)
                except StoreUnavailable:
                    return Deny(Reason.DEPENDENCY_UNAVAILABLE, policy, retry_after_seconds=DEPENDENCY_RETRY_SECONDS)
                # Guesses that all waited for the store at once are still no more than the brake allows.
                denial = None if isinstance(key, VerifiedKey) else self._braked(policy, facts)
                return denial or self._with_key(policy, facts, key)
            case VerifyToken(policy, facts, credential):
                return await self._verify_token(policy, facts, credential)
            case _:
                assert_never(need)

    async def _verify_token(self, policy: Policy, facts: RequestFacts, credential: Jwt | Opaque) -> Decision | Need:
        if self.tokens is None:
            raise AssertionError("a token to verify without issuers")
        try:
            token = await self.tokens.verify(credential, policy.credentials)
        except (IssuerUnavailable, StoreUnavailable):
            return Deny(Reason.DEPENDENCY_UNAVAILABLE, policy, retry_after_seconds=DEPENDENCY_RETRY_SECONDS)
        denial = None if isinstance(token, VerifiedToken) else self._braked(policy, facts)
        return denial or self._with_token(policy, facts, token)

    def _shadow(self, result: Decision | Need, facts: RequestFacts) -> Decision | Need:
        """A route in shadow mode lets pass what it would have refused, and says so."""
        if not isinstance(result, Deny) or result.policy is None or result.reason in _NEVER_SHADOWED:
            return result
        exposed = self._find_exposed(result.policy, facts.query)
        if exposed is not None:
            return exposed
        if facts.body_bytes is not None and facts.body_bytes > self._max_body_bytes:
            return Deny(Reason.BODY_TOO_LARGE, result.policy, result.principal)
        principal = result.principal if result.reason in _KEPT_IN_SHADOW else None
        return Allow(result.policy, principal or ANONYMOUS, shadowed=result.reason)
