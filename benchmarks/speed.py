"""How fast, beside the published procedure on the same machine in the same run.

    python benchmarks/speed.py                      # everything
    python benchmarks/speed.py 500 2500 kernel      # some rows

Rows: 500, 2500 (compressed sensing of six faces, see ``published.py``), kernel (one value and
gradient), large (K = 48, width 512, random weights), others (of DCGAN and RealNVP), alone (one
image beside its share of six), memory, curve (1 to 192 images), ood (28 pictures), big (products
with a matrix of 77 GB), save (a large picture), photo (a noisy one of 1024×1024).
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from priorkit_glow.network import Glow, GlowConfig
from priorkit_glow.prior import GlowPrior
from published import DIFFUSION, PRECISIONS, PRIOR, WEIGHTS, sensing, unfolded
from quality import machine
from torch import Tensor

import priorkit
from priorkit.io.pictures import load
from priorkit.metrics import reconstruction_error
from priorkit.settings.select import resolve

LARGE = GlowConfig(steps=(48, 48, 48, 1), width=(512,) * 4, scale_offset=(0.0, 0.0, 0.0, 1.0))


def median(function: Callable[[], Any], repeats: int) -> float:
    """Milliseconds of a call."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def network_gradient(network: Glow, z: Tensor, r: Tensor, *, frozen: bool) -> Tensor:
    """J(z)ᵀ r of the unfolded network by autograd."""
    network.requires_grad_(not frozen)
    z = z.clone().requires_grad_(True)
    network.decode(z).backward(r)
    assert z.grad is not None
    return z.grad


def kernel(network: Glow, batches: tuple[int, ...], repeats: int) -> None:
    """One value and gradient of a network, beside the unfolded one."""
    prior = GlowPrior.from_network(copy.deepcopy(network).double())
    rough = prior.mixed("latent")
    for batch in batches:
        generator = torch.Generator().manual_seed(batch)
        z = 0.7 * torch.randn(batch, network.config.n, generator=generator)
        r = torch.randn(batch, *network.config.shape, generator=generator)
        rows: dict[str, Callable[[], Any]] = {
            "unfolded, gradients of parameters": lambda z=z, r=r: network_gradient(
                network, z, r, frozen=False
            ),
            "unfolded, frozen": lambda z=z, r=r: network_gradient(network, z, r, frozen=True),
            "ours, float32": lambda z=z, r=r: prior.decode_vjp(z)[1](r),
            "ours, mixed": lambda z=z, r=r: rough.decode_vjp(z)[1](r),
        }
        each = {name: median(call, repeats) / batch for name, call in rows.items()}
        frozen = each["unfolded, frozen"]
        for name, value in each.items():
            row = f"{name}: {value:.1f} ms per image, {frozen / value:.2f}× frozen"
            print(f"  batch {batch}, {row}", flush=True)


def others(_: argparse.Namespace) -> None:
    """What D(z) and its pullback take beside D(z) alone, where autograd makes them."""
    for name in ("dcgan-celeba", "realnvp-2d"):
        prior = resolve("prior", name).build(0)
        for batch in (1, 6):
            z, r = torch.randn(batch, prior.latent_size), torch.randn(batch, *prior.shape)
            forward = median(torch.no_grad()(partial(prior.decode, z)), 15) / batch
            both = median(lambda z=z, r=r, p=prior: p.decode_vjp(z)[1](r), 15) / batch
            print(f"  {name}, batch {batch}: forward {forward:.2f} ms per image, with the "
                  f"pullback {both:.2f} ms, {both / forward:.1f}×", flush=True)  # fmt: skip


