"""The command `gateway-auth`: its entrance. Each command loads what it needs when it runs, and no other's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, `sys.argv` unless given. Returns its exit code."""
    try:
        from gateway_auth.cli.run import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write("gateway-auth: the command line needs more packages: pip install 'gateway-auth[cli]'\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
