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
