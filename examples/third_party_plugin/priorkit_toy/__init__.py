"""Names for priorkit. The classes are imported when they are first used."""

from priorkit import hookimpl
from priorkit.hookspecs import Register


@hookimpl
def register_priors(register: Register) -> None:
    register("smooth", "priorkit_toy.prior:Smooth")
    register("threshold", "priorkit_toy.denoiser:Threshold")


@hookimpl
def register_operators(register: Register) -> None:
    register("binning", "priorkit_toy.operator:Binning")
    register("spectrum", "priorkit_toy.fourier:Spectrum")
    register("intensity", "priorkit_toy.fourier:Intensity")


@hookimpl
def register_noises(register: Register) -> None:
    register("detector", "priorkit_toy.noise:Detector")


@hookimpl
def register_penalties(register: Register) -> None:
    register("roughness", "priorkit_toy.penalty:Roughness")


@hookimpl
def register_solvers(register: Register) -> None:
    register("walker", "priorkit_toy.sampler:Walker")


@hookimpl
def register_starts(register: Register) -> None:
    register("even", "priorkit_toy.start:Even")
