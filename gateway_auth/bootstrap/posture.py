"""What a gateway says of itself when it starts, so that nobody has to guess it from the file."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from gateway_auth.config import Configuration
from gateway_auth.config.configuration import IssuerSettings
from gateway_auth.core.policy import Policy
from gateway_auth.core.ruleset import RuleSet

logger = logging.getLogger("gateway_auth")


def log_posture(configuration: Configuration) -> None:
    """Say what is open, whom it believes, and what happens in trouble."""
    rules = configuration.rules
    logger.info("%d routes; every request that matches none is refused", len(rules.policies))
    for access in ("public", "optional"):
        logger.info("%s routes: %s", access, _named(policy for policy in rules.policies if policy.access == access))
    logger.info("trusted proxies: %s", ", ".join(rules.trusted_proxies.texts) or "none, forwarding headers are ignored")
    for settings in configuration.issuers:
        logger.info("tokens of %s (%s): %s", settings.rules.id, settings.rules.issuer, _proof(settings))
    logger.info(
        "store unreachable: known keys for up to %ss, then 503; unknown keys 503", configuration.max_stale_seconds
    )
    if configuration.redis is None:
        logger.info("limits are counted in this process alone")
    else:
        logger.info("limits are counted in Redis; unreachable: %s", _without_redis(rules))
    for warning in configuration.warnings:
        logger.warning("%s", warning)


def _without_redis(rules: RuleSet) -> str:
    """How many limits end in each way while nobody can count for all."""
    sets = [*(policy.limits for policy in rules.policies), *rules.plans.values()]
    modes = Counter(limit.on_unavailable for limits in sets for limit in limits.limits)
    modes.update(limit.on_unavailable for limits in sets for limit in limits.slots)
    words = {"local": "by this worker's share", "deny": "with 503", "allow": "not at all"}
    return ", ".join(f"{count} {words[mode]}" for mode, count in modes.items()) or "there are none"


def _named(policies: Iterable[Policy]) -> str:
    names = [f"{policy.id} ({' '.join(sorted(policy.methods or ('any',)))} {policy.path})" for policy in policies]
    return ", ".join(names) or "none"


def _proof(settings: IssuerSettings) -> str:
    """How tokens of an issuer are verified."""
    ways = []
    if settings.rules.has_keys:
        address = _without_query(settings.jwks_url) if settings.jwks_url else settings.jwks_file
        origin = address or ("a shared secret" if settings.secret else "its metadata")
        names = ", ".join(settings.rules.algorithms)
        ways.append(f"{names} by keys from {origin}, the last good ones for {settings.keys_max_age_seconds}s, then 503")
    if settings.introspection is not None:
        ways.append(f"opaque ones by asking {_without_query(settings.introspection.url)}; unreachable: 503")
    return "; ".join(ways)


def _without_query(address: str) -> str:
    """A query may hold a secret."""
    return address.partition("?")[0]
