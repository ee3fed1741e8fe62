"""``priorkit compare``."""

from __future__ import annotations

import typer

from priorkit.cli.console import Bar, JsonFlag, escape, out, show_json, show_table
from priorkit.cli.ending import FINISHED, is_saved, leave, resumable, to_go_on
from priorkit.cli.recover import (
    OpOption,
    OutOption,
    PriorsOption,
    ResumeFlag,
    YOption,
    given,
    listed,
)
from priorkit.cli.words import components, said_here

__all__ = ["compare"]


def compare(
    context: typer.Context,
    priors: PriorsOption,
    op: OpOption = None,
    y: YOption = None,
    save: OutOption = None,
    resume: ResumeFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Recover the same measurements with several priors, and see who wins.

    IMAGE is a picture file or a folder of them, to be measured here. --ms 500 1000 2500 compares
    at several numbers of measurements. Other settings of the measurement are options too:
    --sigma 0.1 --mask random --seed 3 …
    --seconds 10 also says what each had reached after that time.

    With --y, real measurements, no error is known: the misfits are shown, beside what noise alone
    would give, and how far the priors are apart. Settings are those of recover: --sigma auto
    --range auto --kind complex --maps estimate …
    """
    image, settings = given(context.args)
    settings |= components(op=op) | {"y": y}
    if isinstance(settings.get("ms"), int):
        settings["ms"] = [settings["ms"]]
    named = save is not None or resume
    with Bar(quiet=as_json) as progress, resumable(save, resume) as folder:
        from priorkit.verbs.compare import compare as run

        result = run(
            image,
            priors=listed(priors),
            out=folder,
            resume=resume,
            progress=lambda label, now, done: progress(now, done, label),
            **settings,
        )
    saved = is_saved(result, folder)
    if as_json:
        show_json(result.table())
    else:
        cells, common = result.brief()
        show_table(*cells)
        same = [f"The same for all: {', '.join(common)}."] if common else []
        wrote = [f"Wrote {folder}: grid.png, curve.svg, report.html, results.json …"] * saved
        for line in (*same, result.summary(), *map(said_here, result.reasons()), *wrote):
            out.print(escape(line), soft_wrap=True)
    failed = any(row["status"] == "failed" for row in result.table())
    said = "A component failed in some rows; what was done until then is kept."
    hint = to_go_on(folder, named) if result.interrupted else ""
    leave(result, "what was done is kept" if saved else FINISHED, said if failed else "", hint)
