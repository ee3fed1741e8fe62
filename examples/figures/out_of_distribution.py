"""Compressed sensing of pictures unlike the training set, with priors of faces.

Figure 5; figures 42 to 46 are its pictures.
"""

from __future__ import annotations

from common import Run, at, difference

FIGURES = "5 42-46"
PAPER = (500, 1000, 2500, 5000, 7500, 10000, 12288)

run = Run(__doc__)
ms = run.pick([500, 2500], list(PAPER))
pictures = run.pictures("ood/test28", few=4)
found = run.study(
    settings={"op": "gaussian", "image": pictures},
    grid={"m": ms},
    variants=run.four(),
)
run.lines(found.summary(across="m"), across="m", log=True)
for m in ms:
    run.grid(found.where(m=m), pictures, part=f"m{m}")
for m in (500, 2500):
    for other in ("DCGAN", "Lasso-DCT", "Lasso-wavelet"):
        ahead = difference(at(found, label="Glow", m=m), at(found, label=other, m=m))
        words = f"Out of distribution, Glow is above {other} at m = {m}"
        run.claim("5, 42-46", words, paper="above", ours=ahead)
faces = run.study(
    "ffhq",
    settings={"op": "gaussian", "image": run.pictures("ffhq/test100", few=4), "m": 2500},
    variants=run.four()[:3],
)
for other in ("DCGAN", "Lasso-DCT"):
    ahead = difference(at(faces, label="Glow"), at(faces, label=other))
    words = f"On faces of another data set (FFHQ), Glow is above {other} at m = 2500"
    run.claim("5", words, paper="above", ours=ahead)
run.end()
