# Made by docs/settings.py, not by hand.

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

__all__ = ["Settings", "Shared"]

Component = object  # a name, a path to weights, a table {"name": …, options}, or the component

class Shared(TypedDict, total=False):
    """Keywords: what a run and its measurement can be told."""

    shape: Sequence[int] | None
    kind: Literal["vector", "signal", "picture", "volume", "complex"] | None
    resize: bool
    range: Sequence[float] | Literal["auto"] | None
    clip: bool
    space: Literal["latent", "pixel"] | None
    restarts: int | None
    averaging: int
    sigma: float | Literal["auto"] | None
    noise_norm: float | None
    gamma: Sequence[float] | float | Literal["sure", "discrepancy"] | None
    budget: int | None
    seed: int
    first: int | Sequence[int]
    device: str
    precision: Literal["float32", "float64", "mixed"] | None
    dataset: str | None
    slice: int | None
    noise: Component
    penalty: Component
    solver: Component
    start: Component
    acceleration: float | None
    angle: float
    angles: int | Sequence[float]
    arc: float | None
    background: float
    basis: Literal["dct", "wavelet"]
    black: float
    boundary: Literal["valid", "reflect", "edge", "wrap", "zero"]
    centre: float | None
    cg_steps: int
    channels: int
    circle: bool | None
    coils: int
    cut: float
    data_steps: int
    deflate: bool
    denoiser: Any
    depth: bool
    detector_distance: float | None
    detector_offset: float | None
    detector_spacing: float | None
    detectors: int | None
    deviations: Any
    discrepancy: float
    draws: int
    dual: bool
    epsilon: float
    estimate: bool | None
    even: bool
    factor: int
    field: Sequence[int] | None
    fill: Literal["mean", "noise", "neighbours", "smooth"]
    finer: bool | None
    fraction: float | None
    function: Any
    gain: float | None
    geometry: Literal["parallel", "fan"]
    grow: int
    history: int
    kernel: Any
    layers: int
    layout: Literal["angles", "skimage"]
    least: float
    length: float
    levels: int | None
    m: int
    maps: Any
    mask: Any
    masks: int
    matrix: Any
    mean: float
    mirrored: bool | None
    missing: str
    most: float | None
    norm: float
    origin: Literal["corner", "centre"] | None
    path: Any
    patience: int
    pattern: Literal["lines", "random", "radial"] | Literal["rggb", "bggr", "grbg", "gbrg"] | None
    photons: Any
    physics: Any
    pixel_size: float | None
    probes: int
    rate: float
    read_noise: float
    renoise: float
    reversible: bool
    sigma_end: float | None
    sigma_start: float
    source_distance: float | None
    squared: bool
    std: float
    steps: int
    store: int | None
    stride: int
    temperature: float
    tilt: float
    tolerance: float
    trust: float
    value: float
    vectors: int
    wavelet: str
    weight: float
    weights: Any
    width: float
    zeta: float

class Settings(Shared, total=False):
    """Keywords: the same, and the two that are compared or chosen."""

    prior: Component
    op: Component
