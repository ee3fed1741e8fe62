"""``python -m tests.durations .durations.xml``: the seconds of a run of pytest, by group.

A group is a folder of tests, or a file where it is in none; the file is the one that pytest writes
with ``--junitxml``, as ``make test`` and ``make check`` do.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent


def by_group(path):
    """How many tests each group has, and the seconds that they took, preparations included."""
    counts, seconds = Counter(), Counter()
    for case in ElementTree.parse(path).iter("testcase"):
        # tests.io.test_files, or that of a doctest; a file that is skipped whole has a name alone
        words = (case.get("classname") or case.get("name", "")).split(".")
        group = next((w for w in words[1:2] if (TESTS / w).is_dir()), words[-1])
        counts[group] += 1
        seconds[group] += float(case.get("time", 0))
    return counts, seconds


def main():
    counts, seconds = by_group(sys.argv[1])
    print("| group | tests | seconds |\n| --- | ---: | ---: |")
    for group, took in seconds.most_common():
        print(f"| {group} | {counts[group]:,} | {took:,.0f} |")
    print(f"| all | {sum(counts.values()):,} | {sum(seconds.values()):,.0f} |")


if __name__ == "__main__":
    main()
