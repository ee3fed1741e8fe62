"""deepinv's DPIR and DiffPIR, and PyLops's plug-and-play, beside priorkit, with one network on the
same measurements.

    python benchmarks/restorers.py FOLDER [--pictures 2] [--side 256]

Half of the pixels, and a Gaussian blur of 1.6 pixels with σ = 0.01; centre squares of a folder's
first photographs, and ``denoiser-photos`` as everybody's denoiser. Mean PSNR and seconds per
picture, all measured in this run. priorkit has its defaults, and those of its fastest method, and
its operator is deepinv's physics.
deepinv's methods have their defaults, and DiffPIR also ζ = 1, which was best for it among those
tried; where there is no noise they are told σ = 0.005, since they need some. PyProximal, of PyLops,
leaves the level s of its denoiser to the user: three are tried, with τ = s²/σ² and 30 iterations.
Needs the extra ``deepinv``, and ``pip install pyproximal`` for its rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from peers import DECLARE
from photographs import square
from torch import Tensor

import priorkit
from priorkit.io.pictures import load
from priorkit.metrics import psnr
from priorkit.settings.select import resolve

PROBLEMS: dict[str, dict[str, Any]] = {
    "half": {"op": "mask", "mask": "random", "fraction": 0.5},
    "blur": {"op": "blur", "width": 1.6, "sigma": 0.01},
}
LEAST = 0.005
T, U = TypeVar("T"), TypeVar("U")


def main() -> None:
    """Print a row per problem and method as it is done."""
    exec(DECLARE, library := {})  # kept, or the declarations go with it
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    pictures = [
        square(load(f).x, options.side)
        for f in sorted(options.folder.iterdir())[: options.pictures]
    ]
    print("| problem | method | dB | seconds per picture |")
    print("|---|---|---|---|")
    network = resolve("prior", "denoiser-photos").build(0)
    for problem, settings in PROBLEMS.items():

        def ours(x: Tensor, told: dict[str, Any] = settings, **more: Any) -> priorkit.Recovery:
            return priorkit.recover(x.numpy(), prior=network, seed=0, **told, **more)

        for name, method in {
            "priorkit pnp-admm": partial(ours, solver="pnp-admm"),
            "priorkit": ours,
        }.items():
            found, line = timed(method, pictures)
            score = scored(pictures, [r.x for r in found])
            print(f"| {problem} | {name} | {score} | {line} |", flush=True)
        sigma = settings.get("sigma", LEAST)
        for name, method in (methods(network, sigma) | pylops(network, sigma)).items():
            answers, line = timed(method, found)
            score = scored(pictures, answers)
            print(f"| {problem} | {name} | {score} | {line} |", flush=True)
    del library


def methods(network: Any, sigma: float) -> dict[str, Callable[[priorkit.Recovery], Tensor]]:
    """deepinv's, each from a measurement of ours to its picture."""
    import deepinv
    from priorkit_deepinv.outward import as_denoiser, as_physics

    denoiser, fidelity = as_denoiser(network), deepinv.optim.data_fidelity.L2()

    def physics(found: priorkit.Recovery) -> Any:
        made = as_physics(found.operator, tuple(found.x.shape[1:]))
        made.noise_model = deepinv.physics.GaussianNoise(sigma)
        return made

    def dpir(found: priorkit.Recovery) -> Tensor:
        return deepinv.optim.DPIR(sigma=sigma, denoiser=denoiser)(found.y, physics(found))

    def diffpir(found: priorkit.Recovery, **options: Any) -> Tensor:
        model = deepinv.sampling.DiffPIR(denoiser, fidelity, sigma=sigma, **options)
        return model(found.y, physics(found), seed=1)

    return {
        "deepinv DPIR": dpir,
        "deepinv DiffPIR": diffpir,
        "deepinv DiffPIR, ζ = 1": lambda found: diffpir(found, zeta=1.0),
    }


def pylops(network: Any, sigma: float) -> dict[str, Callable[[priorkit.Recovery], Tensor]]:
    """PyProximal's alternating directions with a denoiser of three levels; none where it isn't
    installed."""
    try:
        import pyproximal
        from pylops import FunctionOperator
    except ImportError:
        return {}

    def plugged(found: priorkit.Recovery, level: float) -> Tensor:
        A, shape = found.operator, found.x.shape
        numbers = A.A(torch.zeros(shape)).numel()

        def through(f: Callable[[Tensor], Tensor], given: Any, like: Any) -> Any:
            return f(torch.from_numpy(given).float().view(like)).double().numpy().ravel()

        made = FunctionOperator(
            lambda x: through(A.A, x, shape),
            lambda y: through(A.A_adjoint, y, found.y.shape),
            numbers,
            found.x.numel(),
            dtype="float64",
        )
        fit = pyproximal.L2(Op=made, b=found.y.double().numpy().ravel(), niter=10, warm=True)
        x = pyproximal.optimization.pnp.PlugAndPlay(
            fit,
            lambda v, _: through(lambda t: network.denoise(t, level), v, shape).reshape(shape),
            tuple(shape),
            x0=A.A_adjoint(found.y).double().numpy().ravel(),
            solver=pyproximal.optimization.primal.ADMM,
            tau=level**2 / sigma**2,
            niter=30,
        )[0]
        return torch.from_numpy(x).float().view(shape)

    levels = (0.02, 0.05, 0.1)
    return {f"PyProximal, s = {s:g}": partial(plugged, level=s) for s in levels}


def timed(f: Callable[[T], U], over: Sequence[T]) -> tuple[list[U], str]:
    """What a function gives, and its seconds per call."""
    started = time.perf_counter()
    with torch.no_grad():
        found = [f(item) for item in over]
    return found, f"{(time.perf_counter() - started) / len(over):.1f}"


def scored(pictures: Sequence[Tensor], answers: Sequence[Tensor]) -> str:
    """Their mean PSNR."""
    each = [float(psnr(a.clamp(0, 1), x)) for a, x in zip(answers, pictures, strict=True)]
    return f"{sum(each) / len(each):.2f}"


if __name__ == "__main__":
    main()
