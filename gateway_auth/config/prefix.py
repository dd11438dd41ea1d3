"""The prefix of API keys in a configuration, read by itself: whoever looks for leaked keys has none of the secrets."""

from __future__ import annotations

import os

from gateway_auth.config.overlay import apply_environment
from gateway_auth.config.problems import problem
from gateway_auth.config.source import read
from gateway_auth.config.values import check_prefix
from gateway_auth.core.keyformat import DEFAULT_PREFIX
from gateway_auth.errors import ConfigError


def read_prefix(source: str) -> str:
    """`api_keys.prefix` of a file and the environment. Raises ConfigError where it cannot be known."""
    tables = read(source).tables
    apply_environment(tables, os.environ)
    section = tables.get("api_keys", {})
    prefix = section.get("prefix", DEFAULT_PREFIX) if isinstance(section, dict) else None
    try:
        return check_prefix(prefix if isinstance(prefix, str) else "")
    except ValueError as error:
        raise ConfigError([problem(("api_keys", "prefix"), str(error))]) from error
