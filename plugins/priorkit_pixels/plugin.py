"""Names of the priors that nothing was trained for."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("none", "priorkit_pixels.prior:NoPrior")
    register("deep-decoder", "priorkit_pixels.deep_decoder:DeepDecoder")
