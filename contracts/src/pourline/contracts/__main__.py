"""Generate the descriptions of every message, or check that none breaks its readers."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pourline.contracts import catalogue
from pourline.contracts.topology import SERVICES

ROOT = Path("contracts")
DOCS = Path("docs/messages.md")


def wanted() -> dict[Path, str]:
    """Return every generated file and what stands in it."""
    files = {
        ROOT / "schemas" / f"{name}.json": _json(schema)
        for name, schema in catalogue.schemas().items()
    }
    files |= {
        ROOT / "asyncapi" / f"{service}.json": _json(catalogue.asyncapi(service))
        for service in SERVICES
    }
    return files | {DOCS: catalogue.table()}


def export() -> int:
    """Write every generated file."""
    for path, text in wanted().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def check() -> int:
    """Compare with the frozen baseline, and the generated files with the models."""
    published = json.loads((ROOT / "baseline.json").read_text())
    faults = catalogue.breaches(published, catalogue.schemas())
    faults += [
        f"{path} is out of date: run `make contracts`"
        for path, text in wanted().items()
        if not path.exists() or path.read_text() != text
    ]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


def freeze() -> int:
    """Make what is there now the baseline: after a release, or when a message only grew."""
    (ROOT / "baseline.json").write_text(_json(catalogue.schemas()))
    return 0


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Run one of export, check, freeze; return the exit code."""
    parser = argparse.ArgumentParser(prog="pourline.contracts", description=__doc__)
    parser.add_argument("action", choices=("export", "check", "freeze"))
    action = parser.parse_args().action
    return {"export": export, "check": check, "freeze": freeze}[action]()


if __name__ == "__main__":
    sys.exit(main())
