"""Name of the prior without a model."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("none", "priorkit_pixels.prior:NoPrior")
