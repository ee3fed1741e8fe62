"""The letters of the equation, and what each component can do.

    min over u of   ℓ(A(D(u)), y)  +  γ · R(u)

D is a :class:`Prior`, A an :class:`Operator`, ℓ a :class:`Noise`, R a :class:`Penalty`, the
argmin a :class:`Solver`, and a :class:`Start` gives its first u; a :class:`Problem` is all of
them together. What a component can do is the abstract class that it implements: a solver, a
penalty or a start names the classes that it requires, and a mismatch is refused before any
compute. What an image can be is a :class:`Kind`. Read in the order component, kinds, operator,
noise, prior, penalty, problem, solver, start.
"""

from typing import TYPE_CHECKING

import priorkit.interfaces.product  # noqa: F401  # says what A @ B is
from priorkit.deprecated import moved
from priorkit.interfaces.component import Component, Copies, Pullback, Shape, Space, Spec, Status
from priorkit.interfaces.draws import Draws
from priorkit.interfaces.kinds import Kind, kind_of
from priorkit.interfaces.level import Level
from priorkit.interfaces.noise import GaussianNoise, Noise, StabilizedNoise, WeightedNoise
from priorkit.interfaces.operator import (
    MAX_MATRIX,
    Calibrated,
    Ensemble,
    IdentityOperator,
    LinearOperator,
    MatrixOperator,
    Mirror,
    Operator,
    RandomOperator,
    Signless,
)
from priorkit.interfaces.penalty import (
    L1Penalty,
    NormPenalty,
    Penalty,
    ProximalPenalty,
    ZeroPenalty,
)
from priorkit.interfaces.prior import (
    Choices,
    Decoder,
    Denoiser,
    Density,
    Encoder,
    LinearDecoder,
    Pixels,
    Prior,
    Sampler,
)
from priorkit.interfaces.problem import Data, Evaluation, Problem
from priorkit.interfaces.rescaled import of_numbers, rescale
from priorkit.interfaces.solver import Requires, Snapshot, Solver, State, shared
from priorkit.interfaces.stack import stack
from priorkit.interfaces.start import Start
from priorkit.interfaces.units import Range, Units

__all__ = [
    "MAX_MATRIX",
    "Calibrated",
    "Choices",
    "Component",
    "Copies",
    "Data",
    "Decoder",
    "Denoiser",
    "Density",
    "Draws",
    "Encoder",
    "Ensemble",
    "Evaluation",
    "GaussianNoise",
    "IdentityOperator",
    "Kind",
    "L1Penalty",
    "Level",
    "LinearDecoder",
    "LinearOperator",
    "MatrixOperator",
    "Mirror",
    "Noise",
    "NormPenalty",
    "Operator",
    "Penalty",
    "Pixels",
    "Prior",
    "Problem",
    "ProximalPenalty",
    "Pullback",
    "RandomOperator",
    "Range",
    "Requires",
    "Sampler",
    "Shape",
    "Signless",
    "Snapshot",
    "Solver",
    "Space",
    "Spec",
    "StabilizedNoise",
    "Start",
    "State",
    "Status",
    "Units",
    "WeightedNoise",
    "ZeroPenalty",
    "kind_of",
    "of_numbers",
    "rescale",
    "shared",
    "stack",
]

if not TYPE_CHECKING:
    __getattr__ = moved(__name__, {"Objective": "priorkit.interfaces:Problem"})
