"""``priorkit new-plugin``, ``check`` and ``stubs``: for authors of plugins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from priorkit.cli.completion import among, names
from priorkit.cli.console import Bar, JsonFlag, escape, out, show_json
from priorkit.cli.inspect import describe
from priorkit.cli.words import components, split
from priorkit.errors import BadInputError, MismatchError, PriorkitError
from priorkit.registry import COMPONENTS, registry
from priorkit.scaffold import write_plugin

if TYPE_CHECKING:
    from priorkit.settings.select import Selection
    from priorkit.testing import Outcome

__all__ = ["check", "new_plugin", "stubs"]

KindsArgument = Annotated[
    list[str] | None,
    typer.Argument(help=", ".join(COMPONENTS), autocompletion=among(*COMPONENTS)),
]
NameArgument = Annotated[
    str, typer.Argument(help="a registered name", autocompletion=names(*COMPONENTS))
]
SHAPE = (3, 16, 16)
BUDGET, GAMMA = 20, 0.01
SHAPE_HINT = "--shape of images that it takes, as 3 64 64, or 1 16 32 32 of a volume"
RECOVERS = "it recovers the sample photograph"


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
    folder = folder or Path(f"priorkit-{name}")
    for path in write_plugin(name, kinds or ["operator"], folder):
        out.print(escape(path), soft_wrap=True)
    out.print(f"Now: pip install --editable {escape(folder)}", soft_wrap=True)
    out.print(f"     pytest {escape(folder)}", soft_wrap=True)
    out.print(f"     priorkit check {escape(name)}")


def stubs(
    folder: Annotated[
        Path | None, typer.Option("--out", help="by default where this environment has packages")
    ] = None,
) -> None:
    """Tell mypy and editors the options of all plugins that are installed, as keywords of recover.

    Writes the stub package priorkit-stubs. Once more after plugins change.
    """
    from priorkit.settings.stubs import write_stubs

    out.print(f"Wrote {escape(write_stubs(folder))}", soft_wrap=True)


def check(
    context: typer.Context,
    name: NameArgument,
    kind: Annotated[
        str | None,
        typer.Option(help="where several kinds have the name", autocompletion=among(*COMPONENTS)),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="of the recovery, and for penalties", autocompletion=names("prior")),
    ] = None,
    space: Annotated[
        Literal["latent", "pixel"] | None, typer.Option(help="of the recovery")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check every promise of a component, and recover the sample photograph with it.

    Its options are options here: --m 20 …; --shape C H W is that of the images, by default
    3 16 16. Every promise is kept, broken, or not tried, with the reason; the exit code is 1
    where one is broken.
    """
    _, options = split(context.args)
    said = components(prior=prior)
    if space is not None:
        said["space"] = space
    if "shape" in options:
        said["shape"] = _shape(options.pop("shape"))
    rows: list[dict[str, Any]] = []
    for each, build in _builders(name, kind, options):
        with Bar(quiet=True):  # sends what components print to stderr
            found = _outcomes(each, build(), said, build)
        rows.append({"kind": each, "name": name, "promises": [asdict(o) for o in found]})
        if not as_json:
            _show(f"{each} {name}", found)
    if as_json:
        show_json(rows)
    if any(promise["broken"] for row in rows for promise in row["promises"]):
        raise typer.Exit(1)


def _shape(said: Any) -> tuple[int, ...]:
    """The shape given by --shape; a single number is the length of a vector."""
    found = tuple(said) if isinstance(said, list) else (said,)
    if not all(isinstance(side, int) and side > 0 for side in found):
        raise BadInputError("A shape is whole numbers.", got=said, try_="--shape 3 16 16")
    return found


def _builders(
    name: str, kind: str | None, options: dict[str, Any]
) -> list[tuple[str, Callable[[], Any]]]:
    """What makes the components of that name, each with the options that it has."""
    from priorkit.settings.select import resolve

    chosen = [resolve(each, name) for each in _kinds(name, kind)]
    known = set().union(*(selection.fields for selection in chosen))
    found: list[tuple[str, Callable[[], Any]]] = []
    for selection in chosen:
        own = {k: v for k, v in options.items() if k not in known - selection.fields}
        found.append((selection.kind, partial(_build, replace(selection, options=own))))
    return found


def _build(selection: Selection) -> Any:
    """A component of its own each time: a selection builds once, and a copy of it anew."""
    return replace(selection).build(0)


def _kinds(name: str, kind: str | None) -> list[str]:
    """The kinds in which a name is registered, or the one that was asked for."""
    if kind is not None:
        if kind not in COMPONENTS:
            raise BadInputError(f"A kind is one of {', '.join(COMPONENTS)}.", got=kind)
        return [registry().get(kind, name).kind]
    found = [each for each in COMPONENTS if registry().find(each, name)]
    if not found:
        describe(name)  # raises, with the nearest names
        raise BadInputError(f"{name!r} isn't a component that has promises.")
    return found


