"""Names of the noises."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_noises(register: Register) -> None:
    register("gaussian", "priorkit_noises.gaussian:Gaussian", fallback=True)
    register("laplace", "priorkit_noises.laplace:Laplace")
    register("poisson", "priorkit_noises.poisson:Poisson")
    register("transmission", "priorkit_noises.transmission:Transmission")
    register("weighted", "priorkit_noises.weighted:Weighted")
