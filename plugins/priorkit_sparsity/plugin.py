"""Names of the bases, of the Lasso's solvers, and of the start that they give."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("dct", "priorkit_sparsity.bases:DCT")
    register("wavelet", "priorkit_sparsity.bases:Wavelet")


@hookimpl
def register_solvers(register: Register) -> None:
    register("coordinate-descent", "priorkit_sparsity.coordinate:CoordinateDescent")
    register("fista", "priorkit_sparsity.fista:FISTA")


@hookimpl
def register_starts(register: Register) -> None:
    register("lasso", "priorkit_sparsity.start:Lasso")
