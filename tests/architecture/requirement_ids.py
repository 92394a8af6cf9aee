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
            module = ast.parse(path.read_text())
            of_all = _ids(_marks_of_module(module))
            for test in _tests(module):
                for requirement in of_all + _ids(test.decorator_list):
                    found.setdefault(requirement, []).append(f"{path.stem}::{test.name}")
    return found


def _tests(module: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]


def _marks_of_module(module: ast.Module) -> list[ast.expr]:
    """Return what stands in `pytestmark`: it marks every test of the file."""
    values = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    return [
        mark
        for value in values
        for mark in (value.elts if isinstance(value, ast.List) else [value])
    ]


def _ids(marks: list[ast.expr]) -> list[str]:
    return [
        str(argument.value)
        for mark in marks
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
