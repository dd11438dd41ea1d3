"""The standalone server as a whole: what it serves with, and what it makes of a configuration read again."""

from __future__ import annotations

import logging
import multiprocessing
import resource
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from gateway_auth.config import Configuration, load
from gateway_auth.config.secrets_section import read_secrets
from gateway_auth.errors import ConfigError, StoreError
from gateway_auth.server.composition import refuse_unservable
from gateway_auth.server.processes import Address, Maker
from gateway_auth.server.supervisor import Supervisor
from gateway_auth.server.tls_files import TlsFiles, read_tls
from gateway_auth.server.watching import Watch
from gateway_auth.server.workers import workers_for

WANTED_FILES = 65_536
MAX_CONNECTIONS = 16_384

logger = logging.getLogger("gateway_auth.serve")


class Server:
    """A configuration being served, and how the next one comes into its place.

    `check` raises ConfigError for a configuration that must not be served, StoreError where its store cannot be used.
    """

    def __init__(
        self,
        config: str,
        overrides: Mapping[str, object],
        check: Callable[[Configuration], None],
        level: str,
    ) -> None:
        self._config, self._overrides, self._check, self._level = config, overrides, check, level
        self._connections = connections_per_worker()
        self._snapshots: Path | None = None
        self.configuration, self._tls, self._watch = self._read()

    def run(self, address: Address, status: tuple[str, int] | None = None) -> int:
        """Serve until SIGTERM or SIGINT, then let requests in flight finish. Returns the exit code.

        `status` is where the numbers of all workers are told, if anywhere.
        """
        # Workers inherit sockets, certificate and secrets: none of these travels between processes.
        multiprocessing.set_start_method("fork", force=True)
        with ExitStack() as stack:
            if status is not None:
                from gateway_auth.server.status import status_listening

                self._snapshots = stack.enter_context(status_listening(status))
            count = self.configuration.workers
            return Supervisor(address, count, self._workers(), self.renew, self._has_changed).run()

    def _read(self) -> tuple[Configuration, TlsFiles | None, Watch]:
        configuration = load(self._config, overrides=self._overrides)
        # Before anything is checked: what is written meanwhile is a change.
        watch = Watch([self._config, *map(str, read_secrets(self._config).files), *_tls_files(configuration)])
        refuse_unservable(configuration)
        self._check(configuration)
        return configuration, read_tls(configuration.tls) if configuration.tls is not None else None, watch

    def _workers(self) -> Maker:
        return workers_for(
            self.configuration, self._tls, level=self._level, connections=self._connections, snapshots=self._snapshots
        )

    def renew(self) -> Maker | None:
        """For a reload: what makes workers of the files as they are now; else the log says why not."""
        try:
            read, tls, watch = self._read()
        except (ConfigError, StoreError) as error:
            for line in str(error).splitlines():
                logger.error("the configuration was not read again: %s", line)
            return None
        former = self.configuration
        for key, is_other in (
            ("listen", (read.listen, read.socket) != (former.listen, former.socket)),
            ("status_listen", read.status_listen != former.status_listen),
            ("workers", read.workers != former.workers),
        ):
            if is_other:
                logger.warning("gateway.%s is another now, which takes effect with the next start alone", key)
        self.configuration, self._tls, self._watch = read, tls, watch
        return self._workers()

    def _has_changed(self) -> bool:
        return self.configuration.is_reloaded_on_change and self._watch.has_changed()


def _tls_files(configuration: Configuration) -> list[str]:
    tls = configuration.tls
    files = (tls.certificate_file, tls.key_file, tls.client_ca_file) if tls is not None else ()
    return [file for file in files if file is not None]


def connections_per_worker() -> int:
    """As many as the open-file limit bears, raised as far as allowed. Some need one to an upstream besides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    return max(128, min(MAX_CONNECTIONS, files * 2 // 3 - 256))