def alone(options: argparse.Namespace) -> None:
    """What an evaluation of one image takes, beside its share of a batch of six, m = 500."""
    faces = sorted((options.data / "celeba" / "test12").iterdir())[:6]
    for prior in (PRIOR, DIFFUSION):
        for precision in PRECISIONS:
            settings = {"prior": prior, "op": "gaussian", "m": 500, "precision": precision}
            took: dict[int, list[float]] = {1: [], 6: []}
            for _ in range(3):
                for count, times in took.items():
                    times += _steps(faces[:count], **settings, budget=12)
            one, share = (1000 * statistics.median(took[count]) / count for count in (1, 6))
            print(f"  {prior}, {precision}: {one:.1f} ms alone, {share:.1f} ms of six, "
                  f"{one / share:.2f} times its share", flush=True)  # fmt: skip


def _steps(faces: list[Path], **settings: Any) -> list[float]:
    """Seconds of an evaluation, at each step."""
    points: list[tuple[float, int]] = []

    def note(now: Any, _: int) -> None:
        points.append((time.perf_counter(), int(now.evaluations.max())))

    priorkit.recover(faces, progress=note, **settings)
    pairs = itertools.pairwise(points)
    return [(t - s) / (j - i) for (s, i), (t, j) in pairs if j > i]


def memory(_: argparse.Namespace) -> None:
    """Peak memory of one value and gradient per image, above that of the process before; of the
    denoisers, that of both calls of a step."""
    named = (f"{DIFFUSION} {precision}" for precision in PRECISIONS)
    for which in ("published", "float32", "mixed", "reversible", *named):
        command = [sys.executable, __file__, "peak", which]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"  {which}: {json.loads(done.stdout):.1f} MiB per image", flush=True)


def peak(which: str) -> None:
    """Print the peak of one kind, in a process of its own."""
    batch = 24
    if which.startswith(DIFFUSION):
        denoiser = resolve("prior", DIFFUSION).build(0)
        denoiser = denoiser.mixed("pixel") if which.endswith("mixed") else denoiser
    network, prior = unfolded(), GlowPrior(weights=WEIGHTS, reversible=which == "reversible")
    z, r = torch.zeros(batch, network.config.n), torch.ones(batch, *network.config.shape)

    def run(count: int) -> None:
        if which.startswith(DIFFUSION):
            with torch.no_grad():
                denoiser.denoise(torch.zeros(2 * count, 3, 64, 64), 0.1)
        elif which == "published":
            network_gradient(network, z[:count], r[:count], frozen=False)
        else:
            called = prior.mixed("latent") if which == "mixed" else prior
            called.decode_vjp(z[:count])[1](r[:count])

    run(2)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
    before = _peak()
    run(batch)
    print(json.dumps((_peak() - before) / 1024 / batch))


