"""Compressed sensing by Glow: L-BFGS against Adam, and the residual along the way.

Figures 17 and 18.
"""

from __future__ import annotations

from common import MS, Run, at, difference, gap, mean

import priorkit

FIGURES = "17 18"

run = Run(__doc__)
ms = run.pick([500, 2500], MS)
pictures = run.pictures(few=3)
found = run.study(
    settings={"op": "gaussian", "image": pictures, "prior": "glow-celeba", "start": "zero"},
    grid={"m": ms},
    variants=[
        {"label": "L-BFGS", "solver": "lbfgs", "budget": run.pick(200, 400)},
        {"label": "Adam", "solver": {"name": "adam", "rate": 0.01},
         "budget": run.pick(200, 2000)},
    ],
)  # fmt: skip
theirs = run.authors("cs_results.csv", "m", {"glow-main": "L-BFGS", "glow-adam": "Adam"},
                     dataset="celeba")  # fmt: skip
ours = found.summary(across="m")
run.lines(ours, theirs, across="m", log=True)
run.beside(ours, theirs)
for m in (500, 2500):
    ahead = difference(at(found, label="L-BFGS", m=m), at(found, label="Adam", m=m))
    known = gap(theirs, ("L-BFGS", m), ("Adam", m))
    run.claim("17", f"L-BFGS is above Adam at m = {m}", paper=known, ours=ahead)

rows, points = [], []
budget = run.pick(160, 2000)
for label, solver in (("L-BFGS", {"name": "lbfgs", "discrepancy": 0.0}),
                      ("Adam", {"name": "adam", "rate": 0.01})):  # fmt: skip
    result = priorkit.recover(
        pictures[: run.pick(2, 12)],
        prior="glow-celeba",
        op="gaussian",
        m=2500,
        solver=solver,
        budget=budget,
    )
    for count in range(20, budget + 1, 20):
        reached = [
            min((r for e, r in zip(t.evaluations, t.misfit, strict=True) if e <= count),
                default=float("nan"))
            for t in result.trace
        ]  # fmt: skip
        points.append(mean([value**0.5 for value in reached], (label,), count))
        rows.append({"solver": label, "evaluations": count, "residual": points[-1].value})
run.lines(points, across="evaluations", value="‖A D(z) − y‖", part="residual",
          title="m = 2500")  # fmt: skip
last = {p.group[0]: p.value for p in points}
run.claim("18", "The residual of L-BFGS is below that of Adam after as many evaluations",
          paper="below", ours=f"{last['L-BFGS']:.3f} against {last['Adam']:.3f}",
          holds=last["L-BFGS"] < last["Adam"])  # fmt: skip
run.end()
