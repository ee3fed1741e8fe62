"""Compressed sensing of birds and of flowers, each under a Glow of its own.

Figures 31 to 41.
"""

from __future__ import annotations

from common import LASSOS, MS, Run, at, difference, gap

FIGURES = "31-41"

run = Run(__doc__)
ms = run.pick([500, 2500], MS)
labels = {"glow-main": "Glow", "lasso-dct": "Lasso-DCT", "lasso-wavelet": "Lasso-wavelet"}
for kind in ("birds", "flowers"):
    pictures = run.pictures(f"{kind}/test12", few=6)
    found = run.study(
        kind,
        settings={"op": "gaussian", "image": pictures},
        grid={"m": ms},
        variants=[{"label": "Glow", "prior": f"glow-{kind}"}, *LASSOS],
    )
    theirs = run.authors("cs_results.csv", "m", labels, dataset=kind)
    ours = found.summary(across="m")
    run.lines(ours, theirs, across="m", log=True, title=kind, part=kind)
    run.beside(ours, theirs)
    for m in ms:
        run.grid(found.where(m=m), pictures, part=f"{kind}-m{m}")
    for m in (500, 2500):
        for other in ("Lasso-DCT", "Lasso-wavelet"):
            known = gap(theirs, ("Glow", m), (other, m))
            ahead = difference(at(found, label="Glow", m=m), at(found, label=other, m=m))
            words = f"On {kind}, their Glow is above {other} at m = {m}"
            run.claim("31-41", words, paper=known, ours=ahead)
run.end()
