"""Every example script runs as it is, and leaves a picture that opens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"

PICTURES = {
    "quickstart.py": "grid.png",
    "own_measurements.py": "recovered.png",
    "denoise_and_inpaint.py": "grid.png",
    "gradient_paths.py": "paths.png",
    "compare_priors.py": "grid.png",
    "operators.py": "grid.png",
}


@pytest.mark.parametrize("script", PICTURES)
def test_script_leaves_a_picture(script: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(EXAMPLES / script), "--out", str(out), "--budget", "3"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Image.open(out / PICTURES[script]) as picture:
        picture.load()
        assert min(picture.size) >= 64
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 20)
    assert len(colours) > 100, "the picture is blank"
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "the script wrote outside its folder"
