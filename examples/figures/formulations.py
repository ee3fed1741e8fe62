"""Moving the latent under ‖z‖ against moving the image under −log p(x).

Figures 58, 60 and 61.
"""

from __future__ import annotations

from common import FAITHFUL, GLOW, Run, at, difference

FIGURES = "58 60 61"
LATENT, IMAGE = "latent, ‖z‖", "image, −log p(x)"

run = Run(__doc__)
pictures = run.pictures(few=3)
settings = {"image": pictures, "prior": GLOW, "solver": FAITHFUL, "start": "zero",
            "budget": run.pick(160, 1000)}  # fmt: skip
gammas = run.pick([1e-4, 1e-3], [1e-5, 1e-4, 1e-3, 1e-2])
variants = [
    {"label": LATENT, "space": "latent", "penalty": "l2",
     "grid": {"gamma": run.pick([0], [0, 1e-3, 1e-2, 0.1])}},
    {"label": IMAGE, "space": "pixel", "penalty": "nll", "grid": {"gamma": gammas}},
]  # fmt: skip
ms = run.pick([2500], [500, 2500, 5000])
found = run.study(
    settings={**settings, "op": "gaussian"}, grid={"m": ms}, variants=variants
)  # fmt: skip
best = {}
for m in ms:
    means = found.where(m=m).summary(across="gamma")
    run.lines(means, across="gamma", log=True, title=f"m = {m}", part=f"m{m}")
    for label in (LATENT, IMAGE):
        top = max((p for p in means if p.group == (label,)), key=lambda p: p.value)
        best[label, m] = at(found, label=label, m=m, gamma=top.at)
    run.grid(type(found)([*best[LATENT, m], *best[IMAGE, m]]), pictures, part=f"m{m}")
    ahead = difference(best[LATENT, m], best[IMAGE, m])
    words = f"Compressed sensing at m = {m}: moving the latent is above moving the image"
    run.claim("58, 60, 61", words, paper="above", ours=ahead)
run.end()
