"""Every prior with its defaults, beside the plain answer that needs no prior at all.

    python benchmarks/defaults.py FOLDER [--pictures 5] [--problems blur x4 …] [--priors dct …]

Mean PSNR over the first pictures of a folder, cut and resized to 128×192, in colour and in gray. A
plain answer is what anybody would try first: a Gaussian filter and total variation for noise,
bicubic enlarging, linear and biharmonic filling of holes, Wiener's filter, filtered
back-projection, zeros for what wasn't measured, gray for lost colour. Of several the best counts.
A row says "refused" where the prior's defaults say that it can't help, and "loses" where it is
more than 0.3 dB below the plain answer. The parameters of the plain answers were chosen on
validation pictures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.interpolate import griddata
from scipy.ndimage import gaussian_filter
from skimage import restoration
from torch import Tensor
from torch.nn import functional as F

import priorkit
from priorkit.errors import MismatchError
from priorkit.interfaces import LinearOperator
from priorkit.io.pictures import load
from priorkit.metrics import psnr

SIDES = (128, 192)
MARGIN = 0.3  # dB by which a default may be below the plain answer
PROBLEMS: dict[str, dict[str, Any]] = {
    "noise-0.05": {"op": "identity", "sigma": 0.05},
    "noise-0.1": {"op": "identity", "sigma": 0.1},
    "noise-0.2": {"op": "identity", "sigma": 0.2},
    "half": {"op": "mask", "mask": "random"},
    "most": {"op": "mask", "mask": "random", "fraction": 0.8},
    "hole": {"op": "mask"},
    "blur": {"op": "blur"},
    "motion": {"op": "blur", "kernel": "motion"},
    "x4": {"op": "downsample"},
    "x2": {"op": "downsample", "factor": 2},
    "fourier": {"op": "fourier"},
    "coils": {"op": "fourier", "coils": 4},
    "radon": {"op": "radon"},
    "radon-120": {"op": "radon", "angles": 120},
    "gray": {"op": "gray"},
}
PRIORS: dict[str, dict[str, Any]] = {
    name: {"prior": name}
    for name in ("none", "dct", "wavelet", "bm3d", "patch-flow", "deep-decoder")
}


def main() -> None:
    """Print a row per problem and prior as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--channels", type=int, nargs="+", choices=(1, 3), default=[3, 1])
    parser.add_argument("--sides", type=int, nargs=2, default=SIDES)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--priors", nargs="+", choices=PRIORS, default=list(PRIORS))
    options = parser.parse_args()
    print("| problem | channels | plain answer | dB | prior | dB | seconds | |")
    print("|---|---|---|---|---|---|---|---|")
    for channels in options.channels:
        files = sorted(options.folder.iterdir())[: options.pictures]
        x = load(files, (channels, *options.sides)).x
        for problem in options.problems:
            if channels == 1 and problem == "gray":
                continue
            row(x, problem, options.priors)


def row(x: Tensor, problem: str, priors: list[str]) -> None:
    """Print what the priors reach on one problem, each in its row."""
    best: tuple[str, float] | None = None
    for name in priors:
        started = time.process_time()
        try:
            found = priorkit.recover(x.numpy(), seed=1, **PROBLEMS[problem], **PRIORS[name])
        except MismatchError as error:
            print(
                f"| {problem} | {len(x[0])} | | | {name} | | | refused: {error.what} |", flush=True
            )
            continue
        seconds = (time.process_time() - started) / len(x)
        answers = plain(x, found, PROBLEMS[problem])
        best = best or max(answers.items(), key=lambda item: item[1])
        assert found.psnr is not None
        reached = float(found.psnr.mean())
        loses = "loses" if reached < best[1] - MARGIN else ""
        print(f"| {problem} | {len(x[0])} | {best[0]} | {best[1]:.2f} | {name} | {reached:.2f} | "
              f"{seconds:.1f} | {loses} |", flush=True)  # fmt: skip


