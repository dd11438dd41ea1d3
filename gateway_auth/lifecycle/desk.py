"""Where somebody acts on the store: every operation there is, asked of `authority` first and inside `bounds`.

The admin plane works here and nowhere else, so that neither a role nor an owner is forgotten. Knows no HTTP. Objects
come as people see them (`views`); the one secret is the text of a key that was made.
"""

from __future__ import annotations

from gateway_auth.core.actor import Actor
from gateway_auth.lifecycle.authority import Action
from gateway_auth.lifecycle.conditions import Expected
from gateway_auth.lifecycle.desk_apps import AppDesk
from gateway_auth.lifecycle.desk_keys import KeyDesk
from gateway_auth.lifecycle.desk_records import RecordDesk
from gateway_auth.lifecycle.events import denied_event
from gateway_auth.lifecycle.once import Once
from gateway_auth.lifecycle.workplace import Tools, Workplace


class Desk:
    """For one actor and one request. Every method raises Forbidden and StoreUnavailable, and what its use case raises.

    `expected` is the condition of a change (Outdated where it is not met), `once` what a creation is remembered by
    (RepeatedOtherwise where it was used for another one).
    """

    def __init__(
        self, tools: Tools, actor: Actor, *, expected: Expected | None = None, once: Once | None = None
    ) -> None:
        self._place = Workplace(tools, actor, expected, once)
        self.apps = AppDesk(self._place)
        self.keys = KeyDesk(self._place)
        self.records = RecordDesk(self._place)

    def may(self, action: Action) -> None:
        """Raises Forbidden unless the actor's role has this action."""
        self._place.may(action)

    async def note_denied(self, action: Action, object_id: str) -> None:
        """Put into the audit that the actor asked for it, of an object or of none yet ("")."""
        tools, actor = self._place.tools, self._place.actor
        async with tools.registry.transaction() as transaction:
            await transaction.witness(denied_event(tools.clock.now(), actor, action, object_id))
