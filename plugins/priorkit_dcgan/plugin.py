"""Names of the DCGAN priors and their trainer."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("dcgan", "priorkit_dcgan.prior:DCGANPrior")
    register.weights("priorkit_dcgan", "priorkit_dcgan.prior:DCGANPrior")


@hookimpl
def register_trainers(register: Register) -> None:
    register("dcgan", "priorkit_dcgan.train:train")
