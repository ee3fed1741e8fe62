"""``python -m tests.lowest``: the lowest version of each dependency that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path


def lowest() -> list[str]:
    """Pins for pip."""
    file = Path(__file__).parents[1] / "pyproject.toml"
    needed = tomllib.loads(file.read_text())["project"]["dependencies"]
    return [re.sub(">=", "==", need) for need in needed]


if __name__ == "__main__":
    print(*lowest())
