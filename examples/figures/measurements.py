"""Compressed sensing: PSNR and error against the number of measurements, for four priors.

Figures 4 (left), 15 and 16; figures 21 to 30 are its pictures.
"""

from __future__ import annotations

import math

from common import Run, at, crossing, difference

FIGURES = "4 15 16 21-30"
LABELS = {"glow-main": "Glow", "dcgan": "DCGAN", "lasso-dct": "Lasso-DCT",
          "lasso-wavelet": "Lasso-wavelet"}  # fmt: skip
PAPER = (20, 30, 50, 100, 200, 300, 400, 500, 750, 1000, 2500, 5000, 7500, 10000, 12288)

run = Run(__doc__)
LASSO = {"penalty": "l1", "gamma": 0.01, "solver": "fista"}
ms = run.pick([100, 500, 2500], list(PAPER))
found = run.study(
    settings={"op": "gaussian", "image": run.pictures()},
    grid={"m": ms},
    variants=[
        {"label": "Glow", "prior": "glow-celeba"},
        {"label": "DCGAN", "prior": "dcgan-celeba"},
        {"label": "Lasso-DCT", "prior": "dct", **LASSO},
        {"label": "Lasso-wavelet", "prior": "wavelet", **LASSO},
    ],
)
for value in ("psnr", "error"):
    stem = "" if value == "psnr" else value
    column = "psnr" if value == "psnr" else "recon_error"
    theirs = run.authors("cs_results.csv", "m", LABELS, column, dataset="celeba")
    ours = found.summary(across="m", value=value)
    run.lines(ours, theirs, across="m", value=value, log=True, part=stem)
    if value == "psnr":
        run.beside(ours, theirs)
        psnr, paper = ours, {(m.group[0], m.at): m.value for m in theirs}
for m in ms:
    run.grid(found.where(m=m), run.pictures(), part=f"m{m}")


def gap(one: str, two: str, m: int, words: str) -> None:
    """A claim that one prior is above another at m."""
    known = paper.get((one, m), math.nan) - paper.get((two, m), math.nan)
    ours = difference(at(found, label=one, m=m), at(found, label=two, m=m))
    run.claim("4, 15", words, paper=f"{known:+.2f} dB", ours=ours)


for m in (100, 500, 2500):
    gap("Glow", "DCGAN", m, f"Glow is above DCGAN at m = {m}")
for m in (100, 500):
    gap("DCGAN", "Lasso-DCT", m, f"DCGAN is above the Lasso (DCT) at m = {m}")
gap("Lasso-DCT", "Lasso-wavelet", 2500, "The Lasso is better over DCT than over wavelets")
for m in (500, 2500):
    gap("Glow", "Lasso-DCT", m, f"Glow is above the Lasso (DCT) at m = {m}")
last = ms[-1]
rise = {label: difference(at(found, label=label, m=last), at(found, label=label, m=500))
        for label in ("Glow", "DCGAN")}  # fmt: skip
known = {label: paper.get((label, last), math.nan) - paper.get((label, 500), math.nan)
         for label in rise}  # fmt: skip
run.claim(
    "4, 15", f"DCGAN saturates: less than 2 dB more from m = 500 to {last}",
    paper=f"{known['DCGAN']:+.2f} dB", ours=rise["DCGAN"], above=-2, below=2,
)  # fmt: skip
run.claim(
    "4, 15", f"Glow doesn't: more than 5 dB from m = 500 to {last}",
    paper=f"{known['Glow']:+.2f} dB", ours=rise["Glow"], above=5,
)  # fmt: skip
for one, two, least in (("Glow", "DCGAN", 2), ("Glow", "Lasso-DCT", 5)):
    m = 500 if two == "DCGAN" else 2500
    reached = next(p.value for p in psnr if p.group == (two,) and p.at == m)
    needed = crossing(psnr, one, reached)
    run.claim(
        "4, 15", f"{one} needs {least} times fewer measurements for what {two} reaches at m = {m}",
        paper="2 to 3 times" if two == "DCGAN" else "10 to 20 times",
        ours=f"{m / needed:.1f} times (m = {needed:.0f} for {reached:.2f} dB)",
        holds=m / needed >= least,
    )  # fmt: skip
run.end()
