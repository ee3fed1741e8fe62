"""Names of components for volumes that are measured in thick slices."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_operators(register: Register) -> None:
    register("slabs", "priorkit_slabs.operator:Slabs")


@hookimpl
def register_priors(register: Register) -> None:
    register("continuous", "priorkit_slabs.prior:Continuous")


@hookimpl
def register_penalties(register: Register) -> None:
    register("uneven", "priorkit_slabs.prior:Uneven")
