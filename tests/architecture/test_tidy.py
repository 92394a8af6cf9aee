"""Sizes and habits that a linter does not know."""

import ast
import re
import statistics
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("contracts", "libs", "services", "infra", "tests", "bench")
SOURCE_LINES_MAX = 400
TEST_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MEDIAN = 10
NESTING_MAX = 3
KIT_CODE_LINES_MAX = 2000
"""Decision record 9 tells why no longer 1,500."""
BAR_WORDS = re.compile(
    r"\b(keg|tap|pour|guest|visit|spout|beverage|shift|alert)s?\b", re.IGNORECASE
)
FORBIDDEN = {
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "unfinished work",
    r"datetime\.utcnow|datetime\.now\(\)": "a naive instant",
    r"\buuid4\(": "an id that is not kit.ids'",
    r"^from \.|^import \*|import \*$": "a relative or star import",
    r"mock\.patch|monkeypatch\.setattr\(\"": "a patched path",
}
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.Match)
"""What adds a path; a with block scopes a resource and adds none."""


def files(*, migrations: bool = False) -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if migrations or "versions" not in path.parts]


@cache
def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def is_test(path: Path) -> bool:
    return "tests" in path.parts


def test_no_file_outgrows_its_limit() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in files()
        if (count := len(path.read_text().splitlines()))
        > (TEST_LINES_MAX if is_test(path) else SOURCE_LINES_MAX)
    }

    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.name} {length(node)}"
        for path in files()
        for node in functions(path)
        if length(node) > FUNCTION_LINES_MAX
    ]

    assert long == []


def test_the_median_function_is_short() -> None:
    lengths = [length(node) for path in files() if not is_test(path) for node in functions(path)]

    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN


def nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        nested = isinstance(child, BLOCKS) and not is_elif
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            deepest = max(deepest, nesting(child, depth + nested))
    return deepest


def test_nothing_is_nested_deeper_than_three() -> None:
    deep = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in files()
        if not is_test(path)
        for node in functions(path)
        if nesting(node) > NESTING_MAX
    ]

    assert deep == []


@pytest.mark.parametrize("pattern", sorted(FORBIDDEN))
def test_a_banned_habit_is_nowhere(pattern: str) -> None:
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]

    assert found == [], FORBIDDEN[pattern]


def code_lines(path: Path) -> int:
    """Count lines that are neither blank, comment nor docstring."""
    text = path.read_text()
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#") and number not in prose
    )


def test_the_kit_stays_small_and_knows_no_bar_word() -> None:
    kit = sorted((ROOT / "libs/kit/src").rglob("*.py"))
    words = [
        f"{path.name}: {match.group()}"
        for path in kit
        for match in BAR_WORDS.finditer(path.read_text())
    ]

    assert sum(code_lines(path) for path in kit) <= KIT_CODE_LINES_MAX
    assert words == []


def test_the_lock_holds_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()
    assert not (ROOT / "uv.lock").exists() or "uv.lock" in (ROOT / ".gitignore").read_text()
