"""Denoising: PSNR against the weight γ of the penalty, for Glow, DCGAN and BM3D.

Figures 2 and 10; figure 11 puts ‖z‖ beside ‖z‖², 14 is of flowers, 3, 12 and 13 are pictures.
"""

from __future__ import annotations

from common import FAITHFUL, GAMMAS, GLOW, Run, at, difference, mean

import priorkit

FIGURES = "2 3 10-14"
SQUARED = [0, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1]
LIKELY = "Glow, −log p(x)"  # priorkit's default, with its γ of validation faces
QUICK = {0.05: [0.1, 0.25, 0.5], 0.1: [0, 1, 1.5, 2.5], 0.2: [2.5, 5, 7.5]}  # about the best

run = Run(__doc__)
sigmas = run.pick(list(QUICK), [0.01, 0.05, 0.1, 0.2])
glow = {"prior": GLOW, "space": "latent", "start": "zero", "solver": FAITHFUL}
settings = {"op": "identity", "image": run.pictures(), "budget": run.pick(120, 400)}
found = priorkit.Results()
for sigma in sigmas:
    gammas = run.pick(QUICK.get(sigma), GAMMAS)
    found.rows += run.study(
        settings={**settings, "sigma": sigma},
        variants=[
            {"label": "Glow", **glow, "penalty": "l2", "grid": {"gamma": gammas}},
            {"label": LIKELY, "prior": "glow-celeba"},
            {"label": "DCGAN", "prior": "dcgan-celeba", "penalty": "l2", "restarts": 1,
             "grid": {"gamma": run.pick([0, 1], GAMMAS)}},
            {"label": "BM3D", "prior": "bm3d"},
        ],
    ).rows  # fmt: skip
labels = {"glow": "Glow", "dcgan": "DCGAN", "bm3d": "BM3D"}
best, best_paper, chosen = {}, {}, {}
for sigma in sigmas:
    theirs = run.authors("denoising_results.csv", "gamma", labels, noise_std=sigma,
                         dataset="celeba")  # fmt: skip
    ours = found.where(sigma=sigma).summary(across="gamma")
    title = f"σ = {sigma:g}"
    run.lines(ours, theirs, across="gamma", log=True, title=title, part=f"s{sigma:g}")
    run.beside(ours, theirs)
    for label in (*labels.values(), LIKELY):
        of = [m for m in ours if m.group == (label,)]
        top = max(of, key=lambda m: m.value)
        chosen[label, sigma] = top.at
        best[label, sigma] = at(found, label=label, sigma=sigma, gamma=top.at)
        best_paper[label, sigma] = max((m.value for m in theirs if m.group == (label,)), default=0)
    pictures = [row for label in (*labels.values(), LIKELY) for row in best[label, sigma]]
    run.grid(priorkit.Results(pictures), run.pictures(), part=f"s{sigma:g}")


def gap(one: str, two: str, sigma: float) -> None:
    """A claim that one prior is above another, each at its best γ."""
    paper = best_paper[one, sigma] - best_paper[two, sigma]
    ours = difference(best[one, sigma], best[two, sigma])
    words = f"Denoising at σ = {sigma:g}: {one} at its best γ is above {two}"
    run.claim("2, 10", words, paper=f"{paper:+.2f} dB", ours=ours)


for sigma in (0.1, 0.2):
    gap("Glow", "BM3D", sigma)
    ahead = difference(best[LIKELY, sigma], best["BM3D", sigma])
    run.note(f"Denoising at σ = {sigma:g}: Glow under −log p(x), less BM3D: {ahead} dB.")
    block = mean([row["psnr"] for row in best["BM3D", sigma]]).value
    if known := best_paper["BM3D", sigma]:
        run.note(f"BM3D itself has {block:.2f} dB here and {known:.2f} dB with the authors.")
for sigma in (0.05, 0.1, 0.2):
    gap("Glow", "DCGAN", sigma)
order = [chosen["Glow", s] for s in sigmas]
grows = order == sorted(order) and order[0] < order[-1]
run.claim("2, 10", "The best γ of Glow grows with the noise", paper="0.01, 0.25, 1, 2.5",
          ours=", ".join(f"{g:g}" for g in order), holds=grows)  # fmt: skip
none = at(found, label="Glow", sigma=0.1, gamma=0)
run.claim("2, 10", "Denoising at σ = 0.1: a penalty is needed, γ = 0 is below the best by far",
          paper="+8.16 dB", ours=difference(best["Glow", 0.1], none))  # fmt: skip

squares = run.study(
    "squared",
    settings={**settings, "sigma": 0.1},
    variants=[{"label": "‖z‖²", **glow, "penalty": "l2-squared",
               "grid": {"gamma": run.pick([0.025, 0.05, 0.075], SQUARED)}}],
)  # fmt: skip
ours = squares.summary(across="gamma")
theirs = run.authors("denoising_results.csv", "gamma", {"glow-z-squared": "‖z‖²"}, noise_std=0.1)
run.lines(ours, theirs, across="gamma", log=True, part="squared")
run.beside(ours, theirs)
top = max(ours, key=lambda m: m.value)
ahead = difference(best["Glow", 0.1], at(squares, gamma=top.at))
run.claim("11", "‖z‖ and ‖z‖² at their best γ are alike, within half a dB", paper="+0.19 dB",
          ours=ahead, above=-0.5, below=0.5)  # fmt: skip

flowers = run.study(
    "flowers",
    settings={**settings, "sigma": 0.1, "image": run.pictures("flowers/test12")},
    variants=[
        {"label": "Glow", **glow, "prior": {**GLOW, "name": "glow-flowers"}, "penalty": "l2",
         "grid": {"gamma": run.pick([0.5, 1], [0.25, 0.5, 0.75, 1, 2.5])}},
        {"label": "BM3D", "prior": "bm3d"},
    ],
)  # fmt: skip
run.lines(flowers.summary(across="gamma"), across="gamma", part="flowers")
top = max(flowers.where(label="Glow").summary(across="gamma"), key=lambda m: m.value)
kept = [*at(flowers, label="Glow", gamma=top.at), *at(flowers, label="BM3D")]
run.grid(priorkit.Results(kept), run.pictures("flowers/test12"), part="flowers")
run.end()
