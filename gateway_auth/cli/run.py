"""Runs one command line and turns whatever comes out of it into lines and an exit code. Knows no command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from traceback import format_exception

from gateway_auth.cli import INTERRUPTED
from gateway_auth.cli.app import app
from gateway_auth.cli.failures import Failure, explain
from gateway_auth.cli.options import Invocation
from gateway_auth.cli.output import complain
from gateway_auth.cli.streams import finish_output, forget_output, settle_streams
from gateway_auth.core.redaction import redacted

BROKEN_PIPE = 141
"""Exit code when nobody reads our output, as shells have it: 128 and the number of SIGPIPE."""


def run(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    invocation = Invocation()
    settle_streams()
    try:
        code = app(arguments, prog_name="gateway-auth", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (BrokenPipeError, SystemExit):
        # The parser exits by itself in one case only: when a write inside of it met a broken pipe.
        forget_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place that can turn it into one line
        failure = explain(error)
        trace = "".join(format_exception(error)) if invocation.is_debug and not failure.is_expected else ""
        return _report(failure, trace)


def _report(failure: Failure, trace: str) -> int:
    try:
        sys.stderr.write(redacted(trace))
        for line in failure.lines:
            complain(line)
    except OSError:
        forget_output()
    finish_output()
    return failure.exit_code
