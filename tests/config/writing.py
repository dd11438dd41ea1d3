"""What the tests of the configuration write: the least that loads, and what was said against the rest."""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway_auth.config import Configuration, load
from gateway_auth.errors import ConfigError

PEPPER = "q7Wd0xVnT4ZbLr9KfEy2uHs6JmCa8PoG1iXv5NtB"
ENVIRON = {"GATEWAY_AUTH_PEPPER": PEPPER}
Written = dict[str, object]


def written(**sections: object) -> Written:
    """The least configuration that loads, with these sections."""
    return {"secrets": {"pepper": "env:GATEWAY_AUTH_PEPPER"}, **sections}


def route(**keys: object) -> Written:
    """A route, with these keys."""
    return {"id": "orders", "path": "/v1/orders", **keys}


def with_route(**keys: object) -> Written:
    """The least configuration with one route of these keys."""
    return written(routes=[route(**keys)])


def loaded(source: str | Path | Mapping[str, object], **environ: str) -> Configuration:
    """What `source` loads to, in an environment of the pepper and these variables."""
    return load(source, environ=ENVIRON | environ)


def problems(
    source: str | os.PathLike[str] | Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> list[str]:
    """What is said against `source`; nothing when it loads."""
    try:
        load(source, environ=ENVIRON if environ is None else environ, overrides=overrides)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []
