"""What the scripts of the figures share: their options, studies, pictures and claims.

Every script takes --quick (the default: four pictures, few settings) or --full (the paper's), the
folder of the test pictures (--data) and that of the authors' results (--paper). Without the
first the sample photograph stands in, without the second nothing is compared. What a script has
computed is kept in --out: the same command goes on, and --full adds to --quick.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

import priorkit
from priorkit.draw.tiles import fit, png
from priorkit.io.files import write_atomic
from priorkit.io.pictures import astronaut, load, to_pil
from priorkit.studies import plot
from priorkit.studies.report import View, comma_separated
from priorkit.studies.summary import Mean, difference, mean

__all__ = ["LASSOS", "SHAPE", "Run", "at", "crossing", "difference", "gap", "mean"]

SHAPE = (3, 64, 64)
MS = [20, 30, 50, 100, 200, 300, 400, 500, 750, 1000, 2500, 5000, 7500, 10000, 12288]
GAMMAS = [0, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30, 40, 50]
GLOW = {"name": "glow-celeba", "tilt": 0}  # its latents in one scale, so that ‖z‖ is the paper's
LASSOS = [  # with the γ of validation faces, better than the paper's 0.01, which lasso.py has
    {"label": "Lasso-DCT", "prior": "dct"},
    {"label": "Lasso-wavelet", "prior": "wavelet"},
]
FAITHFUL = {"name": "lbfgs", "discrepancy": 0.0}  # goes on below the noise, as the paper's does
FEW = 4  # pictures of a quick run
SIDE = 96  # of a picture in a grid, in pixels


class Run:
    """One run of a script: what it is asked for, and what it leaves in ``out``.

    Parameters
    ----------
    doc : the script's docstring, whose first line says what it shows
    """

    def __init__(self, doc: str | None) -> None:
        parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--quick", action="store_true", help="few settings (the default)")
        how.add_argument("--full", action="store_true", help="the settings of the paper")
        parser.add_argument("--data", type=Path, default=Path("../shared/data"))
        parser.add_argument("--paper", type=Path, default=Path("../shared/paper"))
        parser.add_argument("--out", type=Path, default=Path("priorkit-figures"))
        parser.add_argument("--jobs", type=int, help="processes; default: one per core")
        options = parser.parse_args()
        self.full: bool = options.full
        self.data, self.paper, self.out, self.jobs = (
            options.data, options.paper, options.out, options.jobs
        )  # fmt: skip
        self.name = Path(sys.argv[0]).stem
        self.claims: list[dict[str, Any]] = []
        self.notes: list[str] = []
        print(f"{self.name}: {(doc or '').splitlines()[0]}", flush=True)

    def pick(self, quick: Any, full: Any) -> Any:
        """One setting for a quick run, another for the paper's."""
        return full if self.full else quick

    def pictures(self, folder: str = "celeba/test12", few: int = FEW) -> list[str]:
        """The test pictures of a folder; without the data, the sample photograph."""
        place = self.data / folder
        if not place.is_dir():
            print(f"  no {place}: the sample photograph instead")
            return [str(astronaut())]
        files = sorted(str(path) for path in place.iterdir())
        return files if self.full else files[:few]

    def four(self) -> list[dict[str, Any]]:
        """The priors of faces; DCGAN from three starts, as in the paper."""
        return [
            {"label": "Glow", "prior": "glow-celeba", "budget": self.pick(240, 400)},
            {"label": "DCGAN", "prior": "dcgan-celeba", "budget": self.pick(120, 400)},
            *LASSOS,
        ]

    def images(self, folder: str = "celeba/test12", few: int = FEW) -> torch.Tensor:
        """The same as a tensor (B, 3, 64, 64)."""
        return load(self.pictures(folder, few), SHAPE).x

    def study(self, part: str = "", **study: Any) -> priorkit.Results:
        """The rows of a study, those run that aren't there yet; a line for each cell."""

        def told(rows: list[dict[str, Any]], done: int, total: int) -> None:
            row = rows[0]
            psnr = mean([r["psnr"] for r in rows if r.get("psnr") is not None])
            what = row["reason"] if row["status"] == "failed" else f"{psnr} dB"
            print(f"  {done}/{total} {row['label']}: {what}", flush=True)

        study.setdefault("pictures", True)
        study["settings"] = {"shape": list(SHAPE), **study["settings"]}
        out = self.out / f"{self.place(part)}.parquet"
        found = priorkit.sweep(study, out=out, jobs=self.jobs, progress=told)
        if found.interrupted:
            sys.exit(130)
        return found

    def place(self, part: str) -> str:
        """The name of a file of this script, without its ending."""
        return f"{self.name}-{part}" if part else self.name

    # --- the authors' results -------------------------------------------------------

    def authors(
        self, file: str, across: str, labels: dict[str, str], value: str = "psnr", **where: Any
    ) -> list[Mean]:
        """A column of the authors' means, their runs averaged, by method and setting; none
        without the folder."""
        path = self.paper / file
        found: list[Mean] = []
        if not path.exists():
            return found
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                wanted = all(row[k] != "" and _same(row[k], v) for k, v in where.items())
                runs = [float(row[f"{value}{i}"]) for i in (1, 2, 3) if row.get(f"{value}{i}")]
                if row["method"] in labels and wanted and runs:
                    at = float(row[across]) if row[across] else None
                    group = (labels[row["method"]],)
                    found.append(Mean(group, at, sum(runs) / len(runs), math.nan, math.nan, 1))
        return found

    def beside(self, ours: Sequence[Mean], theirs: Sequence[Mean]) -> None:
        """A line: how far our means are from the authors', where both have one."""
        table = {(m.group, m.at): m.value for m in theirs}
        gaps = [m.value - table[m.group, m.at] for m in ours if (m.group, m.at) in table]
        if gaps:
            middle = sum(gaps) / len(gaps)
            print(f"  beside {len(gaps)} numbers of the authors: {middle:+.2f} dB on average, "
                  f"{min(gaps):+.2f} to {max(gaps):+.2f}")  # fmt: skip

    # --- what is left -------------------------------------------------------------------

    def numbers(self, rows: Sequence[dict[str, Any]], part: str = "") -> None:
        """Write rows of numbers as NAME.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._write(f"{self.place(part)}.csv", text.getvalue().encode())

    def lines(
        self,
        ours: Sequence[Mean],
        theirs: Sequence[Mean] = (),
        *,
        across: str,
        value: str = "psnr",
        log: bool = False,
        title: str = "",
        part: str = "",
    ) -> None:
        """A plot of our means with their bands, the authors' as dashes, and its data."""
        figure = plot.lines(ours, across=across, value=value, log=log, title=title)
        axis = figure.axes[0]
        colours = {line.get_label(): line.get_color() for line in axis.get_lines()}
        groups = dict.fromkeys(m.group for m in theirs)
        for group in groups:
            points = sorted(
                (m.at, m.value) for m in theirs if m.group == group and m.at is not None
            )
            colour = colours.get(group[0], "gray")
            if points:
                axis.plot(*zip(*points, strict=True), "--", lw=1, color=colour, alpha=0.8)
        if theirs:
            axis.plot([], [], "--", lw=1, color="gray", label="the authors'")
            axis.legend(fontsize=8)
        self.plot(figure, part)
        table = comma_separated(ours, View(("label",), across, value))
        self._write(f"{self.place(part)}.csv", table.encode())

    def plot(self, figure: Any, part: str = "") -> None:
        """Write a figure of matplotlib as NAME.svg."""
        self._write(f"{self.place(part)}.svg", figure.svg())

    def grid(
        self, found: priorkit.Results, pictures: Sequence[str], part: str = "", most: int = 8
    ) -> None:
        """A grid of pictures: the truth, then a row per label; PSNRs beneath."""
        truth = load(list(pictures), SHAPE)
        names = truth.names[:most]
        rows: list[tuple[str, list[tuple[Image.Image, str]]]] = [
            ("truth", [(to_pil(x), "") for x in truth.x[:most]])
        ]
        for label in dict.fromkeys(row["label"] for row in found.rows):
            own = {row["name"]: row for row in found.where(label=label).rows if "png" in row}
            shown = [(Image.open(io.BytesIO(own[n]["png"])), f"{own[n]['psnr']:.1f}")
                     for n in names if n in own]  # fmt: skip
            rows.append((label, shown))
        self._write(f"{self.place(part)}.png", png(_laid_out(rows)))

    def claim(
        self,
        figures: str,
        words: str,
        *,
        paper: str,
        ours: Mean | str,
        holds: bool | None = None,
        unit: str = "dB",
        above: float = 0.0,
        below: float = math.inf,
    ) -> None:
        """A claim of the paper, and whether it holds here.

        Of a difference that the paper says is between ``above`` and ``below``, it holds where the
        whole 95% interval is, fails where the interval is outside, and is undecided else.
        """
        if isinstance(ours, Mean):
            said = (
                f"{ours.value:+.2f} {unit} [{ours.low:+.2f}, {ours.high:+.2f}], {ours.count} images"
            )
            if holds is None and not math.isnan(ours.low):
                inside = above < ours.low and ours.high < below
                outside = ours.high < above or below < ours.low
                holds = True if inside else False if outside else None
        else:
            said = ours
        verdict = {True: "holds", False: "fails", None: "undecided"}[holds]
        self.claims.append(
            {"figures": figures, "claim": words, "paper": paper, "ours": said, "verdict": verdict}
        )
        print(f"  {verdict}: {words}; paper {paper}; here {said}")

    def note(self, words: str) -> None:
        """Something beside the claims of the paper that its reader should know."""
        self.notes.append(words)
        print(f"  {words}")

    def end(self) -> None:
        """Write claims and notes, which docs/reproduction.py gathers."""
        level = "full" if self.full else "quick"
        found = {"level": level, "claims": self.claims, "notes": self.notes}
        self._write(f"{self.name}.json", json.dumps(found, indent=1, ensure_ascii=False).encode())

    def _write(self, name: str, data: bytes) -> None:
        write_atomic(self.out / name, data)


