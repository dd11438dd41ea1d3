"""`gateway-auth webhooks`: what is told to others, and what did not arrive. `lifecycle` decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_auth.cli.failures import CommandRefused
from gateway_auth.cli.options import AsJson, Config
from gateway_auth.cli.output import tell, tell_json, tell_list
from gateway_auth.cli.session import Session, with_session

if TYPE_CHECKING:
    from gateway_auth.core.webhook import Delivery
    from gateway_auth.lifecycle.views import View

webhooks = typer.Typer(help="Events told to others by signed HTTP requests.", no_args_is_help=True)

_COLUMNS = ("id", "event", "status", "attempts", "next_at", "last_error")
_STATUSES = ("waiting", "delivered", "dead")


@webhooks.command()
def deliveries(
    status: Annotated[
        str, typer.Option(metavar="waiting|delivered|dead", help="Only those; `dead` were given up.")
    ] = "",
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """List what was sent, what waits, and what was given up."""
    if status not in ("", *_STATUSES):
        raise CommandRefused(f"--status: must be one of {', '.join(_STATUSES)}")

    async def collect(session: Session) -> list[View]:
        from gateway_auth.lifecycle.webhooks import delivery_view

        return [delivery_view(one) async for one in session.webhooks.deliveries(status or None)]

    views = with_session(config, collect)
    tell_list(views, _COLUMNS, as_json, none="There are no such deliveries.")


@webhooks.command()
def retry(
    delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY_ID", help="As `webhooks deliveries` shows it.")],
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Send one again that waits or was given up."""
    _queue(config, lambda session: session.webhooks.retry(delivery_id), as_json)


@webhooks.command("test")
def send_test(
    webhook_id: Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id in the configuration.")],
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """Send an event of type `webhook.test`. A running gateway does it."""
    _queue(config, lambda session: session.webhooks.test(webhook_id), as_json)


def _queue(config: str, change: Callable[[Session], Awaitable[Delivery]], as_json: bool) -> None:
    from gateway_auth.lifecycle.webhooks import delivery_view

    delivery = with_session(config, change)
    if as_json:
        tell_json(delivery_view(delivery))
    else:
        tell(f"{delivery.id} is sent within seconds by a running gateway")
