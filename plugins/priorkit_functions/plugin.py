"""Names for components that are functions; ``op=f``, ``prior=f`` and ``penalty=f`` need none."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_operators(register: Register) -> None:
    register("function", "priorkit_functions.operator:Function")


@hookimpl
def register_priors(register: Register) -> None:
    register("function", "priorkit_functions.denoiser:FunctionDenoiser")


@hookimpl
def register_penalties(register: Register) -> None:
    register("function", "priorkit_functions.penalty:FunctionPenalty")
