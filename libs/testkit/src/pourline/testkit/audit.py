"""`make audit`: the locked dependencies against what is known of them, and whether anybody knew.

pip-audit says "no known vulnerabilities" also where its database did not know a single package,
so what it looked up is counted. Not having looked is a notice, never a clean bill.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCES = ("osv", "pypi")
WITHIN_S = 120
CLEAN, FOUND = 0, 1
NOT_AUDITED = "NOT AUDITED: no vulnerability database could be reached from here"


def main(arguments: Sequence[str]) -> int:
    """Audit the lock that is named; 1 where something is known against a dependency."""
    lock = Path(arguments[0] if arguments else "requirements.lock")
    for source in SOURCES:
        code, said = verdict(_asked(lock, source))
        if not said.startswith(NOT_AUDITED):
            break
    print(said)  # noqa: T201 a command prints
    return code


def verdict(report: str) -> tuple[int, str]:
    """Return exit code and words for pip-audit's JSON report; an empty one is no report."""
    try:
        found = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return CLEAN, NOT_AUDITED
    audited = [one for one in found if "skip_reason" not in one]
    if not audited:
        return CLEAN, f"{NOT_AUDITED} ({len(found)} packages were not known there)"
    known = [f"{one['name']} {one['version']}: {_of(one)}" for one in audited if one["vulns"]]
    counted = f"{len(audited)} of {len(found)} packages audited"
    if known:
        return FOUND, "\n".join([*known, f"{counted}, {len(known)} with findings"])
    return CLEAN, f"{counted}, nothing known against them"


def _of(dependency: dict[str, list[dict[str, list[str] | str]]]) -> str:
    return "; ".join(
        f"{one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
        for one in dependency["vulns"]
    )


def _asked(lock: Path, source: str) -> str:
    """Return pip-audit's report from one source; empty where it has none."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 our own arguments
            [*command, "--vulnerability-service", source],
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