def _outcomes(
    kind: str, component: Any, said: dict[str, Any], build: Callable[[], Any] | None = None
) -> list[Outcome]:
    """The outcomes of the conformance kit and of a recovery. ``said`` holds the shape, the prior
    and the space that the user gave; ``build`` makes such a component again."""
    from priorkit import testing
    from priorkit.settings.select import resolve

    check = getattr(testing, f"check_{kind}")
    shape = said.get("shape", SHAPE)
    told: dict[str, Any] = {"shape": shape} if kind in ("prior", "operator", "penalty") else {}
    if kind == "penalty" and (component.requires or "prior" in said):
        prior = resolve("prior", said.get("prior")).build(0)
        told["shape"] = prior.shape or shape
        told["prior"] = prior.bind(told["shape"])
    again: list[Outcome] = []
    if build is not None:
        again = testing.outcomes(partial(testing.check_built, component, build))
        again += testing.outcomes(partial(testing.check_options, type(component)))
    found = testing.outcomes(partial(check, component, **told))
    if told and "shape" not in said:  # the first that is broken may be that of another shape
        found = [replace(o, hint=o.hint or SHAPE_HINT) if o.broken else o for o in found]
    found += again
    if any(outcome.broken for outcome in found):
        return [*found, testing.Outcome(RECOVERS, untried="a promise is broken")]
    recovered = _recovery(kind, component, said)
    if recovered.broken and told and "shape" not in said:  # of the one that the kit took
        recovered = _recovery(kind, component, {**said, "shape": shape})
    return [*found, recovered]


def _recovery(kind: str, component: Any, said: dict[str, Any]) -> Outcome:
    """Recover the sample photograph, with defaults for what the user didn't choose."""
    from priorkit.interfaces import ZeroPenalty
    from priorkit.testing import Outcome
    from priorkit.testing.samples import SampleIdentity, photograph
    from priorkit.verbs.recover import recover

    settings: dict[str, Any] = {"op": SampleIdentity(), "sigma": 0.1, "budget": BUDGET, **said}
    if kind == "penalty" and not isinstance(component, ZeroPenalty):
        settings["gamma"] = GAMMA
    if kind in ("operator", "noise"):
        del settings["sigma"]
    settings["op" if kind == "operator" else kind] = component
    x = photograph(said["shape"]) if "shape" in said else None
    errors: list[PriorkitError] = []
    ways = _ways(kind, settings)
    for way in ways:
        try:
            result = recover(x, **way)
        except PriorkitError as refused:
            errors.append(refused)
            if kind == "penalty" and "solver" not in way:  # one that isn't smooth asks for another
                ways += [{**way, **other} for other in refused.ways if "solver" in other]
            continue
        psnr = "" if result.psnr is None else f" PSNR {float(result.psnr[0]):.1f} dB,"
        ended = f"{result.status[0]}: {result.reason[0]}"
        broken = result.status[0] == "diverged"
        return Outcome(RECOVERS, ended) if broken else Outcome(f"{RECOVERS}:{psnr} {ended}")
    if isinstance(errors[0], MismatchError):  # it requires what the defaults lack
        hint = "--prior, --space and --shape choose another recovery"
        return Outcome(RECOVERS, untried=str(errors[0]), hint=hint)
    return Outcome(RECOVERS, str(errors[0]))


def _ways(kind: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings to try one after the other, until a recovery isn't refused.

    A prior that chooses no weight of its penalty for this problem gets one, and the default prior
    where a noise has no level to choose it by. A solver is tried without a prior, with the default
    prior, and with latents. Other components use the default prior, or none where it is for another
    shape.
    """
    from priorkit.interfaces import Prior
    from priorkit.settings.select import resolve

    if "prior" in settings:
        return [settings, {**settings, "gamma": GAMMA}] if kind == "prior" else [settings]
    plain = {"shape": (3, 64, 64), **settings, "prior": Prior()}
    if kind == "solver":
        return [plain, settings, {"space": "latent", "gamma": 0.0, **settings}]
    fixed = resolve("prior", None).build(0).shape
    way = settings if settings.get("shape", fixed) == fixed or fixed is None else plain
    return [way, {**way, "gamma": GAMMA}] if kind == "noise" else [way]


def _show(title: str, found: list[Outcome]) -> None:
    out.print(f"[bold]{escape(title)}[/bold]")
    for outcome in found:
        mark = "[red]broken   [/red]" if outcome.broken else "[green]kept     [/green]"
        mark = "[yellow]not tried[/yellow]" if outcome.untried else mark
        out.print(f"  {mark}  {escape(outcome.promise)}", soft_wrap=True)
        hint = outcome.hint and f"hint: {outcome.hint}"
        for said in filter(None, (outcome.broken, outcome.untried, hint)):
            out.print(f"             {escape(said)}", soft_wrap=True)
