"""A month with known faults, for several seeds: which are found, and what is told for nothing."""

import argparse
import sys

from pourline.testkit import month

from bench.figures import share

SEEDS = 20


def table(seeds: int) -> str:
    """Return what was found and what was told with nothing wrong, a line a kind of fault."""
    outcomes = [month.play(seed) for seed in range(1, seeds + 1)]
    kinds: dict[str, list[bool]] = {}
    for one in outcomes:
        for fault in (*one.found, *one.missed):
            kinds.setdefault(_kind(fault), []).append(fault in one.found)
    false = [len(one.false_alarms) for one in outcomes]
    weeks = month.DAYS / 7
    lines = ["| fault | there | found |", "|---|---|---|"]
    lines += [f"| {kind} | {len(hits)} | {sum(hits)} |" for kind, hits in sorted(kinds.items())]
    told = f"False alarms: {sum(false)} in {seeds} months of {month.SPOUTS} spouts, "
    told += f"{sum(false) / seeds / weeks:.2f} a week; {share(false, 1.0) / weeks:.2f} at worst."
    return "\n".join([*lines, "", told])


def _kind(fault: month.Fault) -> str:
    """Return a fault's kind: what stands before its figures."""
    [kind] = fault.told_by
    return {
        "no_sale": "leak of 2 to 4 l a day, 1 to 4 days",
        "calibration_drift": "meter off by 8 to 15 %, either way",
        "unusual_hour": "three drinks towards five in the morning",
        "unusual_size": "one pour of 300 to 700 ml",
    }[kind.value]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    print(table(parser.parse_args().seeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
