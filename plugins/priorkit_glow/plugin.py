"""Names of the Glow priors and their trainer."""

from typing import Any

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("glow", "priorkit_glow.prior:GlowPrior")
    register.weights("priorkit_glow", "priorkit_glow.prior:GlowPrior", fallback="glow-celeba")


@hookimpl
def register_trainers(register: Register) -> None:
    register("glow", "priorkit_glow.train:train")


@hookimpl
def register_commands(app: Any) -> None:
    from priorkit_glow.command import import_glow

    app.command(name="import-glow")(import_glow)
