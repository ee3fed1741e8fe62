"""Every row of the table of docs/start.md, run on a file of its kind: it is better than the plain
answer of its field, by a margin."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import priorkit
from priorkit.cli.words import split
from tests import instruments

ROOT = Path(__file__).parents[1]
# How a file is made, and by how many dB the command must be better than the plain answer.
ROWS = {
    "slice.dcm": (instruments.dicom, 1.0),
    "scan.h5": (instruments.kspace, 12.0),
    "volume.nii.gz": (instruments.nifti, 0.5),
    "sinogram.npy": (instruments.sinogram, 3.0),
    "stars.fits": (instruments.stars, 3.0),
    "raw.png": (instruments.mosaic, 2.0),
    "cube.mat": (instruments.cube, 3.5),
    "photo.jpg": (instruments.photograph, 1.0),
    "scratched.png": (instruments.scratched, 0.1),
    "blurred.png": (instruments.blurred, 1.0),
    "small.png": (instruments.small, 2.0),
    "cells.tif": (instruments.micrograph, 0.3),
    "frame.tif": (instruments.frame, 1.0),
    "sky.fits": (instruments.sky, 1.0),
    "signal.npy": (instruments.signal, 1.0),
}
TABLE = re.search(
    r"^\| I have .*?\n\n", (ROOT / "docs" / "start.md").read_text(encoding="utf-8"), re.M | re.S
)
COMMANDS = re.findall(r"`priorkit recover (.+?)`", TABLE[0] if TABLE else "")


def decibels(x, truth):
    """PSNR for the span of the truth."""
    return float(-10 * np.log10(np.mean((x - truth) ** 2) / np.ptp(truth) ** 2))


def told(command):
    """The file of a command, what else is positional, and the settings."""
    positional, settings = split(shlex.split(command))
    file = settings["y"].split("::")[0] if "y" in settings else positional[0]
    return file, positional, settings


def test_the_table_has_a_row_for_every_file():
    assert [told(command)[0] for command in COMMANDS] == list(ROWS)


# tests/plugins has smaller ones of the same: test_magnetic_resonance, test_painted.
SLOW = {"scan.h5", "scratched.png"}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=file, marks=[pytest.mark.slow] if file in SLOW else [])
        for command, file in zip(COMMANDS, ROWS, strict=True)
    ],
)
def test_the_command_is_better_than_the_plain_answer(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, positional, settings = told(command)
    make, margin = ROWS[file]
    truth, plain = make(tmp_path)
    found = priorkit.recover(*positional, **settings)
    x = found.x[0].double().numpy()
    x = np.hypot(*x) if found.kind.name == "complex" else x
    best = max(decibels(answer, truth) for answer in plain)
    assert decibels(x.reshape(truth.shape), truth) > best + margin
