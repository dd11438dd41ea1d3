"""What an application pays for mounting the middleware: packages a fresh interpreter must not have loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "aiohttp",
    "granian",
    "httptools",
    "httpx",
    "httpx2",
    "jinja2",
    "pydantic",
    "sqlalchemy",
    "typer",
}

CONSTRUCTED = """
from gateway_auth import GatewayAuth

async def app(scope, receive, send): ...

GatewayAuth(app, config={
    "store": {"url": "sqlite:///gateway.db"},
    "secrets": {"pepper": "env:GATEWAY_AUTH_PEPPER"},
    "routes": [{"id": "orders", "path": "/v1/orders/{id}", "scopes": ["orders:read"]}],
})
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import gateway_auth", id="imported"),
        pytest.param("import gateway_auth; gateway_auth.GatewayAuth", id="named"),
        pytest.param(CONSTRUCTED, id="constructed"),
    ],
)
def test_the_middleware_loads_no_heavy_package(program: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        cwd=tmp_path,
        env=os.environ | {"GATEWAY_AUTH_PEPPER": "p" * 32},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert HEAVY & set(finished.stdout.split()) == set()
