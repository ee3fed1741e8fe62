"""Names of the bases."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("dct", "priorkit_sparsity.bases:DCT")
    register("wavelet", "priorkit_sparsity.bases:Wavelet")
