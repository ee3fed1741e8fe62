"""How long the latents of pictures are, with and without noise in the picture.

Figure 50.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from common import Run, mean

from priorkit.draw.figure import blank
from priorkit.settings.select import resolve

FIGURES = "50"
SIGMAS = (0.0, 0.01, 0.05, 0.1, 0.2)

run = Run(__doc__)
prior = resolve("prior", "glow-celeba").build(0)
x = run.images(few=12)
noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
random = torch.randn(200, prior.latent_size, generator=torch.Generator().manual_seed(1)).norm(dim=1)
figure, axes = blank()
axis, rows, norms = axes[0, 0], [], {}
for sigma in SIGMAS:
    norms[sigma] = prior.encode((x + sigma * noise).clamp(0, 1)).norm(dim=1)
    axis.hist(norms[sigma].numpy(), bins=20, alpha=0.6, label=f"σ = {sigma:g}")
    found = mean(norms[sigma].tolist())
    rows.append({"sigma": sigma, "norm": found.value, "low": found.low, "high": found.high})
axis.hist(random.numpy(), bins=20, alpha=0.6, color="gray", label="z ~ N(0, I)")
axis.set_xlabel("‖z‖")
axis.set_ylabel("pictures")
axis.legend(fontsize=8)
run.plot(figure)
run.numbers(rows)
for before, after in pairwise(SIGMAS):
    longer = mean((norms[after] - norms[before]).tolist())
    words = f"Noise makes latents longer: σ = {after:g} against {before:g}"
    run.claim("50", words, paper="longer", ours=longer, unit="")
run.end()
