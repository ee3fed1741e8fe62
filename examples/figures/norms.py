"""Compressed sensing by Glow: the norm of the start against norm and PSNR of what comes back.

Figures 19 and 20.
"""

from __future__ import annotations

from common import FAITHFUL, GLOW, Run, at, difference

FIGURES = "19 20"

run = Run(__doc__)
norms = run.pick([0, 40, 80, 120], list(range(0, 130, 10)))
found = run.study(
    settings={"op": "gaussian", "m": run.pick(2500, 5000), "image": run.pictures(few=3),
              "prior": GLOW, "solver": FAITHFUL,
              "budget": run.pick(150, 600), "start": "fixed-norm"},
    grid={"norm": norms},
    variants=[{"label": "Glow"}],
)  # fmt: skip
for value, column, part in (("psnr", "psnr", ""), ("u_norm", "z_recov_norm", "norm")):
    theirs = run.authors("cs_z_norm_results.csv", "z_init_norm",
                         {"glow-ablation-z-init-norm": "Glow"}, column)  # fmt: skip
    ours = found.summary(across="norm", value=value)
    run.lines(ours, theirs, across="norm", value=value, part=part)
low, high = norms[0], norms[-1]
ahead = difference(at(found, norm=low), at(found, norm=high))
run.claim("20", f"A start of norm {low} gives more than one of norm {high}",
          paper="+2.42 dB", ours=ahead)  # fmt: skip
longer = difference(at(found, norm=high), at(found, norm=low), value="u_norm")
run.claim("19", "A longer start leaves a longer latent", paper="+58.80", unit="", ours=longer)
run.end()
