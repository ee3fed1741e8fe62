"""``priorkit audit``."""

from __future__ import annotations

import typer

from priorkit.cli.console import Bar, JsonFlag, escape, out, show_json, show_table
from priorkit.cli.ending import leave, results_folder
from priorkit.cli.recover import OpOption, OutOption, PriorsOption, listed
from priorkit.cli.words import components, split
from priorkit.errors import BadInputError

__all__ = ["audit"]


def audit(
    context: typer.Context,
    priors: PriorsOption,
    op: OpOption = None,
    save: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say where a prior's error comes from: representation, measurement or optimisation.

    GROUP=FOLDER … are pictures, such as faces=data/faces others=data/others. Settings of the
    measurement are options too: --m 500 --sigma 0.1 --seed 3 …
    """
    positional, settings = split(context.args)
    groups = {}
    for word in positional:
        name, equals, place = word.partition("=")
        if not equals or not name or not place:
            raise BadInputError(
                "A group is a name and its pictures.", got=word, try_="faces=FOLDER"
            )
        groups[name] = place
    settings |= components(op=op)
    with Bar(quiet=as_json) as progress, results_folder(save) as folder:
        from priorkit.io.folders import gives_way, require_place
        from priorkit.verbs.audit import audit as run

        require_place(folder, groups.values())  # before any compute
        found = run(
            groups,
            priors=listed(priors),
            progress=lambda label, now, done: progress(now, done, label),
            **settings,
        )
        if saved := gives_way(folder, cut=found.interrupted):
            found.save(folder)
    if as_json:
        show_json(found.table())
    else:
        show_table(*found.cells())
    if saved and not as_json:
        out.print(f"Wrote {escape(folder)}: report.html, audit.csv, audit.svg …", soft_wrap=True)
    leave(found, "what was done is kept" if saved else "nothing was written")
