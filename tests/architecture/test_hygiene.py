"""What every file of the repository keeps to: sizes, docstrings, no trace of one machine, a hashed lock."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gateway_auth"

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60

# Where tools put what they make; asked only where git cannot say which files belong to the repository.
MADE = re.compile(r"\.venv|\.git|build|dist|htmlcov|__pycache__|\..*_cache|\.hypothesis|\.coverage.*|.*\.egg-info")
# Both end up in files by copying from a terminal, and hold on no other machine.
REGISTRY_HOST = re.compile(r"pythonhosted\.org|pypi\.org/(?:simple|pypi)|registry\.npmjs|deb\.debian\.org")
MACHINE_PATH = re.compile(r"(?:(?<![\w.~/-])|(?<=file://))/(?:(?:home|Users)/\w+|root|work)/\w")


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {module: len(module.read_text("utf-8").splitlines()) for module in modules()}
    assert [f"{name(m)}: {lines} lines" for m, lines in lengths.items() if lines > MAX_FILE_LINES] == []


def test_no_function_is_longer_than_the_limit() -> None:
    lengths = {
        f"{name(module)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert [f"{where}: {lines} lines" for where, lines in lengths.items() if lines > MAX_FUNCTION_LINES] == []


def test_every_module_begins_with_a_docstring() -> None:
    assert [name(module) for module in modules() if ast.get_docstring(parsed(module)) is None] == []


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    traces = [
        f"{name(path)}:{number}: {found.group()}"
        for path in repository_files()
        for number, line in enumerate(text_lines(path), 1)
        for pattern in (REGISTRY_HOST, MACHINE_PATH)
        if (found := pattern.search(line))
    ]
    assert traces == []


def test_the_lock_pins_and_hashes_every_requirement_and_names_no_source() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    requirements = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pinned = re.compile(r"[\w.-]+==\S+( ;[^@]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert requirements
    assert [line.split()[0] for line in requirements if not pinned.fullmatch(line)] == []


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def parsed(module: Path) -> ast.Module:
    """The module as a syntax tree."""
    return ast.parse(module.read_text("utf-8"), module.name)


def repository_files() -> list[Path]:
    """Every file a commit may hold: git's view where there is one, else all that no tool has made."""
    names = listed_by_git()
    if names is None:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [str(path) for path in paths if not any(map(MADE.fullmatch, path.parts))]
    return [ROOT / name for name in sorted(names) if (ROOT / name).is_file()]


def listed_by_git() -> list[str] | None:
    """Names of tracked and of new files; None without git, without a checkout, or where git refuses it."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return listing.stdout.split("\0")[:-1] if listing.returncode == 0 else None


def text_lines(path: Path) -> list[str]:
    """The lines of a text file; of a binary file none."""
    try:
        return path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def name(path: Path) -> str:
    """How a failure names the file."""
    return str(path.relative_to(ROOT))
