"""Every example script runs as it is, and leaves a picture that opens.

In this process, but for one, which runs by itself and finds all it needs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import PATIENCE

EXAMPLES = Path(__file__).parents[1] / "examples"

PICTURES = {
    "quickstart.py": "grid.png",
    "own_measurements.py": "recovered.png",
    "denoise_and_inpaint.py": "grid.png",
    "functions.py": "grid.png",
    "gradient_paths.py": "paths.png",
    "compare_priors.py": "grid.png",
    "operators.py": "grid.png",
    "scanner.py": "grid.png",
    "telescope.py": "grid.png",
    "tomography.py": "grid.png",
}


BY_ITSELF = "quickstart.py"
SMALL = {"scanner.py": ["--side", "64"]}
LONG = {"compare_priors.py", "gradient_paths.py", "operators.py"}


@pytest.mark.filterwarnings("ignore:Level value")  # of the scanner's four halvings of 64 pixels
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in PICTURES]
)
def test_script_leaves_a_picture(
    name: str,
    script: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    words = ["--out", str(out), "--budget", "3", *SMALL.get(name, [])]
    if name == BY_ITSELF:
        command = [sys.executable, str(EXAMPLES / name), *words]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        monkeypatch.chdir(tmp_path)
        script(EXAMPLES / name, *words)
    with Image.open(out / PICTURES[name]) as picture:
        picture.load()
        assert min(picture.size) >= 64
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 20)
    assert len(colours) > 100, "the picture is blank"
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "the script wrote outside its folder"
