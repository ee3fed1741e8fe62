"""Compressed sensing of birds and of flowers, each under a Glow of its own.

Figures 31 to 41.
"""

from __future__ import annotations

from common import Run, at, difference

FIGURES = "31-41"
PAPER = (20, 30, 50, 100, 200, 300, 400, 500, 750, 1000, 2500, 5000, 7500, 10000, 12288)

run = Run(__doc__)
LASSO = {"penalty": "l1", "gamma": 0.01, "solver": "fista"}
ms = run.pick([500, 2500], list(PAPER))
labels = {"glow-main": "Glow", "lasso-dct": "Lasso-DCT", "lasso-wavelet": "Lasso-wavelet"}
for kind in ("birds", "flowers"):
    pictures = run.pictures(f"{kind}/test12", few=3)
    found = run.study(
        kind,
        settings={"op": "gaussian", "image": pictures},
        grid={"m": ms},
        variants=[
            {"label": "Glow", "prior": f"glow-{kind}"},
            {"label": "Lasso-DCT", "prior": "dct", **LASSO},
            {"label": "Lasso-wavelet", "prior": "wavelet", **LASSO},
        ],
    )
    theirs = run.authors("cs_results.csv", "m", labels, dataset=kind)
    ours = found.summary(across="m")
    run.lines(ours, theirs, across="m", log=True, title=kind, part=kind)
    run.beside(ours, theirs)
    paper = {(p.group[0], p.at): p.value for p in theirs}
    for m in ms:
        run.grid(found.where(m=m), pictures, part=f"{kind}-m{m}")
    for m in (500, 2500):
        for other in ("Lasso-DCT", "Lasso-wavelet"):
            known = paper.get(("Glow", m), 0) - paper.get((other, m), 0)
            ahead = difference(at(found, label="Glow", m=m), at(found, label=other, m=m))
            words = f"On {kind}, their Glow is above {other} at m = {m}"
            run.claim("31-41", words, paper=f"{known:+.2f} dB", ours=ahead)
run.end()
