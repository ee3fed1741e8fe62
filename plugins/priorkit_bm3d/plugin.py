"""The name of the BM3D prior."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("bm3d", "priorkit_bm3d.prior:BM3D")
