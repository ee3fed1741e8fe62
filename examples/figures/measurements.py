"""Compressed sensing: PSNR and error against the number of measurements, for four priors.

Figures 4 (left), 15 and 16; figures 21 to 30 are its pictures.
"""

from __future__ import annotations

from common import MS, Run, at, crossing, difference, gap

FIGURES = "4 15 16 21-30"
LABELS = {"glow-main": "Glow", "dcgan": "DCGAN", "lasso-dct": "Lasso-DCT",
          "lasso-wavelet": "Lasso-wavelet"}  # fmt: skip

run = Run(__doc__)
ms = run.pick([100, 500, 2500], MS)
found = run.study(
    settings={"op": "gaussian", "image": run.pictures()},
    grid={"m": ms},
    variants=run.four(),
)
ours, theirs = {}, {}
for value, column, part in (("psnr", "psnr", ""), ("error", "recon_error", "error")):
    theirs[value] = run.authors("cs_results.csv", "m", LABELS, column, dataset="celeba")
    ours[value] = found.summary(across="m", value=value)
    run.lines(ours[value], theirs[value], across="m", value=value, log=True, part=part)
psnr, paper = ours["psnr"], theirs["psnr"]
run.beside(psnr, paper)
for m in ms:
    run.grid(found.where(m=m), run.pictures(), part=f"m{m}")


def above(one: str, two: str, m: int, words: str) -> None:
    """A claim that one prior is above another at m."""
    ahead = difference(at(found, label=one, m=m), at(found, label=two, m=m))
    run.claim("4, 15", words, paper=gap(paper, (one, m), (two, m)), ours=ahead)


for m in (100, 500, 2500):
    above("Glow", "DCGAN", m, f"Glow is above DCGAN at m = {m}")
for m in (100, 500):
    above("DCGAN", "Lasso-DCT", m, f"DCGAN is above the Lasso (DCT) at m = {m}")
above("Lasso-DCT", "Lasso-wavelet", 2500, "The Lasso is better over DCT than over wavelets")
for m in (500, 2500):
    above("Glow", "Lasso-DCT", m, f"Glow is above the Lasso (DCT) at m = {m}")
last = ms[-1]
rise = {label: difference(at(found, label=label, m=last), at(found, label=label, m=500))
        for label in ("Glow", "DCGAN")}  # fmt: skip
known = {label: gap(paper, (label, last), (label, 500), "not known") for label in rise}
run.claim(
    "4, 15", f"DCGAN saturates: less than 2 dB more from m = 500 to {last}",
    paper=known["DCGAN"], ours=rise["DCGAN"], above=-2, below=2,
)  # fmt: skip
run.claim(
    "4, 15", f"Glow doesn't: more than 5 dB from m = 500 to {last}",
    paper=known["Glow"], ours=rise["Glow"], above=5,
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
