"""Each import contract holds, and each is seen to fail on a planted violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).parent / "lint-imports"

PLANTED = {
    "a service imports another": (
        "pourline/ledger/api.py",
        "import pourline.alerts.domain\n",
        "Services never import each other",
    ),
    "a room imports upwards": (
        "pourline/ledger/domain.py",
        "import pourline.ledger.handlers\n",
        "Inside a service",
    ),
    "a room has a name of its own": (
        "pourline/ledger/utils.py",
        '"""A room that is none."""\n',
        "Inside a service",
    ),
    "a domain touches the outside": (
        "pourline/ledger/domain.py",
        "import pydantic\n",
        "The domain is pure",
    ),
    "the kit knows a service": (
        "pourline/kit/ids.py",
        "import pourline.ledger.domain\n",
        "Libraries know no service",
    ),
}


def sources() -> list[Path]:
    return [
        path.parent
        for path in sorted(ROOT.glob("*/**/src/pourline/*/__init__.py"))
        if ".venv" not in path.parts
    ]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy every package into one folder, so that a violation can be planted."""
    for package in sources():
        shutil.copytree(
            package,
            tmp_path / "pourline" / package.name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    # -S: without site-packages' .pth files the copies are found, not the checkout.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(  # noqa: S603 our own interpreter on our own files
        [sys.executable, "-S", "-c", code, "--no-cache", "--config", "pyproject.toml"],
        cwd=tree,
        env={"PYTHONPATH": f"{tree}:{site}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_import_contracts_hold(tree: Path) -> None:
    result = lint(tree)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("violation", sorted(PLANTED))
def test_a_planted_violation_breaks_its_contract(tree: Path, violation: str) -> None:
    path, line, contract = PLANTED[violation]
    target = tree / path
    target.write_text(line + (target.read_text() if target.exists() else ""))

    result = lint(tree)

    assert result.returncode == 1
    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), result.stdout
