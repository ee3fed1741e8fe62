"""A point recovered from one of its coordinates: moving the latent against moving the point.

Figures 8 and 53 to 56. The RealNVP knows points whose first coordinate has two modes, at −2 and
2, and whose second is uniform in [−2, 2]; y is the second coordinate.
"""

from __future__ import annotations

import numpy as np
import torch
from common import Run, mean

import priorkit
from priorkit.draw.figure import blank
from priorkit.settings.select import resolve

FIGURES = "8 53-56"
Y = 1.0
LATENT, POINT = "moving z, ‖z‖", "moving x, −log p(x)"

run = Run(__doc__)
prior = resolve("prior", "realnvp-2d").build(0)
count = run.pick(5, 15)
starts = np.stack(
    np.meshgrid(np.linspace(-4, 4, count), np.linspace(-3, 3, count)), -1
).reshape(-1, 2)  # fmt: skip
far = torch.from_numpy(
    (np.abs(starts[:, 1]) > 2.2) | (np.abs(np.abs(starts[:, 0]) - 2) > 1.5)
)  # outside the data
gammas = run.pick([0.1], [0.01, 0.1, 1.0])
figure, axes = blank(len(gammas), 2, side=3.2)
rows, likely = [], {}
first, second = torch.meshgrid(
    torch.linspace(-4, 4, 161, dtype=torch.float64),
    torch.linspace(-3, 3, 121, dtype=torch.float64),
    indexing="xy",
)  # fmt: skip
with torch.no_grad():
    density = prior.log_prob(torch.stack([first, second], -1).view(-1, 2)).view(first.shape)
for column, gamma in enumerate(gammas):
    for line, (label, space, penalty) in enumerate(
        ((LATENT, "latent", "l2"), (POINT, "pixel", "nll"))
    ):
        found = priorkit.recover(
            y=np.full((len(starts), 1), Y), prior=prior, space=space, penalty=penalty, gamma=gamma,
            op={"name": "matrix", "matrix": np.array([[0.0, 1.0]])}, start=starts,
            solver={"name": "adam", "rate": 0.02}, budget=run.pick(1000, 3000), precision="float64",
        )  # fmt: skip
        log_p = prior.log_prob(found.x).detach()
        likely[label, gamma] = log_p
        axis = axes[line, column]
        axis.contourf(first.numpy(), second.numpy(), density.clamp_min(-9).numpy(), 20)
        ends = found.x.numpy()
        for start, end in zip(starts, ends, strict=True):
            axis.plot(*zip(start, end, strict=True), color="white", lw=0.4)
        axis.plot(*ends.T, "r.", markersize=4)
        axis.set_title(f"{label}, γ = {gamma:g}", fontsize=9)
        axis.set(xlim=(-4, 4), ylim=(-3, 3))
        rows += [
            {"formulation": label, "gamma": gamma, "start1": s[0], "start2": s[1],
             "end1": e[0], "end2": e[1], "log_p": float(p)}
            for s, e, p in zip(starts, ends, log_p, strict=True)
        ]  # fmt: skip
run.plot(figure)
run.numbers(rows)
gamma = 0.1
ahead = mean((likely[LATENT, gamma] - likely[POINT, gamma])[far].tolist())
run.claim("8, 53-56", "From starts outside the data, moving z ends likelier than moving x",
          paper="likelier", ours=ahead, unit="nats")  # fmt: skip
share = {
    label: float((likely[label, gamma][far] > -4).double().mean()) for label in (LATENT, POINT)
}
run.claim("8", "From most starts outside the data, moving z ends among them", paper="it does",
          ours=f"{100 * share[LATENT]:.0f}% of starts, moving x {100 * share[POINT]:.0f}%",
          holds=share[LATENT] > 0.9)  # fmt: skip
run.end()
