"""Names of the solvers."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_solvers(register: Register) -> None:
    register("lbfgs", "priorkit_solvers.lbfgs:LBFGS", fallback=True)
    register("adam", "priorkit_solvers.adam:Adam")
    register("coordinate-descent", "priorkit_solvers.coordinate_descent:CoordinateDescent")
    register("fista", "priorkit_solvers.fista:FISTA")
    register("amp", "priorkit_solvers.amp:AMP")
    register("diffpir", "priorkit_solvers.diffpir:DiffPIR")
    register("pnp-admm", "priorkit_solvers.pnp_admm:PnPADMM")
    register("perturb", "priorkit_solvers.perturb:Perturb")
    register("langevin", "priorkit_solvers.langevin:Langevin")
    register("denoise", "priorkit_solvers.denoise:Denoise")
    register("ancestral", "priorkit_solvers.ancestral:Ancestral")
