"""``python -m tests.fuzz.run --cases 100000``: all targets, a table of what they came to.

A failure is shrunk, its draws are printed, and the others go on; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import logging
import math
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.case import Case
from tests.fuzz.targets import TARGETS

ROUND = 1000  # cases by one seed: hypothesis never repeats itself within a round


@dataclass
class Tally:
    """What the cases of one target came to."""

    right: int = 0
    refused: int = 0
    slowest: float = 0.0
    largest: int = 0

    def add(self, case):
        self.right += case.answer == "right"
        self.refused += case.answer == "refused"
        self.slowest, self.largest = max(self.slowest, case.seconds), max(self.largest, case.bytes)


def fuzz(name, cases, number, tally):
    """``cases`` cases of a target by one seed; raises the first failure, shrunk."""
    target = TARGETS[name][0]

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @seed(number)
    @given(st.data())
    def cases_of(data):
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            case = Case(data.draw, folder)
            target(case)
            tally.add(case)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    cases_of()


def shares(cases):
    """How many of the cases each target gets."""
    whole = sum(share for _, share in TARGETS.values())
    return {name: max(1, cases * share // whole) for name, (_, share) in TARGETS.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf, help="at most, for each target")
    parser.add_argument("--targets", nargs="*", default=list(TARGETS))
    options = parser.parse_args()
    logging.getLogger("priorkit").setLevel(logging.CRITICAL)
    print(
        f"{'target':10} {'cases':>7} {'right':>7} {'refused':>7} {'failed':>6} "
        f"{'slowest':>8} {'memory':>8} {'seconds':>7}",
        flush=True,
    )
    total, failures = 0, 0
    for name, cases in shares(options.cases).items():
        if name not in options.targets:
            continue
        tally, failed, started = Tally(), 0, time.perf_counter()
        for number, first in enumerate(range(0, cases, ROUND)):
            if time.perf_counter() - started > options.seconds:
                break
            try:
                fuzz(name, min(ROUND, cases - first), options.seed + number, tally)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                failed += 1
                for line in "".join(traceback.format_exception(error)).splitlines():
                    if "site-packages" not in line:
                        print(line[:300])
        done = tally.right + tally.refused
        print(
            f"{name:10} {done:7} {tally.right:7} {tally.refused:7} {failed:6} "
            f"{tally.slowest:7.2f}s {tally.largest >> 20:5} MiB "
            f"{time.perf_counter() - started:6.0f}s",
            flush=True,
        )
        total, failures = total + done, failures + failed
    print(f"{total} cases, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
