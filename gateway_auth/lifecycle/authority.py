"""Which role may do what: the one table, for everybody who acts. Which objects of a kind somebody sees, `bounds` says.

The user of the command line, who can read the store itself, may do everything; so may the program.
"""

from __future__ import annotations

from typing import Literal, get_args

from gateway_auth.core.actor import Actor, Role
from gateway_auth.errors import Forbidden

Action = Literal[
    "app.read", "app.create", "app.update", "app.disable", "app.enable", "app.delete",
    "key.read", "key.create", "key.update", "key.rotate", "key.disable", "key.enable", "key.revoke", "key.grant",
    "key.delete", "key.verify",
    "token.revoke", "audit.read", "usage.read",
]  # fmt: skip

ACTIONS: tuple[Action, ...] = get_args(Action)

_ON_APPS_AND_KEYS: frozenset[Action] = frozenset(
    action for action in ACTIONS if action.startswith(("app.", "key."))
) | {"usage.read"}

ALLOWED: dict[Role, frozenset[Action]] = {
    "admin": frozenset(ACTIONS),
    "operator": frozenset((*_ON_APPS_AND_KEYS, "token.revoke")),
    "auditor": frozenset(("app.read", "key.read", "key.verify", "audit.read", "usage.read")),
    "developer": _ON_APPS_AND_KEYS,
}
"""A developer does these with apps of its own, and finds no others."""


def authorize(actor: Actor, action: Action) -> None:
    """Raises Forbidden unless the actor's role has this action."""
    if actor.kind != "admin":
        return
    if actor.role is None or action not in ALLOWED[actor.role]:
        raise Forbidden(f"a token of role {actor.role} may not do this ({action})")
