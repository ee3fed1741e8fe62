"""How far a picture moves when its latent does, towards other pictures and at random.

Figure 51.
"""

from __future__ import annotations

import torch
from common import Run, mean

from priorkit.settings.select import resolve

FIGURES = "51"
STEPS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)

run = Run(__doc__)
prior = resolve("prior", "glow-celeba").build(0)
x = run.images(few=12)
z = prior.encode(x)
towards = z.roll(1, 0) - z if len(z) > 1 else -z  # from one face to another
random = torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
points, moved, rows = [], {}, []
for label, direction in (("towards another face", towards), ("at random", random)):
    unit = direction / direction.norm(dim=1, keepdim=True)
    for step in STEPS:
        with torch.no_grad():
            change = (prior.decode(z + step * unit) - x).flatten(1).norm(dim=1)
        moved[label, step] = change
        points.append(mean(change.tolist(), (label,), step))
        rows.append({"direction": label, "step": step, "change": points[-1].value})
run.lines(points, across="‖change of z‖", value="‖change of x‖", title="from the latents of faces")
for step in (2.0, 8.0):
    further = moved["towards another face", step] - moved["at random", step]
    run.claim(
        "51", f"A step of {step:g} towards another face changes the picture more than a random one",
        paper="more", ours=mean(further.tolist()), unit="",
    )  # fmt: skip
run.end()
