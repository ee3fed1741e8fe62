"""Names of the DCGAN priors and their trainer."""

from importlib.resources import files

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("dcgan", "priorkit_dcgan.prior:DCGANPrior")
    shipped = files("priorkit_dcgan") / "weights"
    for path in sorted(shipped.iterdir(), key=lambda p: p.name) if shipped.is_dir() else []:
        if path.name.endswith(".safetensors"):
            name = path.name.removesuffix(".safetensors")
            register(name, "priorkit_dcgan.prior:DCGANPrior", weights=str(path))


@hookimpl
def register_trainers(register: Register) -> None:
    register("dcgan", "priorkit_dcgan.train:train")
