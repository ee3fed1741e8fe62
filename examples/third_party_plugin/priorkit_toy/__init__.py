"""Names for priorkit. The classes are imported when they are first used."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("smooth", "priorkit_toy.prior:Smooth")


@hookimpl
def register_operators(register: Register) -> None:
    register("binning", "priorkit_toy.operator:Binning")
