"""Names of the diffusion priors."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("diffusion", "priorkit_diffusion.prior:DiffusionPrior")
    register.weights("priorkit_diffusion", "priorkit_diffusion.prior:DiffusionPrior")
