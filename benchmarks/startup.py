"""How long it takes to import priorkit and to list its components.

    python benchmarks/startup.py

Medians of ten fresh processes. Limits: 100 ms for the import, 400 ms for the list.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

LIMITS = {
    "import priorkit": (100, [sys.executable, "-c", "import priorkit"]),
    "priorkit list": (400, [sys.executable, "-m", "priorkit.cli", "list"]),
    "python -c pass": (None, [sys.executable, "-c", "pass"]),
}


def main() -> int:
    """Print the medians; exit 1 where one is over its limit."""
    slow = 0
    for name, (limit, command) in LIMITS.items():
        times = []
        for _ in range(10):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(1000 * (time.perf_counter() - started))
        median = statistics.median(times)
        slow += limit is not None and median > limit
        print(f"{name:18} {median:6.0f} ms" + (f"   limit {limit} ms" if limit else ""))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
