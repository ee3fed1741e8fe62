"""Names of the solvers for denoisers."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_solvers(register: Register) -> None:
    register("denoise", "priorkit_plugandplay.denoise:Denoise")
    register("pnp-admm", "priorkit_plugandplay.admm:PnPADMM")
