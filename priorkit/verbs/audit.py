"""Where a prior's error comes from: what it can't say, what isn't measured, what isn't found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import torch

from priorkit.counted import a_or_an
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Decoder, Encoder
from priorkit.linear import energy
from priorkit.metrics import reconstruction_error
from priorkit.results.audit import Audit
from priorkit.results.finding import Finding, Recoveries
from priorkit.results.recovery import Recovery
from priorkit.settings.called import called_as
from priorkit.settings.config import RunConfig, split
from priorkit.settings.keywords import Shared
from priorkit.settings.select import Selection, classes, resolve
from priorkit.verbs.bars import of_labels
from priorkit.verbs.contest import contestants
from priorkit.verbs.recover import Ready, ready, recover
from priorkit.verbs.watch import Progress

__all__ = ["audit"]

FITTED = 1e-4  # part of ‖y‖² that a misfit may have and still be no worse than another


@called_as('priorkit.audit({"faces": "FOLDER"}, priors=["glow-celeba"], op="gaussian", m=500)')
def audit(
    groups: Mapping[str, Any],
    *,
    priors: Sequence[Any],
    op: Any = None,
    progress: Progress | None = None,
    **settings: Unpack[Shared],
) -> Audit:
    """How much of each prior's error is representation, measurement and optimisation.

    Three solves per prior and group, with x̂ of the recovery, x* the truth and f the objective:

    - representation, ‖D(z*) − x*‖²/n: what D can't say even if all is measured without noise; z* is
      the encoded truth, or the best fit to it where the prior has no encoder;
    - optimisation: what a search that begins at z* gains, ‖x̂ − x*‖² − ‖x° − x*‖² over n, where its
      objective f(x°) is lower than f(x̂) and than what noise makes, so that the solver missed it;
    - measurement: the rest. Pictures that fit y as well as the truth does, or better, exist, and
      neither y nor the prior says that x̂ isn't it.

    Parameters
    ----------
    groups : pictures by the name of their group, each as for :func:`priorkit.recover`
    priors : names, paths or tables of priors with a latent, as for :func:`priorkit.compare`
    op, **settings : of the measurement and the run, the same for all
    progress : instead of the bar that a notebook shows; called with a label, a Snapshot and the
        number of images done before

    After Ctrl-C, what is done is kept; where nothing is, KeyboardInterrupt goes on.

    Raises MismatchError where a prior has no latent, BadInputError for a range, averaging, a search
    over pixels or a rule for γ, and as :func:`priorkit.recover` for any group: all before any
    compute.

    Reference: Bora, Jalal, Price & Dimakis, "Compressed sensing using generative models", ICML
    2017, section 6.3 (the three errors); Asim et al. 2020 (representation and dataset bias).
    """
    if not isinstance(groups, Mapping) or not groups:
        raise BadInputError(
            "An audit needs groups of pictures by their names.",
            got=None if isinstance(groups, Mapping) else a_or_an(type(groups).__name__),
            try_='{"faces": …}',
        )
    runs: dict[tuple[str, str], tuple[Ready, dict[str, Any]]] = {}
    tables = contestants(priors)
    for table in tables:
        _require_plain({**settings, **table})
    chosen = [resolve("prior", table["prior"]) for table in tables]  # weights are read once
    for selection in chosen:
        _require_latent(selection)
    usual = {"op": op, "space": "latent", "penalty": "none", "gamma": 0.0, **settings}
    for name, pictures in groups.items():
        for table, prior in zip(tables, chosen, strict=True):
            own = {**usual, **table, "prior": prior}
            label = str(own.pop("label"))
            # All wait at once: they hold no more than their recoveries, which an audit keeps.
            runs[label, name] = ready(pictures, None, *split(own)), own
    findings: list[Finding] = []
    recoveries: Recoveries = {}
    with of_labels(progress) as told:
        for (label, name), (made, own) in runs.items():
            tell = None if told is None else partial(told, f"{label} on {name}")
            try:
                found = _whole(made.recovered(tell))
                own = _without_measurement(own, made)
                findings.append(_finding(label, name, found, own, tell))
            except KeyboardInterrupt:
                if not findings:
                    raise
                return Audit(findings, recoveries, interrupted=True)
            recoveries[label, name] = found
    return Audit(findings, recoveries)


def _require_plain(settings: Mapping[str, Any]) -> None:
    """Refuse what leaves no latent, no error in [0, 1], or no objective that two solves share."""
    config = split({k: v for k, v in settings.items() if k not in ("prior", "label")})[0]
    if config.image is not None or config.y is not None:
        raise BadInputError(
            "The groups of an audit are its pictures.",
            got="image" if config.y is None else "y",
            try_='{"faces": …}',
        )
    if config.range is not None:
        raise BadInputError("An audit is of images in [0, 1].", got="a range", try_="no range")
    if config.averaging > 1:
        raise BadInputError(
            "An audit looks for the latent of each picture, and a mean of several has none.",
            got=f"averaging={config.averaging}",
            try_="averaging=1",
        )
    if config.space == "pixel":
        raise BadInputError(
            "An audit looks for the latent of each picture, and a search over pixels has none.",
            got="space='pixel'",
            try_="space='latent'",
        )
    if isinstance(config.gamma, str):
        raise BadInputError(
            "An audit compares solves of one objective, whose γ is a number.",
            got=f"gamma={config.gamma!r}",
            try_="gamma=0.01",
        )


def _whole(found: Recovery) -> Recovery:
    """A recovery that nothing cut short. Raises KeyboardInterrupt where Ctrl-C did."""
    if found.interrupted:
        raise KeyboardInterrupt
    return found


def _require_latent(prior: Selection) -> None:
    if issubclass(prior.target or type(prior.instance), Decoder):
        return
    fitting = [repr(entry.name) for entry, cls in classes("prior") if issubclass(cls, Decoder)]
    raise MismatchError(
        "An audit looks for the latent of each picture, which only a prior that is a Decoder has.",
        got=repr(prior.name),
        try_=" or ".join(fitting) or None,
    )


def _finding(
    label: str, group: str, found: Recovery, settings: dict[str, Any], tell: Any
) -> Finding:
    assert found.truth is not None
    assert found.error is not None
    best = _represented(found, settings, tell)
    again = settings | _of(found) | {"op": found.operator, "start": best.z, "restarts": 1}
    near = _whole(recover(y=found.y, **again, progress=tell))
    reached = reconstruction_error(near.x, found.truth)
    represented = reconstruction_error(best.x.to(found.truth), found.truth)
    fitted = torch.maximum(near.objective, found.noise_misfit) + FITTED * energy(found.y)
    missed = found.objective > fitted
    gain = torch.where(missed, (found.error - reached).clamp_min(0), 0.0)
    representation = torch.minimum(represented, found.error - gain)
    rest = found.error - representation - gain
    spread = float(found.error.std()) if len(found.error) > 1 else math.nan
    return Finding(
        prior=label,
        group=group,
        pictures=len(found.error),
        psnr=math.nan if found.psnr is None else float(found.psnr.mean()),
        error=float(found.error.mean()),
        standard_error=spread / math.sqrt(len(found.error)),
        representation=float(representation.mean()),
        measurement=float(rest.mean()),
        optimisation=float(gain.mean()),
    )


def _without_measurement(settings: dict[str, Any], made: Ready) -> dict[str, Any]:
    """What else was said of a run: nothing of its files and its operator, for solves that are given
    both."""
    of_operator = set(made.setup.selections["operator"].options) - set(RunConfig.model_fields)
    left_out = {"op", "resize", "dataset", "slice"} | of_operator
    return {name: value for name, value in settings.items() if name not in left_out}


def _of(found: Recovery) -> dict[str, Any]:
    """What the images are, which numbers alone may not tell."""
    return {"shape": tuple(found.x.shape[1:]), "kind": found.kind.name}


def _represented(found: Recovery, settings: dict[str, Any], tell: Any) -> Recovery:
    """The picture nearest to the truth that the prior can say, and its latent."""
    prior: Selection = settings["prior"]
    encodes = issubclass(prior.target or type(prior.instance), Encoder)
    kept = ("prior", "seed", "device", "precision", "restarts", "space", "penalty", "gamma")
    own = {k: v for k, v in settings.items() if k in kept and not (encodes and k == "restarts")}
    assert found.truth is not None
    truth = found.truth.cpu().numpy()
    own |= _of(found) | ({"start": truth} if encodes else {})
    return _whole(recover(truth, op="identity", sigma=0.0, progress=tell, **own))
