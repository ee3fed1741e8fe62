"""Coordinate descent on the Lasso: fast where the matrix AΦ can be stored."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    MAX_MATRIX,
    GaussianNoise,
    L1Penalty,
    LinearDecoder,
    MatrixOperator,
    Problem,
    Requires,
    Solver,
    State,
    shared,
)

__all__ = ["CoordinateDescent"]

_QUIET = threading.Lock()


@dataclass(kw_only=True)
class _Sweeps(State):
    matrix: np.ndarray = shared()  # AΦ, in Fortran order: a sweep walks down the columns
    budget: int = shared()


class CoordinateDescent(Solver[_Sweeps]):
    """min over u of ‖AΦu − y‖² + γ‖u‖₁ by scikit-learn's Lasso, without an intercept.

    Scikit-learn minimises ‖AΦz − y‖²/2m + α‖z‖₁: with α = γ/2m this is the objective above,
    divided by 2m. An evaluation is one sweep over all coordinates; an image has
    converged when the duality gap is below ``tolerance``·‖y‖². A step solves as many images
    as torch has threads, each to its end.

    Parameters
    ----------
    tolerance : relative duality gap

    References: Friedman, Hastie & Tibshirani, "Regularization paths for generalized linear
    models via coordinate descent", J. Stat. Softw. 2010; Pedregosa et al., JMLR 2011.
    """

    requires = Requires(
        latent=(LinearDecoder,),
        operator=(MatrixOperator,),
        noise=(GaussianNoise,),
        penalty=(L1Penalty,),
        smooth=False,
    )
    unit = "sweeps"
    budget = 3000

    def __init__(self, *, tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-4) -> None:
        self.tolerance = tolerance

    def check(self, problem: Problem) -> None:
        size = problem.matrix_bytes()
        if size > MAX_MATRIX:
            raise BadInputError(
                f"coordinate-descent stores the matrix AΦ, up to {MAX_MATRIX >> 30} GiB.",
                got=f"{size / 2**30:.1f} GiB",
                ways=[{"solver": "fista"}],
            )
        if problem.gamma == 0:
            raise BadInputError(
                "coordinate-descent needs a weight of the penalty above 0.",
                got="gamma=0",
                ways=[{"gamma": 0.01}, {"solver": "lbfgs", "penalty": "none"}],
            )

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Sweeps:
        matrix = np.asfortranarray(problem.matrix().double().cpu().numpy())
        return _Sweeps.begin(u0, matrix=matrix, budget=budget)

    def step(self, problem: Problem, state: _Sweeps) -> _Sweeps:
        from joblib import Parallel, delayed

        together = min(torch.get_num_threads(), len(state.u))
        index = torch.arange(together, device=state.u.device)
        ys = problem.stacked(problem.y[index] - problem.offset()).double().cpu().numpy()
        starts = state.u[index].double().cpu().numpy()
        # scikit-learn warns of images that use up the budget; their status says it already.
        # Warning filters belong to the process: two threads that change them at once could
        # leave warnings silenced for good.
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = Parallel(n_jobs=together, require="sharedmem")(
                delayed(self._one)(state.matrix, y, z0, problem.gamma, state.budget)
                for y, z0 in zip(ys, starts, strict=True)
            )
        u = torch.from_numpy(np.stack([z for z, _ in found])).to(state.u)
        sweeps = torch.tensor([count for _, count in found], device=u.device)
        state.u = torch.cat([u, state.u[len(index) :]])
        state.evaluations[index] = sweeps.clamp_min(1)
        now = problem.rows(index).value_grad(u)
        state.value[index], state.misfit[index] = now.value, now.misfit
        done = torch.zeros_like(state.drawn)
        done[index] = sweeps < state.budget
        state.end(done, "converged", "duality gap")
        return state

    def _one(
        self, matrix: np.ndarray, y: np.ndarray, z0: np.ndarray, gamma: float, budget: int
    ) -> tuple[np.ndarray, int]:
        from sklearn.linear_model import Lasso  # a second, which other solvers don't need

        model: Any = Lasso(
            alpha=gamma / (2 * len(y)),
            fit_intercept=False,
            max_iter=budget,
            tol=self.tolerance,
            warm_start=True,
            copy_X=False,
            random_state=0,  # else it draws a seed, of no use to it, from numpy's global state
        )
        model.coef_ = z0.copy()
        model.fit(matrix, y)
        return np.asarray(model.coef_), int(model.n_iter_)

    def memory(self, problem: Problem) -> tuple[int, int]:
        fixed, per_image = super().memory(problem)
        return fixed + problem.matrix_bytes(), per_image
