"""Everything a configuration forwards to, by what routes call it: groups by name, single servers by address."""

from __future__ import annotations

from gateway_auth.config import Configuration
from gateway_auth.core.upstream import Upstream
from gateway_auth.errors import Problem
from gateway_auth.proxy import InvalidUpstream, parse_upstream, tls_context


def named_upstreams(configuration: Configuration) -> dict[str, Upstream]:
    """Groups, and an upstream for each address that stands in place of a name."""
    names = [configuration.default_upstream, *(policy.upstream for policy in configuration.rules.policies)]
    groups = configuration.upstreams
    return groups | {name: parse_upstream(name) for name in names if name is not None and name not in groups}


def unusable_upstreams(configuration: Configuration) -> list[Problem]:
    """What is wrong with the certificates and keys of TLS, as far as it shows before connecting."""
    problems = []
    for name, upstream in named_upstreams(configuration).items():
        if upstream.has_tls:
            try:
                tls_context(upstream.tls)
            except InvalidUpstream as error:
                problems.append(Problem(f"upstreams.{name}", str(error)))
    return problems
