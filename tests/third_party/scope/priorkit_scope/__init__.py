"""Names of a solver, a noise, and operators for complex pictures and for volumes."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_solvers(register: Register) -> None:
    register("published-diffpir", "priorkit_scope.solver:PublishedDiffPIR")


@hookimpl
def register_noises(register: Register) -> None:
    register("camera", "priorkit_scope.noise:Camera")


@hookimpl
def register_operators(register: Register) -> None:
    register("coil-array", "priorkit_scope.coils:CoilArray")
    register("widefield", "priorkit_scope.volume:Widefield")
