"""Write the keywords of ``recover`` as types, from the components that priorkit registers.

    python docs/settings.py

Writes priorkit/settings/keywords.pyi, so that an editor completes them and mypy refuses a keyword
or a value that can't be. With other plugins ``priorkit stubs`` writes a stub for all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

os.environ["PRIORKIT_PLUGINS"] = ""  # first-party ones

from priorkit.settings import stubs

TARGET = Path(__file__).parents[1] / "priorkit" / "settings" / "keywords.pyi"


def main() -> None:
    """Write the module."""
    TARGET.write_text(written(), encoding="utf-8")
    print(f"Wrote {TARGET.name}")


def written() -> str:
    """The text of the module, formatted."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-", "--stdin-filename", str(TARGET)],
        input=stubs.written("docs/settings.py"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


if __name__ == "__main__":
    main()