def at(found: priorkit.Results, **settings: Any) -> list[dict[str, Any]]:
    """The rows of a study that have these settings."""
    return found.where(**settings).rows


def gap(
    theirs: Sequence[Mean], one: tuple[str, float], two: tuple[str, float], unknown: str = "above"
) -> str:
    """How far the authors have one (label, setting) above another; ``unknown`` without both."""
    table = {(m.group[0], m.at): m.value for m in theirs}
    known = one in table and two in table
    return f"{table[one] - table[two]:+.2f} dB" if known else unknown


def crossing(means: Sequence[Mean], label: str, value: float) -> float:
    """The m, between those measured, at which a line reaches a value, log-linearly; the least
    where it is above it already, NaN where it never is."""
    points = sorted((m.at, m.value) for m in means if m.group == (label,))
    if points and value <= points[0][1]:
        return float(points[0][0])
    for (m0, v0), (m1, v1) in pairwise(points):
        if v0 <= value <= v1:
            share = (value - v0) / (v1 - v0)
            return math.exp(math.log(m0) + share * (math.log(m1) - math.log(m0)))
    return math.nan


def _same(text: str, value: Any) -> bool:
    if isinstance(value, (list, tuple, set)):
        return any(_same(text, v) for v in value)
    return float(text) == value if isinstance(value, (int, float)) else text == value


def _laid_out(rows: Sequence[tuple[str, Sequence[tuple[Image.Image, str]]]]) -> Image.Image:
    """Rows of pictures, each with its name in front and a caption under every picture."""
    gap, line, left = 4, 14, 110
    across = max(len(shown) for _, shown in rows)
    size = (left + across * (SIDE + gap), len(rows) * (SIDE + line + gap))
    canvas = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=12)
    for r, (name, shown) in enumerate(rows):
        top = r * (SIDE + line + gap)
        draw.text((4, top + SIDE // 2), name, fill="#333", font=font)
        for c, (picture, caption) in enumerate(shown):
            canvas.paste(fit(picture, SIDE), (left + c * (SIDE + gap), top))
            draw.text((left + c * (SIDE + gap), top + SIDE), caption, fill="#333", font=font)
    return canvas
