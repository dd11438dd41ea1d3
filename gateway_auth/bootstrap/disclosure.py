"""What takes reports of leaked secrets, put together from the configuration. Nothing is fetched before one comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemRandom
from gateway_auth.bootstrap.admin import TellingRegistry
from gateway_auth.bootstrap.management import ManagedRegistry
from gateway_auth.bootstrap.sharing import tell_of_change
from gateway_auth.config import Configuration
from gateway_auth.config.configuration import DisclosureSettings
from gateway_auth.engine.keysets import IssuerKeys
from gateway_auth.errors import ConfigError
from gateway_auth.lifecycle.disclosure import DiscloseSecrets, Measures
from gateway_auth.ports import Clock, KeySetSource

MAX_AGE_SECONDS = 86400.0
"""While the partner does not answer, its last good keys serve this long."""
FRESH_SECONDS = 3600.0
COOL_DOWN_SECONDS = 300.0
"""Without an account GitHub answers an address 60 times an hour. Anybody can name a key that is none: it is asked about
such once in five minutes, by each worker."""
FILE_FRESH_SECONDS, FILE_COOL_DOWN_SECONDS = 60.0, 1.0
"""A file costs nobody anything."""


class Disclosure:
    """`keys` prove who reports, `secrets` does what is to be done; `name` is the reporter's in the audit."""

    def __init__(
        self, name: str, keys: IssuerKeys, secrets: DiscloseSecrets, close: Callable[[], Awaitable[None]]
    ) -> None:
        self.name = name
        self.keys = keys
        self.secrets = secrets
        self._close = close

    async def close(self) -> None:
        """Fetch no more."""
        await self.keys.stop()
        await self._close()


def open_disclosure(configuration: Configuration, store: SqlStore, clock: Clock) -> Disclosure | None:
    """Nothing where nobody may report. Raises ConfigError where a library is missing."""
    settings = configuration.disclosure
    if settings is None:
        return None
    keys, close = _open_keys(settings, clock)

    async def tell() -> None:
        if configuration.redis is not None:
            await tell_of_change(configuration.redis)

    secrets = DiscloseSecrets(
        TellingRegistry(ManagedRegistry(store, configuration, clock), tell),
        clock,
        key_format=configuration.rules.key_format,
        peppers=configuration.peppers,
        measures=Measures(live=settings.live, test=settings.test, admin=settings.admin),
    )
    return Disclosure(settings.name, keys, secrets, close)


def _open_keys(settings: DisclosureSettings, clock: Clock) -> tuple[IssuerKeys, Callable[[], Awaitable[None]]]:
    source, close = open_source(settings)
    is_remote = settings.keys_url is not None
    keys = IssuerKeys(
        f"disclosure:{settings.name}",
        source,
        clock,
        SystemRandom(),
        max_age_seconds=MAX_AGE_SECONDS,
        fresh_seconds=FRESH_SECONDS if is_remote else FILE_FRESH_SECONDS,
        cool_down_seconds=COOL_DOWN_SECONDS if is_remote else FILE_COOL_DOWN_SECONDS,
    )
    return keys, close


def open_source(settings: DisclosureSettings) -> tuple[KeySetSource, Callable[[], Awaitable[None]]]:
    """Where the public keys come from, and what closes it. Raises ConfigError where a library is missing."""
    try:
        from gateway_auth.adapters.disclosure_keys import read_disclosure_keys
        from gateway_auth.adapters.issuers.fetch import Fetcher
        from gateway_auth.adapters.issuers.sources import AddressSource, FileSource
    except ImportError as error:
        raise ConfigError(f"[disclosure] needs more libraries: pip install 'gateway-auth[tokens]' ({error})") from error
    name = f"disclosure:{settings.name}"
    fetcher = Fetcher(name)
    if settings.keys_url is not None:
        return AddressSource(name, settings.keys_url, fetcher, read_disclosure_keys), fetcher.close
    return FileSource(name, settings.keys_file or "", read_disclosure_keys), fetcher.close
