"""What the demo prints: keys, requests to copy, and the table of a check."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway_auth.cli.options import DEFAULT_CONFIG
from gateway_auth.cli.output import tell, tell_table

if TYPE_CHECKING:
    from gateway_auth.cli.demo_check import Taken
    from gateway_auth.demo.cast import DemoKey
    from gateway_auth.demo.tour import TourStep

_COLUMNS = ("", "method", "path", "credential", "expected", "got")


class AdminPlace(Struct, frozen=True):
    """Where the admin plane is, and a token for it."""

    port: int
    token: str

    def __repr__(self) -> str:
        return f"AdminPlace(port={self.port})"


def tell_tour(
    keys: Mapping[str, DemoKey],
    steps: Sequence[TourStep],
    admin: AdminPlace,
    directory: Path,
    port: int,
    *,
    is_kept: bool,
) -> None:
    """Keys first, then a curl line for each answer."""
    base_url = f"http://127.0.0.1:{port}"
    tell(f"A gateway on {base_url}, in front of a sample orders API. Ctrl-C stops both.")
    tell(f"Its configuration, secrets and store: {directory} ({'kept' if is_kept else 'removed at the end'})")
    tell()
    tell("Keys")
    for key in keys.values():
        tell(f"  {key.name:<9} {key.text}  {key.about}")
    tell()
    tell("Requests to copy, and what they answer")
    for step in steps:
        tell()
        tell(f"  # {step.expected}: {step.title}")
        tell(f"  {step.curl(base_url)}")
    tell()
    tell(f"The admin API on http://127.0.0.1:{admin.port}, and a token of role admin for it")
    tell(f"  {admin.token}")
    tell()
    tell("  # 200: the keys, as the admin API tells them")
    tell(f"  curl -si -H 'Authorization: Bearer {admin.token}' http://127.0.0.1:{admin.port}/api/v1/keys")
    reader, command = keys["reader"], _command()
    config = shlex.quote(str((directory / DEFAULT_CONFIG).absolute()))
    tell()
    tell("From another terminal: the reader's key stops working within two seconds, and works again")
    tell(f"  {command} keys disable {reader.key_id} -c {config}")
    tell(f"  {command} keys enable {reader.key_id} -c {config}")


def _command() -> str:
    """How this program is called from anywhere: `make run` puts it into no PATH."""
    script = Path(sys.executable).with_name("gateway-auth")
    return "gateway-auth" if which("gateway-auth") or not script.exists() else shlex.quote(str(script))


def tell_check(taken: Sequence[Taken]) -> bool:
    """A row for each request. Returns whether every answer was the expected one."""
    rows = [
        ("ok" if one.is_expected else "failed", one.step.method, one.step.path, one.step.credential,
         one.step.expected, one.got)
        for one in taken
    ]  # fmt: skip
    tell_table(_COLUMNS, rows)
    wrong = sum(not one.is_expected for one in taken)
    tell()
    tell(f"{len(taken) - wrong} of {len(taken)} answers are as expected")
    return wrong == 0
