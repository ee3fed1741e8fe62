"""The objective around a face and its latent, over two directions: latent and pixel space.

Figures 7, 52 and 57.
"""

from __future__ import annotations

import torch
from common import Run

from priorkit.draw.figure import blank
from priorkit.settings.select import resolve

FIGURES = "7 52 57"

run = Run(__doc__)
prior = resolve("prior", "glow-celeba").build(0)
operator = resolve("operator", {"name": "gaussian", "m": 500}).build(0).bind(prior.shape)
x = run.images(few=3)
z = prior.encode(x)
truth, centre = x[:1], z[:1]
y = operator.A(truth)
side = run.pick(15, 61)
reach = torch.linspace(-1, 1, side)


def unit(v: torch.Tensor) -> torch.Tensor:
    """v of length 1."""
    return v / v.norm()


def values(points: torch.Tensor, latent: bool) -> torch.Tensor:
    """‖A x − y‖² (S, S) at points, decoded where they are latents."""
    found = []
    with torch.no_grad():
        for part in points.split(64):
            images = prior.decode(part) if latent else part.view(-1, *truth.shape[1:])
            found.append((operator.A(images) - y).square().flatten(1).sum(1))
    return torch.cat(found).view(side, side)


generator = torch.Generator().manual_seed(0)
noise = [unit(torch.randn(centre.shape, generator=generator)) for _ in range(2)]
others = [unit(other[None] - centre) for other in z[1:3]] if len(z) > 2 else noise
flat = truth.flatten(1)
pixels = [unit(other.flatten()[None] - flat) for other in x[1:3]] if len(x) > 2 else noise
panels = {
    "z, towards two faces": (centre, others, 10.0, True),
    "z, at random": (centre, noise, 10.0, True),
    "x, towards two faces": (flat, pixels, 10.0, False),
    "x, at random": (flat, noise, 10.0, False),
}
figure, axes = blank(2, 2, side=3.2)
rows, convex, surfaces = [], {}, {}
for axis, (name, (middle, (first, second), size, latent)) in zip(
    axes.flat, panels.items(), strict=True
):
    a, b = torch.meshgrid(size * reach, size * reach, indexing="ij")
    points = middle + a.reshape(-1, 1) * first + b.reshape(-1, 1) * second
    surface = surfaces[name] = values(points, latent)
    axis.contourf(a.numpy(), b.numpy(), (surface + 1e-6).log10().numpy(), 24)
    axis.set_title(name, fontsize=9)
    rows += [
        {"panel": name, "a": float(p), "b": float(q), "misfit": float(v)}
        for p, q, v in zip(a.flatten(), b.flatten(), surface.flatten(), strict=True)
    ]
    # Along each of the two axes through the truth, how often the slope points away from it.
    half = side // 2
    arms = [surface[half:, half], surface[: half + 1, half].flip(0), surface[half, half:],
            surface[half, : half + 1].flip(0)]  # fmt: skip
    convex[name] = float(torch.cat([arm.diff() > 0 for arm in arms]).float().mean())
run.plot(figure)
run.numbers(rows)
for name in ("z, towards two faces", "z, at random"):
    share = convex[name]
    run.claim("7, 52", f"The misfit rises away from the truth: {name}", paper="it does",
              ours=f"on {100 * share:.0f}% of the steps", holds=share > 0.9)  # fmt: skip
middle = {name: float(surface.median()) for name, surface in surfaces.items()}
steeper = middle["z, towards two faces"] / middle["z, at random"]
run.claim("52, 57", "The misfit is steeper towards faces than at random", paper="steeper",
          ours=f"{steeper:.1f} times as large, the medians", holds=steeper > 1)  # fmt: skip
run.end()
