"""python entry_points.py FOLDER: what an install would leave there of priorkit's entry points."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(folder: Path) -> None:
    """Plugins are found through a distribution on the path: its files, without its code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project.get("version", "0")
    about = folder / f"priorkit-{version}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: priorkit\nVersion: {version}\n")
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    lines = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in groups.items()
    )
    (about / "entry_points.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
