"""Names of the penalties."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_penalties(register: Register) -> None:
    register("none", "priorkit_penalties.norms:NoPenalty", fallback=True)
    register("l2", "priorkit_penalties.norms:L2")
    register("l2-squared", "priorkit_penalties.norms:L2Squared")
    register("l1", "priorkit_penalties.norms:L1")
    register("nll", "priorkit_penalties.likelihood:NLL")
    register("tv", "priorkit_penalties.variation:TotalVariation")
