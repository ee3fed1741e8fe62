"""Names of the Glow priors and their trainer."""

from importlib.resources import files
from typing import Any

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("glow", "priorkit_glow.prior:GlowPrior")
    shipped = files("priorkit_glow") / "weights"
    for path in sorted(shipped.iterdir(), key=lambda p: p.name) if shipped.is_dir() else []:
        if path.name.endswith(".safetensors"):
            name = path.name.removesuffix(".safetensors")
            register(name, "priorkit_glow.prior:GlowPrior", weights=str(path))


@hookimpl
def register_trainers(register: Register) -> None:
    register("glow", "priorkit_glow.train:train")


@hookimpl
def register_commands(app: Any) -> None:
    from priorkit_glow.command import import_glow

    app.command(name="import-glow")(import_glow)
