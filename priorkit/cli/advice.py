"""From three answers to the command that recovers, and why it is that one.

What it knows is what docs/start.md and docs/choosing.md say; its tests hold every command that it
makes against the real settings.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from priorkit.errors import BadInputError, did_you_mean

__all__ = [
    "MEASURED",
    "NOISE",
    "QUESTIONS",
    "SHOWS",
    "Advice",
    "Choice",
    "advice",
    "offered",
    "require_fitting",
]


@dataclass(frozen=True)
class Choice:
    """An answer: what it is ``about``, the ``words`` that it puts on the line, and ``why``.

    ``file`` is how a file of the kind may be called, and ``yours`` are the options whose values
    are examples.
    """

    about: str
    words: str = ""
    why: str = ""
    file: str = ""
    yours: tuple[str, ...] = ()


MEASURED = {
    "noisy": Choice("a whole picture, volume or signal, with noise", "--op identity",
        "every value was measured, with noise on it", "noisy.png"),
    "holes": Choice("a picture with holes or scratches, painted over in red",
        "--op mask --mask {file} --missing red",
        "what is painted over is missing; --missing names another paint", "scratched.png"),
    "blurred": Choice("a picture out of focus", "--op blur --kernel gaussian --width 1.5",
        "a lens spreads every point", "blurred.png", ("--width",)),
    "shaken": Choice("a picture that was shaken", "--op blur --kernel motion --length 7 --angle 0",
        "a shake draws every point out to a line", "shaken.png", ("--length", "--angle")),
    "small": Choice("a small picture, to enlarge", "--op superresolution --factor 2",
        "every pixel is the mean over a square of the larger picture", "small.png", ("--factor",)),
    "mosaic": Choice("a camera's raw mosaic", "--op mosaic --pattern rggb",
        "every pixel has one colour of three", "raw.png", ("--pattern",)),
    "mri": Choice("lines of k-space, of a scanner's coils (MRI)",
        "--op fourier --kind complex --mask auto --maps estimate --range auto",
        "what isn't 0 was measured; the coils are estimated", "scan.h5::dataset=kspace",
        ("dataset",)),
    "ct": Choice("a sinogram (CT)", "--op radon --layout skimage --angles 60 --shape 1 95 95",
        "sums along rays, a column for each angle", "sinogram.npy", ("--angles", "--shape")),
    "matrix": Choice("numbers y = A x, of a matrix A that is known",
        "--op matrix --path A.npy --shape 3 64 64",
        "the rows of the matrix say what each number is the sum of", "y.npy",
        ("--path", "--shape")),
}  # fmt: skip

NOISE = {
    "known": Choice("Gaussian, and its standard deviation σ is known", "--sigma {sigma}",
        "the noise level says how far to trust y"),
    "unknown": Choice("nothing", "--sigma auto", "σ is estimated from the finest detail of y"),
    "little": Choice("there is next to none", "--sigma 0.002", "y is nearly exact"),
    "counts": Choice("y are counts of photons", "--noise poisson --gain 1",
        "the noise of counts grows with them", yours=("--gain",)),
    "outliers": Choice("some values are wild", "--noise laplace --sigma {sigma}",
        "sizes of errors instead of their squares, so that a wild value counts once"),
}  # fmt: skip

FLAT = "--prior none --penalty tv"
SHOWS = {
    "photograph": Choice("a photograph of anything, of any size", "--prior denoiser-photos",
        "a network that has seen photographs of every kind"),
    "face": Choice("a face, aligned as in CelebA, 64×64", "--prior diffusion-celeba",
        "a network that knows such faces, and no others"),
    "flat": Choice("even areas with edges: drawings, phantoms", f"{FLAT} --gamma discrepancy",
        "total variation keeps areas even and edges sharp; it knows nothing else"),
    "scan": Choice("a slice of a scanner or a microscope, in units of its own",
        "--prior denoiser-photos", "the network for photographs, told where the values lie"),
    "volume": Choice("slices behind one another",
        "--kind volume --prior denoiser-photos",
        "the network for photographs goes over the slices"),
    "signal": Choice("a signal of one dimension", f"--kind signal {FLAT} --gamma sure",
        "total variation keeps steps; γ is the one with the least expected error"),
}  # fmt: skip

QUESTIONS = {
    "measured": ("What was measured?", MEASURED),
    "noise": ("What is known of its noise?", NOISE),
    "shows": ("What does the picture show?", SHOWS),
}
# How each of these can be measured; others in any way.
ONLY = {
    "photograph": tuple(measured for measured in MEASURED if measured != "mri"),
    "face": ("noisy", "holes", "blurred", "shaken", "small", "mosaic", "matrix"),
    "scan": ("noisy", "blurred", "shaken", "small", "mri", "ct", "matrix"),
    "volume": ("noisy",),
    "signal": ("noisy",),
}
RANGED = ("scan", "volume", "signal")  # whose values are in units of their own
GAUSSIAN = ("known", "unknown", "little")
PICTURES = ("noisy", "holes", "blurred", "shaken", "small")  # whose y is a picture, to look σ up in
GUESS = 0.02
UNTOLD = Choice(
    "", "--sigma {sigma}", "σ can't be seen in such a y: two measurements differ by √2 of it"
)
PASSED = Choice(
    "", "--noise transmission --photons 1000", "of X-rays, those that pass", yours=("--photons",)
)
EVEN = Choice(
    "",
    f"{FLAT} --gamma discrepancy",
    "total variation, since networks that denoise know no wild values",
)
ALONE = "a picture alone is denoised: by the noise that it shows, and a network for photographs"


@dataclass(frozen=True)
class Advice:
    """A command, and the reasons for its parts."""

    command: str
    why: list[str]


def advice(
    measured: str, noise: str, shows: str, *, file: str | None = None, sigma: float | None = None
) -> Advice:
    """The command for three answers, which are keys of ``MEASURED``, ``NOISE`` and ``SHOWS``.

    Raises BadInputError for an answer that isn't one, and for answers that don't go together.
    """
    answers = {"measured": measured, "noise": noise, "shows": shows}
    for key in answers:
        require_fitting(key, answers)
    what = MEASURED[measured]
    name = shlex.quote(file or what.file)
    if (measured, noise, shows) == ("noisy", "unknown", "photograph"):
        return Advice(f"priorkit recover {name}", [ALONE])
    parts = (what, _level(measured, noise), _image(noise, shows))
    words = " ".join(part.words for part in parts)
    counted = noise == "counts" and parts[1] is not PASSED  # what is white is a number of counts
    if (shows in RANGED or counted) and "--range" not in words:
        words += " --range auto"
    yours = [option for part in parts for option in part.yours]
    yours += ["--sigma"] if "{sigma}" in words and sigma is None else []
    level = f"{GUESS if sigma is None else sigma:g}"
    words = words.replace("{file}", name).replace("{sigma}", level)
    why = [part.why for part in parts]
    why += [f"examples, to be replaced by yours: {', '.join(yours)}"] if yours else []
    return Advice(f"priorkit recover --y {name} {words}", why)


def _level(measured: str, noise: str) -> Choice:
    """What is said of the noise."""
    if noise == "unknown" and measured not in PICTURES:
        return UNTOLD
    return PASSED if (measured, noise) == ("ct", "counts") else NOISE[noise]


def _image(noise: str, shows: str) -> Choice:
    """What is said of the picture: wild values leave total variation."""
    return EVEN if noise == "outliers" and shows != "flat" else SHOWS[shows]


def offered(key: str, said: Mapping[str, str]) -> list[str]:
    """The answers to a question that go with those to others that were said, in their order."""
    at = list(QUESTIONS).index(key)
    own = _open({other: answer for other, answer in said.items() if other != key})
    found = {answers[at] for answers in own if not _against(*answers)}
    return [answer for answer in QUESTIONS[key][1] if answer in found]


def _open(said: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """All answers to the three questions that have those that were said among them."""
    return product(*([said[key]] if key in said else choices for key, (_, choices) in
                     QUESTIONS.items()))  # fmt: skip


def _against(measured: str, noise: str, shows: str) -> str:
    """Why no command can be made of three answers; nothing where one can."""
    if (measured, noise) == ("noisy", "little"):
        return "A whole picture next to without noise needs no recovery."
    if measured == "mri" and noise not in GAUSSIAN:
        return "The noise of k-space is Gaussian."
    if shows in ("volume", "signal") and noise not in GAUSSIAN:
        return f"There is no advice for such noise of {SHOWS[shows].about}."
    if measured not in ONLY.get(shows, tuple(MEASURED)):
        return f"There is no advice for {SHOWS[shows].about}, from {MEASURED[measured].about}."
    return ""


def require_fitting(key: str, said: Mapping[str, str]) -> None:
    """Raise BadInputError for an answer that isn't one, or that doesn't go with those to the
    questions before it, which are kept."""
    answer, choices = said[key], QUESTIONS[key][1]
    if answer not in choices:
        hint = did_you_mean(answer, choices) or f"one of {', '.join(choices)}"
        raise BadInputError(QUESTIONS[key][0], got=repr(answer), try_=hint)
    first = list(QUESTIONS)[: list(QUESTIONS).index(key)]
    before = {other: said[other] for other in first if other in said}
    fitting = offered(key, before)
    if answer not in fitting:
        own = before | {key: answer}
        raise BadInputError(
            next(_against(*answers) for answers in _open(own)),
            got=" ".join(f"--{name} {value}" for name, value in own.items()),
            try_=f"--{key} {' or '.join(fitting)}",
        )
