"""Print which requirement ids have no test: the ids stand in docs/requirements.txt."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IDS = re.compile(r"^([A-Z]{2}-\d+)\b", re.MULTILINE)
FOLDERS = ("contracts", "libs", "services", "infra", "tests")


def proven() -> dict[str, list[str]]:
    """Return each id and the tests that are marked with it."""
    found: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    for requirement in _marks(node):
                        found.setdefault(requirement, []).append(f"{path.stem}::{node.name}")
    return found


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        str(argument.value)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.requirement"
        for argument in mark.args
        if isinstance(argument, ast.Constant)
    ]


def wanted() -> list[str]:
    """Return every requirement id."""
    return IDS.findall((ROOT / "docs" / "requirements.txt").read_text())


def main() -> int:
    """Print the list; return the exit code."""
    known, ids = proven(), wanted()
    for requirement in ids:
        tests = known.get(requirement, [])
        sys.stdout.write(f"{requirement:6} {len(tests) or 'no'} tests\n")
    missing = [requirement for requirement in ids if requirement not in known]
    sys.stdout.write(f"{len(ids) - len(missing)} of {len(ids)} have a test\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
