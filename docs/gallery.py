"""The gallery of the site: every example script, what it printed, and the picture that it drew."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["write"]

ROOT = Path(__file__).parents[1]


def write(folder: Path) -> None:
    """Run the examples whose pictures aren't there yet, and write index.md."""
    folder.mkdir(exist_ok=True)
    parts = [
        "# Gallery",
        "Made by the scripts in `examples/`, from the photograph that comes along.",
    ]
    for script in sorted((ROOT / "examples").glob("*.py")):
        printed = folder / f"{script.stem}.txt"
        if not printed.exists() or printed.stat().st_mtime < script.stat().st_mtime:
            printed.write_text(_run(script, folder / script.stem), encoding="utf-8")
            for picture in sorted((folder / script.stem).glob("*.png"))[:1]:
                shutil.copy(picture, folder / f"{script.stem}.png")
            shutil.rmtree(folder / script.stem, ignore_errors=True)
        source = script.read_text(encoding="utf-8")
        title = (ast.get_docstring(ast.parse(source)) or script.stem).splitlines()[0]
        parts += [f"## {title}", f"    python examples/{script.name}"]
        if (folder / f"{script.stem}.png").exists():
            parts.append(f"![{title}]({script.stem}.png)")
        parts += [f"```text\n{printed.read_text(encoding='utf-8')}```", f"```python\n{source}```"]
    (folder / "index.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _run(script: Path, out: Path) -> str:
    """What the script prints, without where it wrote. Raises CalledProcessError where it fails."""
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(out)], check=True, capture_output=True, text=True
    )
    kept = [line for line in done.stdout.splitlines() if str(out) not in line]
    return "\n".join(kept) + "\n"
