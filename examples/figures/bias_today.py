"""Dataset bias, the paper's question, asked again of a prior of faces and of one of photographs.

Figures 5 and 31, with `diffusion-celeba` and `denoiser-photos`.
"""

from __future__ import annotations

from common import LASSOS, Run, at, difference

FIGURES = "5 31"
SETS = {"faces": "ffhq/test100", "birds": "birds/test12", "flowers": "flowers/test12"}
SETS |= {"other pictures": "ood/test28"}

run = Run(__doc__)
ms = run.pick([500, 2500], [500, 2500, 5000])
priors = [
    {"label": "diffusion-celeba", "prior": "diffusion-celeba"},
    {"label": "denoiser-photos", "prior": "denoiser-photos"},
    {"label": "Glow", "prior": "glow-celeba", "budget": run.pick(240, 400)},
    {"label": "DCGAN", "prior": "dcgan-celeba", "budget": run.pick(120, 400)},
]
for kind, folder in SETS.items():
    pictures = run.pictures(folder, few=4)[: run.pick(4, 28)]
    part = kind.replace(" ", "-")
    found = run.study(
        part,
        settings={"op": "gaussian", "image": pictures},
        grid={"m": ms},
        variants=[*priors, LASSOS[0]],
    )
    means = found.summary(across="m")
    run.lines(means, across="m", log=True, title=kind, part=part)
    for m in ms:
        each = ", ".join(f"{mean.group[0]} {mean.value:.2f}" for mean in means if mean.at == m)
        run.note(f"{kind.capitalize()}, m = {m}: {each} dB, the mean of {len(pictures)} pictures.")
        run.grid(found.where(m=m), pictures, part=f"{part}-m{m}")
        broad, narrow = (at(found, label=prior["label"], m=m) for prior in (priors[1], priors[0]))
        ahead = difference(broad, narrow)
        run.note(f"There, the prior of photographs less that of faces: {ahead} dB.")
    noisy = run.study(
        f"{part}-noise",
        settings={"op": "identity", "sigma": 0.1, "image": pictures},
        variants=priors,  # a basis is no help with noise alone
    )
    broad, narrow = (at(noisy, label=prior["label"]) for prior in (priors[1], priors[0]))
    run.note(f"The same at σ = 0.1: {difference(broad, narrow)} dB.")
run.end()
