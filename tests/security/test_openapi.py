"""Every end point of the OpenAPI document against what schemathesis makes up, at every level."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pourline.testkit.bar import RunningBar, bar_of_a_suite
from schemathesis.core.result import Ok

pytestmark = [pytest.mark.security, pytest.mark.xdist_group("made up")]

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "6"))
"""For an end point, level and way (by the document, and against it)."""
LEFT_OUT = {"/api/inventory/events", "/api/auth/logout", "/hardware/spout/ingest"}
"""What never ends, what ends the token, and what takes no token at all."""
EXPECTED = {200, 201, 202, 401, 403, 404, 405, 409, 413, 422, 429}
"""What a request that reaches a bar with all its parts may be answered."""
PROBLEM = {"title", "status", "code"}

SEARCH = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    """Run a bar of its own: at the higher levels its walls are stopped and its staff sent home."""
    with bar_of_a_suite(tmp_path_factory.mktemp("made-up")) as bar:
        yield bar


def fault(answer: Any) -> str | None:  # noqa: ANN401 schemathesis' response
    """Return what is wrong with an answer, if anything is."""
    if answer.status_code not in EXPECTED:
        return f"status {answer.status_code}: {answer.text[:200]}"
    [kind] = answer.headers.get("content-type", [""])
    if answer.status_code < 400:
        if kind.startswith("application/json"):
            json.loads(answer.content)
        return None
    if kind != "application/problem+json":
        return f"{answer.status_code} as {kind}"
    missing = PROBLEM - answer.json().keys()
    return f"problem without {missing}" if missing else None


@pytest.mark.parametrize("level", range(1, 6))
def test_no_request_that_schemathesis_makes_up_is_answered_with_an_error(
    bar: RunningBar, level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    document = asyncio.run(bar.get("/openapi.json"))
    token = asyncio.run(bar.token(level=level, subject=f"schemathesis {level}"))
    said: Counter[int] = Counter()
    found: list[str] = []

    def look(case: schemathesis.Case[Any]) -> None:
        def ask() -> Any:  # noqa: ANN401 schemathesis' response
            headers = {"Authorization": f"Bearer {token}"}
            return case.call(base_url=bar.base_url, headers=headers, timeout=30)

        answer = ask()
        if answer.status_code == 503:  # the machine stood still: asked again, as clients do
            answer = ask()
        said[answer.status_code] += 1
        if wrong := fault(answer):
            found.append(f"{case.method} {case.formatted_path} {case.query} {case.body!r}: {wrong}")

    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path in LEFT_OUT:
            continue
        for mode in schemathesis.GenerationMode:
            try:
                SEARCH(given(case=operation.as_strategy(generation_mode=mode))(look))()
            except Exception as error:  # noqa: BLE001 what cannot be negated is no finding
                if "Unsatisfiable" not in type(error).__name__:
                    found.append(f"{operation.label}: {type(error).__name__} {error}"[:500])

    with capsys.disabled():
        said_in_all = dict(sorted(said.items()))
        print(f"\nlevel {level}: {said.total()} requests, {said_in_all}")  # noqa: T201 a figure
    assert found == []
