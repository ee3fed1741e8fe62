"""Inpainting of a hole in the middle: γ and the start, in and out of distribution.

Figure 47; figures 6, 48 and 49 are its pictures.
"""

from __future__ import annotations

from common import FAITHFUL, GAMMAS, GLOW, Run, at, difference, gap

FIGURES = "6 47-49"
LABELS = {"glow-main": "Glow, z₀ = 0", "glow-ablation": "Glow, z₀ ~ N(0, 0.7²)", "dcgan": "DCGAN"}

run = Run(__doc__)
glow = {"prior": GLOW, "solver": FAITHFUL, "penalty": "l2"}
settings = {"op": "mask", "image": run.pictures(), "budget": run.pick(150, 400)}
found = run.study(
    settings=settings,
    grid={"gamma": run.pick([0, 1], GAMMAS)},
    variants=[
        {"label": LABELS["glow-main"], **glow, "start": "zero"},
        {"label": LABELS["glow-ablation"], **glow, "start": {"name": "normal", "std": 0.7}},
        {"label": "DCGAN", "prior": "dcgan-celeba", "penalty": "l2"},
    ],
)
theirs = run.authors("inpainting_results.csv", "gamma", LABELS)
ours = found.summary(across="gamma")
run.lines(ours, theirs, across="gamma", log=True)
run.beside(ours, theirs)
main, random, dcgan = LABELS.values()
run.grid(found.where(gamma=0), run.pictures(), part="faces")
for label, words in (
    (dcgan, "Inpainting at γ = 0: Glow is above DCGAN"),
    (random, "Inpainting at γ = 0: z₀ = 0 is above z₀ ~ N(0, 0.7²)"),
):
    ahead = difference(at(found, label=main, gamma=0), at(found, label=label, gamma=0))
    run.claim("47", words, paper=gap(theirs, (main, 0), (label, 0)), ours=ahead)
known = gap(theirs, (main, 0), (main, 1))
ahead = difference(at(found, label=main, gamma=0), at(found, label=main, gamma=1))
run.claim("47", "Inpainting: γ = 0 is above γ = 1", paper=known, ours=ahead)

pictures = run.pictures("ood/test28", few=5)
strange = run.study(
    "ood",
    settings={**settings, "image": pictures, "gamma": 0.0},
    variants=[{"label": "Glow", **glow, "start": "zero"},
              {"label": "DCGAN", "prior": "dcgan-celeba", "penalty": "l2"}],
)  # fmt: skip
run.grid(strange, pictures, part="ood")
run.claim("6, 48, 49", "Inpainting out of distribution: Glow is above DCGAN", paper="above",
          ours=difference(at(strange, label="Glow"), at(strange, label="DCGAN")))  # fmt: skip
run.end()