def _peak() -> int:
    """KiB of this process at most, since the peak was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def curve(options: argparse.Namespace) -> None:
    """Seconds for 1 to 192 faces, m = 500, at a fixed number of evaluations."""
    faces = sorted((options.data / "ffhq" / "test100").iterdir())
    faces = (faces * 2)[:192]
    for count in (1, 6, 12, 48, 192):
        started = time.perf_counter()
        priorkit.recover(
            faces[:count], prior=PRIOR, op="gaussian", m=500, budget=20,
            precision="mixed", solver={"name": "lbfgs", "tolerance": 0.0},
        )  # fmt: skip
        seconds = time.perf_counter() - started
        each = f"{1000 * seconds / count / 20:.1f} ms per image and evaluation"
        print(f"  {count} images, 20 evaluations: {seconds:.2f} s, {each}", flush=True)


def ood(options: argparse.Namespace) -> None:
    """The 28 out-of-distribution pictures: how many end at a finite, fitted answer."""
    pictures = options.data / "ood" / "test28"
    for precision in PRECISIONS:
        result = priorkit.recover(pictures, prior=PRIOR, op="gaussian", m=2500, precision=precision)
        diverged = sum(status == "diverged" for status in result.status)
        print(f"  {precision}: {diverged} of {len(result.x)} diverged, mean "
              f"{float(result.psnr.mean()):.2f} dB, worst {float(result.psnr.min()):.2f} dB",
              flush=True)  # fmt: skip


def big(_: argparse.Namespace) -> None:
    """Products at 256×256×3 with m = 98,304, where the matrix would take 77 GB."""
    x = torch.rand(1, 3, 256, 256)
    for name in ("srht", "rademacher", "gaussian"):
        spec = {"name": name, "m": 98_304} | ({"store": 0} if name != "srht" else {})
        operator = resolve("operator", spec).build(0).bind((3, 256, 256))
        Path("/proc/self/clear_refs").write_text("5")
        started = time.perf_counter()
        y = operator.A(x)
        there = time.perf_counter()
        operator.A_adjoint(y)
        back = time.perf_counter()
        print(f"  {name}: A x {there - started:.2f} s, Aᵀ y {back - there:.2f} s, "
              f"peak of the process {_peak() / 2**20:.2f} GiB", flush=True)  # fmt: skip


def save(options: argparse.Namespace) -> None:
    """What follows a solve: scores and files, of six faces and of 12 megapixels."""
    faces = sorted((options.data / "celeba" / "test12").iterdir())[:6]
    picture = Image.open(sorted((options.data / "ood" / "test28").iterdir())[0]).convert("RGB")
    large = picture.resize((4000, 3000))
    for name, what, shape in (("6 faces", faces, (3, 64, 64)), ("4000×3000", large, None)):
        result = priorkit.recover(what, prior="dct", op="mask", gamma=0.01, budget=2, shape=shape)
        with tempfile.TemporaryDirectory() as folder:
            result.save(Path(folder) / "out")  # fonts and modules are loaded once
            started = time.perf_counter()
            reconstruction_error(result.x, result.truth)
            result.kind.psnr(result.x, result.truth)
            result.kind.ssim(result.x, result.truth)
            scored = time.perf_counter()
            result.save(Path(folder) / "out")
            ended = time.perf_counter()
        print(f"  {name}: scored in {scored - started:.3f} s, saved in {ended - scored:.3f} s, "
              f"{1000 * (ended - scored) / len(result.x):.0f} ms each", flush=True)  # fmt: skip


def photo(options: argparse.Namespace) -> None:
    """Seconds and memory of a noisy photograph of 1024×1024, σ = 25 of 255."""
    path = sorted((options.data / "photos" / "test24").iterdir())[0]
    x = load(path).x
    for side in (2, 3):
        x = torch.cat([x, x.flip(side)] * 2, side).narrow(side, 0, 1024)
    for precision in PRECISIONS:
        Path("/proc/self/clear_refs").write_text("5")
        before, started = _peak(), time.perf_counter()
        found = priorkit.recover(
            x.numpy(), prior="denoiser-photos", op="identity", sigma=25 / 255, precision=precision
        )
        seconds = time.perf_counter() - started
        gib = (_peak() - before) / 2**20
        print(f"  denoiser-photos, {precision}: {seconds:.1f} s, {gib:.2f} GiB "
              f"more, {float(found.psnr):.2f} dB", flush=True)  # fmt: skip


def main() -> None:
    """Print the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    more = {f.__name__: f for f in (others, alone, memory, curve, ood, big, save, photo)}
    parser.add_argument("rows", nargs="*", default=["500", "2500", "kernel", "large", *more])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--tilt", type=float, default=0.3, help="of the prior")
    options = parser.parse_args()
    if options.rows[0] == "peak":
        peak(options.rows[1])
        return
    print(f"{PRIOR}, {machine()}", flush=True)
    for row in options.rows:
        if row.isdigit():
            faces = sorted((options.data / "celeba" / "test12").iterdir())[: options.images]
            sensing(faces, int(row), options.tilt)
        elif row == "kernel":
            print("Value and gradient of glow-celeba", flush=True)
            kernel(unfolded(), (1, 6), 9)
        elif row == "large":
            print("Value and gradient at K = 48, width 512", flush=True)
            torch.manual_seed(0)
            kernel(Glow(LARGE), (1, 6), 3)
        else:
            print(row, flush=True)
            more[row](options)


if __name__ == "__main__":
    main()
