"""The conformance kit: one call checks everything that an interface promises.

    from priorkit.testing import check_operator

    def test_blur():
        check_operator(Blur(width=2.0), shape=(3, 16, 16))

Each check raises AssertionError saying which promise is broken and by how much;
``outcomes(check)`` looks at all of them, as ``priorkit check NAME`` does.
"""

from priorkit.testing.chance import check_built
from priorkit.testing.noise import check_noise
from priorkit.testing.operator import check_operator
from priorkit.testing.options import check_options
from priorkit.testing.penalty import check_penalty
from priorkit.testing.prior import check_prior
from priorkit.testing.promises import Outcome, outcomes
from priorkit.testing.samples import problem_for
from priorkit.testing.solver import check_solver
from priorkit.testing.start import check_start

__all__ = [
    "Outcome",
    "check_built",
    "check_noise",
    "check_operator",
    "check_options",
    "check_penalty",
    "check_prior",
    "check_solver",
    "check_start",
    "outcomes",
    "problem_for",
]
