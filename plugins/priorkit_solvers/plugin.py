"""Names of the solvers and starts."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_solvers(register: Register) -> None:
    register("lbfgs", "priorkit_solvers.lbfgs:LBFGS")
    register("adam", "priorkit_solvers.adam:Adam")


@hookimpl
def register_starts(register: Register) -> None:
    register("zero", "priorkit_solvers.starts:Zero")
    register("normal", "priorkit_solvers.starts:Normal")
    register("fixed-norm", "priorkit_solvers.starts:FixedNorm")
    register("noisy", "priorkit_solvers.picture_starts:Noisy")
    register("filled", "priorkit_solvers.picture_starts:Filled")
    register("pseudo-inverse", "priorkit_solvers.picture_starts:PseudoInverse")
    register("null-space", "priorkit_solvers.picture_starts:NullSpace")
