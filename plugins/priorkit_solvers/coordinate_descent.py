"""Coordinate descent on the Lasso: fast where the matrix AΦ can be stored."""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Any

import numpy as np
import torch
from joblib import Parallel, delayed
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Callback,
    L1Penalty,
    LinearDecoder,
    MatrixOperator,
    Requires,
    Snapshot,
    Solution,
    Solver,
    Status,
)
from priorkit.problem import Problem, Setup

__all__ = ["MAX_BYTES", "CoordinateDescent"]

MAX_BYTES = 2 << 30  # of the matrix in float64; above it, FISTA needs no matrix


class CoordinateDescent(Solver):
    """Cyclic coordinate descent on ‖AΦz − y‖² + γ‖z‖₁, images in parallel (scikit-learn's Lasso).

    scikit-learn minimises ‖AΦz − y‖²/2m + α‖z‖₁; it is given α = γ/2m, so that γ means here
    what it means everywhere. An evaluation is one sweep over all coordinates; an image has
    converged when the duality gap is below ``tolerance``·‖y‖².

    Parameters
    ----------
    tolerance : relative duality gap

    References: Friedman, Hastie & Tibshirani, "Regularization paths for generalized linear
    models via coordinate descent", J. Stat. Softw. 2010; Pedregosa et al., JMLR 2011.
    """

    requires = Requires(
        latent=(LinearDecoder,), operator=(MatrixOperator,), penalty=(L1Penalty,), smooth=False
    )

    def __init__(self, *, tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-4) -> None:
        self.tolerance = tolerance

    def check(self, setup: Setup) -> None:
        size = 8 * math.prod(setup.operator.y_shape) * math.prod(setup.shape)
        if size > MAX_BYTES:
            raise BadInputError(
                f"coordinate-descent stores the matrix AΦ, up to {MAX_BYTES >> 30} GiB.",
                got=f"{size / 2**30:.1f} GiB",
                try_="solver='fista'",
            )
        if setup.gamma == 0:
            raise BadInputError(
                "coordinate-descent needs a weight of the penalty above 0.",
                got="gamma=0",
                try_="gamma=0.01, or solver='lbfgs' with penalty='none'",
            )

    def solve(
        self,
        problem: Problem,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        # Fortran order: a sweep walks down the columns.
        matrix = np.asfortranarray(problem.matrix().double().cpu().numpy())
        ys = (problem.y - problem.offset()).double().cpu().numpy()
        u, counts = u0.clone(), torch.zeros(len(u0), dtype=torch.long)
        value = torch.full((len(u0),), torch.inf, dtype=torch.float64, device=u0.device)
        misfit = value.clone()
        status: list[Status] = ["stopped"] * len(u0)
        with warnings.catch_warnings():  # that an image used its budget is in its status
            warnings.simplefilter("ignore")
            found = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
                delayed(self._one)(matrix, y, z0, problem.gamma, budget)
                for y, z0 in zip(ys, u0.double().cpu().numpy(), strict=True)
            )
            for i, (z, sweeps) in enumerate(found):
                u[i] = torch.from_numpy(z).to(u)
                counts[i] = sweeps
                status[i] = "converged" if sweeps < budget else "stopped"
                row = torch.tensor([i], device=u.device)
                now = problem.value_grad(u[i : i + 1], row)
                value[i], misfit[i] = now.value[0], now.misfit[0]
                if callback is not None:
                    callback(Snapshot(counts.clone(), value.clone(), misfit.clone(), u.clone()))
        return Solution(u, value, misfit, status, counts.tolist())

    def _one(
        self, matrix: np.ndarray, y: np.ndarray, z0: np.ndarray, gamma: float, budget: int
    ) -> tuple[np.ndarray, int]:
        from sklearn.linear_model import Lasso

        model: Any = Lasso(
            alpha=gamma / (2 * len(y)),
            fit_intercept=False,
            max_iter=budget,
            tol=self.tolerance,
            warm_start=True,
            copy_X=False,
        )
        model.coef_ = z0.copy()
        model.fit(matrix, y)
        return np.asarray(model.coef_), int(model.n_iter_)
