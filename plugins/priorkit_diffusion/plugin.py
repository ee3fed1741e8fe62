"""Names of the diffusion priors and their trainer."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    prior = "priorkit_diffusion.prior:DiffusionPrior"
    register("diffusion", prior)
    register.weights("priorkit_diffusion", prior, any_size="denoiser-photos")


@hookimpl
def register_trainers(register: Register) -> None:
    register("diffusion", "priorkit_diffusion.train:train")
