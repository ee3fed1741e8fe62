"""Names of the starts."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_starts(register: Register) -> None:
    register("zero", "priorkit_starts.plain:Zero", fallback=True)
    register("normal", "priorkit_starts.plain:Normal")
    register("fixed-norm", "priorkit_starts.plain:FixedNorm")
    register("flat", "priorkit_starts.images:Flat")
    register("noisy", "priorkit_starts.images:Noisy")
    register("filled", "priorkit_starts.holes:Filled")
    register("pseudo-inverse", "priorkit_starts.images:PseudoInverse")
    register("shown", "priorkit_starts.shown:Shown")
    register("enlarged", "priorkit_starts.images:Enlarged")
    register("null-space", "priorkit_starts.images:NullSpace")
    register("lasso", "priorkit_starts.lasso:Lasso")
