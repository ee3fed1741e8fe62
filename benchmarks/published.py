"""The published procedure, and how much faster ours comes to its end.

It is run as its authors did: the network as it was trained, with gradients of its parameters, one
``torch.optim.LBFGS`` at rate 0.1 over the mean loss of the batch, 30 calls of 20 evaluations, from
z = 0. Both get the same weights, A and y. "Time" is the time to the mean PSNR at which the
published procedure ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from priorkit_glow.network import Glow, GlowConfig
from torch import Tensor

import priorkit
from priorkit.io.weights import restore
from priorkit.metrics import psnr
from priorkit.settings.select import resolve

PRIOR, DIFFUSION = "glow-celeba", "diffusion-celeba"
WEIGHTS = Path(priorkit.__file__).parents[1] / f"plugins/priorkit_glow/weights/{PRIOR}.safetensors"
STEPS, INNER = 30, 20
PRECISIONS = ("float32", "mixed")


@dataclass
class Iterates:
    """The iterates of a solve: seconds and evaluations at each, and the pictures' PSNR."""

    seconds: list[float]
    evaluations: list[int]
    psnr: Tensor  # (points, images)

    def until(self, goal: float) -> tuple[float, int] | None:
        """Seconds and evaluations to a mean PSNR."""
        for seconds, evaluations, values in zip(
            self.seconds, self.evaluations, self.psnr.mean(1).tolist(), strict=True
        ):
            if values >= goal:
                return seconds, evaluations
        return None


def published(network: Glow, A: Callable[[Tensor], Tensor], y: Tensor) -> tuple[Tensor, float]:
    """The published procedure: its pictures, and its seconds."""
    z = torch.zeros(len(y), network.config.n, requires_grad=True)
    optimizer = torch.optim.LBFGS([z], lr=0.1, max_iter=INNER)

    def closure() -> Tensor:
        optimizer.zero_grad()
        residual = A(network.decode(z)) - y
        loss = residual.flatten(1).square().sum(1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    started = time.perf_counter()
    for _ in range(STEPS):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    seconds = time.perf_counter() - started
    with torch.no_grad():
        return network.decode(z), seconds


def ours(faces: Any, truth: Tensor, **settings: Any) -> tuple[Iterates, Any]:
    """Our solve with default settings and its path."""
    points: list[tuple[float, int, Callable[[], Tensor]]] = []

    def note(snapshot: Any, _: int) -> None:
        points.append((time.perf_counter(), int(snapshot.evaluations.max()), snapshot.image))

    result = priorkit.recover(faces, progress=note, **settings)
    started = points[0][0] - (points[1][0] - points[0][0])  # one evaluation before the first
    values = torch.stack([psnr(image().clamp(0, 1), truth) for _, _, image in points])
    return Iterates([t - started for t, _, _ in points], [e for _, e, _ in points], values), result


def unfolded() -> Glow:
    """The network of PRIOR as it was trained."""
    return restore(WEIGHTS, "glow", GlowConfig, Glow)[1].float()


def sensing(faces: list[Path], m: int, tilt: float) -> None:
    """Compressed sensing of faces, to the PSNR of the published procedure; with a tilt of PRIOR."""
    first = priorkit.recover(faces, prior=PRIOR, op="gaussian", m=m, budget=2)
    truth, y = first.truth, first.y
    operator = resolve("operator", {"name": "gaussian", "m": m})
    A = operator.build(0).bind((3, 64, 64))
    x, seconds = published(unfolded(), A.A, y)
    reference = psnr(x.clamp(0, 1), truth)
    goal, evaluations = float(reference.mean()), STEPS * INNER
    cost = 1000 * seconds / evaluations / len(y)
    print(f"m = {m}, {len(y)} faces: published {seconds:.0f} s, {evaluations} evaluations, "
          f"{cost:.1f} ms per image and evaluation, {goal:.2f} dB", flush=True)  # fmt: skip
    rows = [({"name": PRIOR, "tilt": tilt}, precision) for precision in PRECISIONS]
    one = {"name": DIFFUSION, "finer": False}  # of its two networks that of faces alone
    rows += [(prior, precision) for prior in (DIFFUSION, one) for precision in PRECISIONS]
    for prior, precision in rows:
        settings = {"op": "gaussian", "m": m, "prior": prior}
        path, result = ours(faces, truth, precision=precision, **settings)
        named = " ".join(map(str, prior.values())) if isinstance(prior, dict) else prior
        worst = float((result.psnr - reference).min())
        reached = path.until(goal)
        each = 1000 * path.seconds[-1] / path.evaluations[-1] / len(y)
        ended = f"ends at {float(result.psnr.mean()):.2f} dB after {path.seconds[-1]:.1f} s"
        if reached is None:
            print(f"  {named}, {precision}: {goal:.2f} dB not reached; {ended}", flush=True)
            continue
        print(f"  {named}, {precision}: {reached[0]:.2f} s, {reached[1]} evaluations: "
              f"{seconds / reached[0]:.1f} times faster = {evaluations / reached[1]:.1f} times "
              f"fewer × {seconds / evaluations / (reached[0] / reached[1]):.1f} times faster "
              f"evaluations; {ended}, {each:.1f} ms per image and evaluation, "
              f"worst face {worst:+.2f} dB", flush=True)  # fmt: skip
