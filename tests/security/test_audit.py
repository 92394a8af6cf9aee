"""What the dependency audit makes of what pip-audit says."""

import json
from collections.abc import Mapping

from pourline.testkit.audit import CLEAN, FOUND, NOT_AUDITED, verdict

KNOWN = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}


def audited(*vulnerabilities: Mapping[str, object]) -> dict[str, object]:
    return {"name": "a", "version": "1.0", "vulns": list(vulnerabilities)}


def report(*dependencies: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_database_that_knew_nothing_is_no_clean_bill() -> None:
    code, said = verdict(report(SKIPPED, SKIPPED))

    assert (code, said) == (CLEAN, f"{NOT_AUDITED} (2 packages were not known there)")


def test_no_report_at_all_is_a_notice() -> None:
    assert [verdict(one) for one in ("", "Traceback", "[]")] == [(CLEAN, NOT_AUDITED)] * 3


def test_a_finding_fails_with_what_mends_it() -> None:
    code, said = verdict(report(audited(KNOWN), SKIPPED))

    assert code == FOUND
    assert said == "a 1.0: PYSEC-2026-1, mended in 1.1\n1 of 2 packages audited, 1 with findings"


def test_what_was_audited_is_counted() -> None:
    said = "1 of 2 packages audited, nothing known against them"
    assert verdict(report(audited(), SKIPPED)) == (CLEAN, said)
