"""``priorkit train``."""

from __future__ import annotations

import typer

from priorkit.cli.console import TrainingBar, err, escape, out
from priorkit.cli.words import split
from priorkit.errors import BadInputError

__all__ = ["train"]


def train(context: typer.Context) -> None:
    """Train the weights of a prior. Continues where it stopped when given again.

    NAME is a trainer, see priorkit list.
    --data FOLDER_OR_ZIP and --out FOLDER are required; priorkit show NAME lists
    the other options.
    """
    from priorkit.training.parallel import Team
    from priorkit.training.run import run_trainer

    positional, options = split(context.args)
    if len(positional) != 1:
        raise BadInputError(
            "Say which trainer, one name.", got=" ".join(positional) or None, try_="priorkit list"
        )
    try:
        with TrainingBar() as bar:
            path = run_trainer(positional[0], options, bar)
    except KeyboardInterrupt:
        err.print("Interrupted; the same command continues.")
        raise typer.Exit(130) from None
    stopped = "Stopped before the end; the same command continues."
    if Team.here().leads:
        out.print(stopped if path is None else f"Wrote {escape(path)} and its card.")
