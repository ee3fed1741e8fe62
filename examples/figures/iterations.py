"""Compressed sensing by Glow: PSNR along the way, with more and less noise in the measurement.

Figure 59.
"""

from __future__ import annotations

from common import FAITHFUL, Run, mean

import priorkit
from priorkit.interfaces import Snapshot
from priorkit.metrics import psnr

FIGURES = "59"

run = Run(__doc__)
m, budget = 2500, run.pick(240, 600)
points, ends = [], {}
truth = run.images(few=3)
for norm in run.pick([0.1, 5.0], [0.1, 1.0, 2.5, 5.0, 10.0]):
    label, seen = f"‖noise‖ = {norm:g}", {}

    def keep(now: Snapshot, _: int, seen: dict[int, list[float]] = seen) -> None:
        """The PSNR of every picture, once in twenty evaluations."""
        count = int(now.evaluations.max())
        if count // 20 * 20 not in seen:
            seen[count // 20 * 20] = psnr(now.image().clamp(0, 1), truth).tolist()

    priorkit.recover(
        truth, prior="glow-celeba", op="gaussian", m=m, noise_norm=norm, solver=FAITHFUL,
        gamma=0.0, budget=budget, progress=keep,
    )  # fmt: skip
    points += [mean(values, (label,), count) for count, values in sorted(seen.items())]
    course = [p.value for p in points if p.group == (label,)]
    ends[norm] = (max(course), course[-1])
run.lines(points, across="evaluations", title=f"m = {m}, γ = 0")
quiet, loud = ends[0.1], max(ends)
top, last = ends[loud]
run.claim("59", "With little noise, PSNR doesn't fall along the way", paper="it rises",
          ours=f"{quiet[0]:.2f} dB at most, {quiet[1]:.2f} at the end",
          holds=quiet[0] - quiet[1] < 0.1)  # fmt: skip
run.claim("59", "With much noise and γ = 0, it rises and then falls: stopping early regularises",
          paper="it falls", ours=f"{top:.2f} dB at most, {last:.2f} at the end, ‖noise‖ = {loud:g}",
          holds=top - last > 0.5)  # fmt: skip
run.end()
