"""``priorkit new-plugin`` and ``priorkit check``: for authors of plugins."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from priorkit.cli.completion import components
from priorkit.cli.console import Bar, JsonFlag, escape, out, show_json
from priorkit.cli.words import split
from priorkit.errors import BadInputError, PriorkitError
from priorkit.registry import FUNCTIONS, KINDS, registry

if TYPE_CHECKING:
    from priorkit.testing import Outcome

__all__ = ["check", "new_plugin"]

KindsArgument = Annotated[
    list[str] | None, typer.Argument(help="prior, operator, noise, penalty, solver, start")
]
SHAPE = [3, 16, 16]
BUDGET = 20


def new_plugin(
    name: Annotated[str, typer.Argument(help="in small letters, such as my-prior")],
    kinds: KindsArgument = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="the new folder; by default priorkit-NAME")
    ] = None,
) -> None:
    """Write a plugin package, with a component of each kind, whose tests pass at once.

    KINDS are any of prior, operator, noise, penalty, solver, start; by default an operator.
    """
    from priorkit.scaffold import write_plugin

    folder = folder or Path(f"priorkit-{name}")
    for path in write_plugin(name, kinds or ["operator"], folder):
        out.print(escape(path), soft_wrap=True)
    out.print(f"Now: pip install --editable {escape(folder)}", soft_wrap=True)
    out.print(f"     pytest {escape(folder)}", soft_wrap=True)
    out.print(f"     priorkit check {escape(name)}")


def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a registered name", autocompletion=components)],
    kind: Annotated[str | None, typer.Option(help="where several kinds have the name")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check every promise of a component, and recover the sample photograph with it.

    Its options are options here: --m 20 …; --shape C H W is that of the images, 3 16 16 where
    nothing is said. Exits with 1 where a promise is broken.
    """
    _, options = split(context.args)
    shape = options.pop("shape", SHAPE)
    rows, kept = [], True
    for each, component in _components(name, kind, options):
        with Bar(quiet=True):  # what components print is no result
            found = _outcomes(each, component, tuple(shape))
        rows.append({"kind": each, "name": name, "promises": [asdict(o) for o in found]})
        kept = kept and not any(outcome.broken for outcome in found)
        if not as_json:
            _show(f"{each} {name}", found)
    if as_json:
        show_json(rows)
    if not kept:
        raise typer.Exit(1)


def _components(name: str, kind: str | None, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The components of that name; of options, where there are several, each takes its own."""
    from priorkit.engine.components import resolve

    kinds = _kinds(name, kind)
    selections = [resolve(each, name) for each in kinds]
    for selection in selections:
        others = {f for other in selections if other is not selection for f in other.fields}
        selection.options = {
            option: value
            for option, value in options.items()
            if option in selection.fields or option not in others
        }
        yield selection.kind, selection.build(0)


def _kinds(name: str, kind: str | None) -> list[str]:
    """The kinds in which a name is registered, or the one that was asked for."""
    checked = [each for each in KINDS if each not in FUNCTIONS]
    if kind is not None:
        if kind not in checked:
            raise BadInputError(f"A kind is one of {', '.join(checked)}.", got=kind)
        registry().get(kind, name)
        return [kind]
    found = [each for each in checked if registry().find(each, name)]
    if not found:
        from priorkit.cli.inspect import describe

        describe(name)  # says what is near
        raise BadInputError(f"{name!r} isn't a component that has promises.")
    return found


def _outcomes(kind: str, component: Any, shape: tuple[int, ...]) -> list[Outcome]:
    """What the conformance kit says, and what a recovery does."""
    from priorkit import testing
    from priorkit.engine.components import resolve
    from priorkit.testing import Outcome, outcomes

    check = getattr(testing, f"check_{kind}")
    told: dict[str, Any] = {}
    if "shape" in inspect.signature(check).parameters and kind != "noise":
        told["shape"] = shape
    if kind == "penalty" and component.requires:  # of the prior that nobody chose
        prior = resolve("prior", None).build(0)
        told["shape"] = prior.shape or shape
        told["prior"] = prior.bind(told["shape"])
    found = outcomes(partial(check, component, **told))
    if any(outcome.broken for outcome in found):
        return [*found, Outcome("it recovers the sample photograph", "not tried")]
    return [*found, _recovery(kind, component)]


def _recovery(kind: str, component: Any) -> Outcome:
    """The sample photograph, with what is chosen where nobody says."""
    from priorkit.engine.recover import recover
    from priorkit.errors import MismatchError
    from priorkit.interfaces import Prior
    from priorkit.testing import Outcome
    from priorkit.testing.samples import SampleIdentity

    settings: dict[str, Any] = {"op": SampleIdentity(), "sigma": 0.1, "budget": BUDGET}
    settings |= {"gamma": 0.01} if kind == "penalty" else {}
    if kind in ("operator", "noise"):
        del settings["sigma"]
    settings["op" if kind == "operator" else kind] = component
    # A simple solver needs a simple problem, pixels of which nothing is known; another latents.
    plain: dict[str, Any] = {"prior": Prior(), "shape": (3, 64, 64)}
    ways = [plain, {}, {"space": "latent", "gamma": 0.0}] if kind == "solver" else [{}]
    error: PriorkitError | None = None
    for way in ways:
        try:
            result = recover(**settings, **way)
            break
        except PriorkitError as refused:
            error = refused
    else:
        if isinstance(error, MismatchError):  # it asks for what the defaults haven't
            return Outcome(f"a recovery with it wasn't tried: {error}")
        return Outcome("it recovers the sample photograph", str(error))
    psnr = "" if result.psnr is None else f" PSNR {float(result.psnr[0]):.1f} dB,"
    ended = f"{result.status[0]}: {result.reason[0]}"
    if result.status[0] == "diverged":
        return Outcome("it recovers the sample photograph", ended)
    return Outcome(f"it recovers the sample photograph:{psnr} {ended}")


def _show(title: str, found: list[Outcome]) -> None:
    out.print(f"[bold]{escape(title)}[/bold]")
    for outcome in found:
        mark = "[red]broken[/red]" if outcome.broken else "[green]kept  [/green]"
        out.print(f"  {mark}  {escape(outcome.promise)}", soft_wrap=True)
        if outcome.broken:
            out.print(f"          {escape(outcome.broken)}", soft_wrap=True)
        if outcome.hint:
            out.print(f"          hint: {escape(outcome.hint)}", soft_wrap=True)
