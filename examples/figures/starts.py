"""Compressed sensing by Glow: where the solver starts, and the weight γ, at m = 5000.

Figure 4 (right).
"""

from __future__ import annotations

from common import FAITHFUL, GLOW, Run, at, difference, gap

FIGURES = "4"
GAMMAS = (0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.25, 0.5, 0.75, 1)
STARTS = {
    "0": "z₀ = 0",
    "0.1": "z₀ ~ N(0, 0.1²)",
    "0.7": "z₀ ~ N(0, 0.7²)",
    "lasso-wavelet": "Lasso (wavelet)",
    "null-space-pertnorm-5": "truth + null space",
}

run = Run(__doc__)
m = run.pick(2500, 5000)
one = {"gamma": run.pick([0], list(GAMMAS))}
both = {"gamma": run.pick([0, 1], list(GAMMAS))}
found = run.study(
    settings={"op": "gaussian", "m": m, "image": run.pictures(few=3), "penalty": "l2",
              "prior": GLOW, "budget": run.pick(150, 600),
              "solver": FAITHFUL},
    variants=[
        {"label": STARTS["0"], "start": "zero", "grid": both},
        {"label": STARTS["0.1"], "start": {"name": "normal", "std": 0.1}, "grid": one},
        {"label": STARTS["0.7"], "start": {"name": "normal", "std": 0.7}, "grid": both},
        {"label": STARTS["lasso-wavelet"], "grid": one,
         "start": {"name": "lasso", "basis": "wavelet", "steps": 300}},
        {"label": STARTS["null-space-pertnorm-5"], "grid": one,
         "start": {"name": "null-space", "norm": 5}},
    ],
)  # fmt: skip
ours, theirs = found.summary(across="gamma"), []
for std, label in STARTS.items():
    theirs += run.authors("cs_results.csv", "gamma", {"glow-ablation-gamma": label}, m=5000,
                          z_init_std=std)  # fmt: skip
run.lines(ours, theirs, across="gamma", log=True, title=f"m = {m}")
if m == 5000:
    run.beside(ours, theirs)
zero = STARTS["0"]
for label in list(STARTS.values())[1:]:
    ahead = difference(at(found, label=zero, gamma=0), at(found, label=label, gamma=0))
    run.claim("4 right", f"At γ = 0, z₀ = 0 is above {label}",
              paper=gap(theirs, (zero, 0), (label, 0)), ours=ahead)  # fmt: skip
ahead = difference(at(found, label=zero, gamma=0), at(found, label=zero, gamma=1))
run.claim("4 right", "From z₀ = 0, γ = 0 is above γ = 1",
          paper=gap(theirs, (zero, 0), (zero, 1)), ours=ahead)  # fmt: skip
other = difference(at(found, label=zero, gamma=1), at(found, label=STARTS["0.7"], gamma=1))
known = gap(theirs, (zero, 1), (STARTS["0.7"], 1), "not known")
run.claim("4 right", "At γ = 1, the start matters little: less than 1 dB for z₀ ~ N(0, 0.7²)",
          paper=known, ours=other, above=-1, below=1)  # fmt: skip
run.end()
