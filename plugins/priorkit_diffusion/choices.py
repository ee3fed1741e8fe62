"""Default settings of a denoising network for a problem; the table of docs/choosing.md is why."""

from __future__ import annotations

from torch.nn import functional as F

from priorkit.interfaces import (
    Choices,
    GaussianNoise,
    IdentityOperator,
    Noise,
    Operator,
    RandomOperator,
    StabilizedNoise,
    WeightedNoise,
)

__all__ = ["choose", "has_hole"]

HOLE = 9  # side in pixels of the smallest unseen square that counts as a hole


def choose(operator: Operator, noise: Noise) -> Choices:
    """One call where y is the noisy picture, message passing where A is random, else DiffPIR; with
    half of its steps where every pixel or frequency was measured somehow."""
    if not isinstance(noise, WeightedNoise):
        return Choices(
            space="pixel",
            penalty="none",
            refused="A denoising network is for Gaussian noise and counts.",
            instead=[{"prior": "glow-celeba"}, {"prior": "none", "penalty": "tv", "gamma": ...}],
        )
    if isinstance(noise, StabilizedNoise) and isinstance(operator, IdentityOperator):
        return Choices(space="pixel", penalty="none", solver="denoise", start="shown")
    random = isinstance(operator, RandomOperator) and operator.ensemble is not None
    if random and isinstance(noise, GaussianNoise):
        return Choices(space="pixel", penalty="none", solver="amp", start="flat")
    hole = has_hole(operator)
    return Choices(
        space="pixel",
        penalty="none",
        solver={"name": "diffpir", **_diffpir(operator, hole)},
        start="shown",
        budget=300 if hole else 60 if operator.mask is None else None,
    )


def _diffpir(operator: Operator, hole: bool) -> dict[str, float]:
    """Options of DiffPIR. The further missing pixels are from seen ones, the more noise it begins
    with. A hole takes more draws of fewer steps. Where only some frequencies are measured, it
    takes the most steps to resolve the aliasing, so that fewer draws are better. Where everything
    was measured somehow, least squares don't lead far from what the network says: a few steps of
    them do."""
    if hole:
        return {"sigma_start": 0.6, "sigma_end": 0.03, "draws": 12}
    if operator.sees_image:
        return {}
    return {"sigma_start": 0.6} | ({"data_steps": 6} if operator.mask is None else {"draws": 2})


def has_hole(operator: Operator) -> bool:
    """Whether y is a picture in which a square of ``HOLE`` pixels a side is missing."""
    mask = operator.mask
    if not operator.sees_image or mask is None or mask.ndim != 3:
        return False
    seen = mask.amax(0)[None, None].float()
    side = min(HOLE, *seen.shape[2:])
    return bool((F.max_pool2d(seen, side, stride=1) == 0).any())
