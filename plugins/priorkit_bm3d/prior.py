"""BM3D: noise removal by grouping similar patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import BadInputError, needed
from priorkit.interfaces import (
    Choices,
    Denoiser,
    GaussianNoise,
    IdentityOperator,
    LinearOperator,
    Noise,
    Operator,
    Shape,
    StabilizedNoise,
)

__all__ = ["BM3D"]

SMALLEST = 16  # two patches of 8×8 each way
UNSEEN = 1e-5  # of the noise level


class BM3D(Denoiser):
    """Block-matching and 3-D filtering, for gray and colour pictures.

    It only denoises: it has neither a latent nor a density. ``op="identity"`` calls it once,
    other linear operators use it plug-and-play (solver ``pnp-admm``).

    The package ``bm3d`` (extra ``priorkit[bm3d]``) is free for non-commercial use only.

    Reference: Dabov, Foi, Katkovnik & Egiazarian, "Image denoising by sparse 3-D
    transform-domain collaborative filtering", IEEE Trans. Image Process. 2007.
    """

    def bind(self, shape: Shape) -> BM3D:
        """For (1, H, W) or (3, H, W) of at least 16×16. Raises BadInputError, MismatchError."""
        if len(shape) != 3 or shape[0] not in (1, 3) or min(shape[1:]) < SMALLEST:
            raise BadInputError(
                f"BM3D is for gray or colour pictures of at least {SMALLEST}×{SMALLEST}.",
                got="×".join(map(str, shape)),
                try_="shape=(3, 64, 64)",
            )
        _package()  # so that a missing package is reported now, not at the first call
        return self

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Each picture of x = clean + N(0, sigma²) by itself; one with sigma = 0 is unchanged."""
        bm3d = _package()
        profile = bm3d.BM3DProfile()
        profile.num_threads = 1  # with more, the order of sums, and so rounding, varies
        planes = x.detach().cpu().double().numpy()
        clean = np.empty_like(planes)
        levels = torch.as_tensor(sigma, dtype=torch.float64).expand(len(planes)).tolist()
        for i, (image, level) in enumerate(zip(planes, levels, strict=True)):
            if level <= 0:
                clean[i] = image
            elif len(image) == 1:
                clean[i, 0] = bm3d.bm3d(image[0], level, profile).reshape(image.shape[1:])
            else:
                found = _colours(image.transpose(1, 2, 0), level, profile)
                clean[i] = found.transpose(2, 0, 1)
        return torch.from_numpy(clean).to(x)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """One call where y is the noisy picture, without the estimate of the error, which takes a
        second call; plug-and-play for other linear operators."""
        if isinstance(operator, IdentityOperator) and isinstance(noise, StabilizedNoise):
            return Choices(space="pixel", solver={"name": "denoise", "estimate": False})
        if not (isinstance(operator, LinearOperator) and isinstance(noise, GaussianNoise)):
            return Choices(
                space="pixel",
                refused="BM3D removes Gaussian noise, serves linear operators only, and counts "
                "where they are the picture itself.",
                instead=[{"prior": "none"}, {"prior": "dct"}],
            )
        solver = {"name": "pnp-admm", "renoise": 0.0}  # it needs no noise to be stable
        return Choices(space="pixel", solver=solver, start="shown")


def _colours(image: np.ndarray, level: float, profile: Any) -> np.ndarray:
    """A colour picture (H, W, 3), denoised. The package divides by the range of each difference of
    colours, which is 0 of a gray picture: that gets one by noise that nobody sees."""
    bm3d = _package()
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = bm3d.bm3d_rgb(image, level, profile)
    if np.isfinite(found).all() or not np.isfinite(image).all():
        return found
    noise = np.random.default_rng(0).normal(scale=UNSEEN * level, size=image.shape)
    again: np.ndarray = bm3d.bm3d_rgb(image + noise, level, profile)
    return again


def _package() -> Any:
    free = "bm3d, which is free for non-commercial use only"
    with needed(free, "The prior 'bm3d' needs", "bm3d"):
        import bm3d
    return bm3d
