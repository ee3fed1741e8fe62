"""Names for objects of deepinv, which is imported only where one of them is used."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_operators(register: Register) -> None:
    register("deepinv", "priorkit_deepinv.physics:Physics")


@hookimpl
def register_priors(register: Register) -> None:
    register("deepinv", "priorkit_deepinv.denoiser:DeepinvDenoiser")
