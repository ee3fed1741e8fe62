"""``priorkit import-glow``: weights of the reference project as priorkit's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_glow"]


def import_glow(
    checkpoint: Annotated[Path, typer.Argument(help="glowmodel.pt of the reference project")],
    save: Annotated[Path, typer.Option("--out", help="the NAME.safetensors to write")],
    size: Annotated[int, typer.Option(help="side of the images")] = 64,
    n_bits: Annotated[int, typer.Option(help="bits per channel it was trained on")] = 5,
    coupling_bias: Annotated[float, typer.Option(help="offset of the couplings' scale")] = 0.0,
    last_zeros: Annotated[bool, typer.Option(help="as in its configs.json")] = True,
) -> None:
    """Convert a checkpoint of the reference implementation of Glow."""
    from priorkit.errors import BadInputError
    from priorkit.io.files import require_writable
    from priorkit_glow.export import write_weights
    from priorkit_glow.importer import import_checkpoint

    if save.suffix != ".safetensors":
        raise BadInputError(
            "Weights are .safetensors files.", got=save, try_="--out NAME.safetensors"
        )
    for path in (save, save.with_suffix(".json")):
        if os.path.exists(path):
            raise BadInputError(f"{path} is there already.", try_="another --out")
    require_writable(save.parent)
    network = import_checkpoint(
        checkpoint, size=size, n_bits=n_bits, coupling_bias=coupling_bias, last_zeros=last_zeros
    )
    about = {"data": "imported from a reference checkpoint", "licence": "as the checkpoint's"}
    path = write_weights(save, dict(network.state_dict()), network.config, about)
    typer.echo(f"Wrote {path} and its card. Use it as --prior {path}")