def plain(x: Tensor, found: priorkit.Recovery, problem: dict[str, Any]) -> dict[str, float]:
    """The plain answers to a measurement: the mean PSNR of each."""
    sigma = problem.get("sigma", 0.01)
    return {
        name: float(psnr(answer(found.operator, found.y, sigma).clamp(0, 1), x).mean())
        for name, answer in ANSWERS[problem["op"]].items()
    }


def _smoothed(operator: LinearOperator, y: Tensor, sigma: float) -> Tensor:
    """Wider for more noise: 0.9 pixels for σ = 0.1."""
    width = 0.9 * (sigma / 0.1) ** 0.6
    return torch.from_numpy(gaussian_filter(y.numpy(), (0, 0, width, width)))


def _chambolle(operator: LinearOperator, y: Tensor, sigma: float) -> Tensor:
    options: Any = {"weight": 0.8 * sigma * (sigma / 0.1) ** 0.2, "eps": 1e-5, "channel_axis": 0}
    each = [restoration.denoise_tv_chambolle(a, **options) for a in y.numpy()]
    return torch.from_numpy(np.stack(each))


def _linear(operator: LinearOperator, y: Tensor, sigma: float) -> Tensor:
    """Linear on triangles between what is seen, the nearest beyond them."""
    assert operator.mask is not None
    seen = operator.mask[0].numpy() > 0
    points, grid = np.argwhere(seen), np.argwhere(np.ones_like(seen))
    values = y[:, :, torch.from_numpy(seen)].numpy().transpose(2, 0, 1)
    inside = griddata(points, values, grid, "linear")
    outside = griddata(points, values, grid, "nearest")
    filled = np.where(np.isnan(inside), outside, inside)
    return torch.from_numpy(filled.transpose(1, 2, 0).reshape(y.shape)).float()


def _biharmonic(operator: LinearOperator, y: Tensor, sigma: float) -> Tensor:
    assert operator.mask is not None
    hole = operator.mask[0].numpy() == 0
    each = [restoration.inpaint_biharmonic(a, hole, channel_axis=0) for a in y.numpy()]
    return torch.from_numpy(np.stack(each)).float()


def _wiener(operator: Any, y: Tensor, sigma: float) -> Tensor:
    """The picture mirrored beyond its edge, so that the circular filter sees no jump there."""
    kernel = operator.kernels[0].flip(0, 1).numpy()
    pad = max(kernel.shape)
    wide = F.pad(y, (pad,) * 4, mode="reflect").double().numpy()
    planes = [
        [restoration.wiener(c, kernel, balance=300 * sigma**2, clip=False) for c in a] for a in wide
    ]
    return torch.from_numpy(np.array(planes))[..., pad:-pad, pad:-pad].float()


def _bicubic(operator: LinearOperator, y: Tensor, sigma: float) -> Tensor:
    return F.interpolate(y, operator.shape[1:], mode="bicubic", align_corners=False)


def _back_projected(window: str) -> Callable[[Any, Tensor, float], Tensor]:
    return lambda operator, y, _: operator.back_projection(y, window=window)


ANSWERS: dict[str, dict[str, Callable[[Any, Tensor, float], Tensor]]] = {
    "identity": {"Gaussian filter": _smoothed, "TV (scikit-image)": _chambolle},
    "mask": {"linear": _linear, "biharmonic": _biharmonic},
    "blur": {"y itself": lambda _, y, __: y, "Wiener": _wiener},
    "downsample": {"bicubic": _bicubic},
    "fourier": {"zero-filling": lambda operator, y, _: operator.A_adjoint(y)},
    "radon": {"back-projection": _back_projected("ramp"), "same, Hann": _back_projected("hann")},
    "srht": {"least norm": lambda operator, y, _: operator.A_adjoint(y) / (1 + operator.excess)},
    "gray": {"gray": lambda operator, y, _: y.expand(-1, *operator.shape)},
}


if __name__ == "__main__":
    main()
