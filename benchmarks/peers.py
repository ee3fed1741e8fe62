"""priorkit beside deepinv: what an import and an operator cost, and what mistakes say.

    python benchmarks/peers.py

Needs the extra ``deepinv``. Times are ratios' two sides, measured in this run: medians of five.
What each does with a misspelt option and with a wrong adjoint is printed as it is said.
"""

from __future__ import annotations

import inspect
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

# PyPI's torchvision beside a torch for processors imports once its operators are declared.
DECLARE = """
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms") if torch.version.cuda is None else ():
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def seconds(function: Callable[[], Any], times: int = 5) -> float:
    """The median of some calls."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def fresh(code: str) -> float:
    """Seconds that a statement takes in a new process that has imported torch."""
    timed = f"{DECLARE}\nimport time\nstarted = time.perf_counter()\n{code}\n"
    timed += "print(time.perf_counter() - started)"
    run = lambda: subprocess.run(  # noqa: E731
        [sys.executable, "-c", timed], capture_output=True, text=True, check=True
    )
    return statistics.median(float(run().stdout.split()[-1]) for _ in range(3))


def said(function: Callable[[], Any]) -> str:
    """What a mistake leads to."""
    try:
        return f"no error; returned {type(function()).__name__}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"


def main() -> None:
    """Print the table."""
    exec(DECLARE, library := {})  # kept, or the declarations go with it
    import deepinv
    from priorkit_operators.gaussian import Gaussian

    import priorkit
    from priorkit.interfaces import LinearOperator
    from priorkit.testing import check_operator

    shape = (3, 64, 64)

    class Rows(LinearOperator):
        def A(self, x):
            return x[:, :, ::2]

        def A_adjoint(self, y):
            x = y.new_zeros(len(y), *self.shape)
            x[:, :, ::2] = 2 * y  # wrong
            return x

    def rows(x, **_):
        return x[:, :, ::2]

    def wrong(y, **_):
        x = y.new_zeros(len(y), *shape)
        x[:, :, ::2] = 2 * y
        return x

    physics = deepinv.physics.LinearPhysics(A=rows, A_adjoint=wrong, img_size=shape)
    x = torch.rand(1, *shape)
    ours, theirs = fresh("import priorkit"), fresh("import deepinv")
    print(f"import, torch there already: {1000 * ours:.0f} ms, deepinv {1000 * theirs:.0f} ms")
    ours = seconds(lambda: Gaussian(m=500).bind(shape).A(x))
    theirs = seconds(lambda: deepinv.physics.CompressedSensing(m=500, img_size=shape)(x))
    print(f"Gaussian operator, m = 500, and a product: {ours:.3f} s, deepinv {theirs:.3f} s")
    glue = len(inspect.getsource(Rows).splitlines())
    there = len((inspect.getsource(rows) + inspect.getsource(wrong)).splitlines()) + 1
    print(f"lines of an operator of one's own: {glue}, deepinv {there}")
    print("a misspelt option")
    print("  priorkit:", said(lambda: priorkit.recover(op="gaussian", m=500, sigm=0.1)))
    call = lambda: deepinv.physics.CompressedSensing(m=500, img_size=shape, fats=True)  # noqa: E731
    print("  deepinv: ", said(call))
    print("a wrong adjoint")
    print("  priorkit:", said(lambda: check_operator(Rows(), shape=(3, 8, 8))))
    gap = float(physics.adjointness_test(x).abs())
    print(f"  deepinv:  adjointness_test returns {gap:.3g}, to be compared with 0 by its caller")
    del library


if __name__ == "__main__":
    main()
