"""Names of the RealNVP priors and their trainer."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("realnvp", "priorkit_realnvp.prior:RealNVPPrior")
    register("patch-flow", "priorkit_realnvp.patches:PatchFlow")
    register.weights("priorkit_realnvp", "priorkit_realnvp.prior:RealNVPPrior")


@hookimpl
def register_trainers(register: Register) -> None:
    register("realnvp", "priorkit_realnvp.train:train")
