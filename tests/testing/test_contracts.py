"""Every registered component passes the contract that third-party ones are held to.

The samples are looked up by registered name: a name without one fails the suite.
"""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
from priorkit_bm3d.prior import BM3D
from priorkit_dcgan.network import DCGANConfig, Generator
from priorkit_dcgan.prior import DCGANPrior
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_functions.denoiser import FunctionDenoiser
from priorkit_functions.operator import Function
from priorkit_functions.penalty import FunctionPenalty
from priorkit_glow.prior import GlowPrior
from priorkit_noises.gaussian import Gaussian as GaussianNoise
from priorkit_noises.laplace import Laplace
from priorkit_noises.poisson import Poisson
from priorkit_noises.transmission import Transmission
from priorkit_noises.weighted import Weighted
from priorkit_operators.blur import Blur
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.matrix import Matrix
from priorkit_operators.mosaic import Mosaic
from priorkit_operators.phase import Phase
from priorkit_operators.pointwise import Gray, Identity, Mask
from priorkit_operators.rademacher import Rademacher
from priorkit_operators.radon import Radon
from priorkit_operators.resampling import Downsample
from priorkit_operators.srht import SRHT
from priorkit_penalties.likelihood import NLL
from priorkit_penalties.norms import L1, L2, L2Squared, NoPenalty
from priorkit_penalties.variation import TotalVariation
from priorkit_pixels.deep_decoder import DeepDecoder
from priorkit_pixels.prior import NoPrior
from priorkit_realnvp.network import RealNVP, RealNVPConfig
from priorkit_realnvp.patches import PatchFlow
from priorkit_realnvp.prior import RealNVPPrior
from priorkit_solvers.adam import Adam
from priorkit_solvers.amp import AMP
from priorkit_solvers.ancestral import Ancestral
from priorkit_solvers.coordinate_descent import CoordinateDescent
from priorkit_solvers.denoise import Denoise
from priorkit_solvers.diffpir import DiffPIR
from priorkit_solvers.fista import FISTA
from priorkit_solvers.langevin import Langevin
from priorkit_solvers.lbfgs import LBFGS
from priorkit_solvers.perturb import Perturb
from priorkit_solvers.pnp_admm import PnPADMM
from priorkit_sparsity.bases import DCT, Wavelet
from priorkit_starts.holes import Filled
from priorkit_starts.images import Enlarged, Flat, Noisy, NullSpace, PseudoInverse
from priorkit_starts.lasso import Lasso
from priorkit_starts.plain import FixedNorm, Normal, Zero
from priorkit_starts.shown import Shown
from scipy.sparse.linalg import aslinearoperator

from priorkit import testing
from priorkit.registry import registry
from tests.helpers import SHAPE, a_problem, random_glow, small_denoiser

KERNEL = np.random.default_rng(1).uniform(size=(4, 3))
DENSE = np.random.default_rng(0).normal(size=(17, 192))


def realnvp():
    """A RealNVP for vectors, every parameter random."""
    torch.manual_seed(0)
    network = RealNVP(RealNVPConfig(shape=(4,), steps=4, width=8, levels=0)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network


def generator():
    """A DCGAN generator with batch statistics of its own."""
    torch.manual_seed(0)
    network = Generator(DCGANConfig(shape=(3, 8, 8), latent=6, width=4))
    network(torch.randn(64, 6))
    return network.eval()


def smoothed(v, sigma):
    """Noisy images, each pixel partly the mean of those around it."""
    around = torch.nn.functional.avg_pool2d(v, 3, 1, 1, count_include_pad=False)
    return v + (around - v) * sigma**2 / (sigma**2 + 1e-3)


def evened(v, sigma):
    """The same of vectors (B, d), along the only axis that they have."""
    around = torch.nn.functional.avg_pool1d(v[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    return v + (around - v) * sigma**2 / (sigma**2 + 1e-3)


def holes(mask):
    """A problem with holes, which the starts that fill them need."""
    x = torch.rand(4, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    operator = mask.bind(SHAPE)
    y = operator.A(x)
    return replace(a_problem(operator, y), simulated=True).at(y, x)


# kind → name → samples, each a component and what else its check is told
SAMPLES = {
    "operator": {
        "identity": [(Identity(), {"shape": SHAPE}), (Identity(), {"shape": (1, 20)})],
        "gaussian": [
            (Gaussian(m=20, seed=3), {"shape": SHAPE}),
            (Gaussian(m=20, seed=3, store=0), {"shape": SHAPE}),
            (Gaussian(m=7), {"shape": (1, 50)}),
        ],
        "rademacher": [
            (Rademacher(m=20, seed=3), {"shape": SHAPE}),
            (Rademacher(m=20, seed=3, store=0), {"shape": SHAPE}),
            (Rademacher(m=7), {"shape": (1, 50)}),
        ],
        "srht": [(SRHT(m=20, seed=3), {"shape": SHAPE}), (SRHT(m=7), {"shape": (1, 50)})],
        "mask": [
            (Mask(), {"shape": SHAPE}),
            (Mask(mask="random", fraction=0.4, seed=5), {"shape": SHAPE}),
            (Mask(mask="left"), {"shape": SHAPE}),
            (Mask(mask="bottom", fraction=0.25), {"shape": SHAPE}),
            (Mask(mask=np.eye(8)), {"shape": SHAPE}),
        ],
        "matrix": [
            (Matrix(matrix=DENSE), {"shape": SHAPE}),
            (Matrix(matrix=scipy.sparse.random(17, 192, 0.1, random_state=0)), {"shape": SHAPE}),
            (Matrix(matrix=aslinearoperator(DENSE)), {"shape": SHAPE}),
            (Matrix(matrix=DENSE + 1j * DENSE[::-1]), {"shape": SHAPE}),
            (Matrix(matrix=scipy.sparse.csr_array(DENSE * (1 - 2j))), {"shape": SHAPE}),
            (Matrix(matrix=aslinearoperator(DENSE * 1j + DENSE[::-1])), {"shape": SHAPE}),
        ],
        "blur": [
            *[
                (Blur(kernel=KERNEL, boundary=boundary), {"shape": (3, 8, 7)})
                for boundary in ("valid", "reflect", "edge", "wrap", "zero")
            ],
            (Blur(width=0.8), {"shape": SHAPE}),
            (Blur(kernel="motion", length=5, angle=30), {"shape": (1, 9, 8)}),
        ],
        "downsample": [(Downsample(factor=factor), {"shape": (3, 8, 12)}) for factor in (1, 2, 4)],
        "fourier": [
            (Fourier(pattern="random", acceleration=2), {"shape": SHAPE}),
            (Fourier(acceleration=3), {"shape": (1, 9, 8)}),
            (Fourier(pattern="radial", coils=3), {"shape": (3, 8, 7)}),
            (Fourier(maps=KERNEL[None] * np.array([1, 2j])[:, None, None]), {"shape": (1, 4, 3)}),
        ],
        "function": [
            (Function(function=lambda x: x[..., 1:].square()), {"shape": SHAPE}),
            (Function(function=lambda x: x.diff(dim=-1).cumsum(1)), {"shape": SHAPE}),
            (Function(function=lambda x: torch.fft.rfft(x.sum(1))), {"shape": (2, 9)}),
        ],
        "gray": [(Gray(), {"shape": SHAPE})],
        "mosaic": [(Mosaic(), {"shape": SHAPE}), (Mosaic(pattern="gbrg"), {"shape": (3, 5, 7)})],
        "phase": [
            (Phase(masks=2), {"shape": SHAPE}),
            (Phase(masks=0, squared=True), {"shape": (1, 7, 8)}),
        ],
        "radon": [
            (Radon(angles=5), {"shape": SHAPE}),
            (Radon(angles=[0.0, 20.0, 100.0], detectors=4), {"shape": (1, 5, 6)}),
            (Radon(angles=4, pixel_size=2.0, detector_spacing=1.5), {"shape": (1, 5, 6)}),
            (Radon(angles=5, geometry="fan", source_distance=1.2, arc=-300), {"shape": (3, 8, 7)}),
            (Radon(angles=5, layout="skimage"), {"shape": (3, 7, 8)}),
            (Radon(angles=5, layout="skimage", circle=False), {"shape": (1, 6, 5)}),
        ],
    },
    "noise": {
        "gaussian": [
            (GaussianNoise(sigma=0.1), {}),
            (GaussianNoise(noise_norm=3.0), {}),
            (GaussianNoise(), {}),
        ],
        "laplace": [(Laplace(sigma=0.05), {}), (Laplace(noise_norm=2.0), {})],
        "poisson": [
            (Poisson(gain=0.01), {}),
            (Poisson(gain=0.1), {}),
            (Poisson(gain=0.1, read_noise=0.03, black=0.2), {}),
            (Poisson(gain=0.001, read_noise=0.3), {}),
        ],
        "transmission": [
            (Transmission(), {}),
            (Transmission(photons=3), {}),
            (Transmission(photons=300, background=40), {}),
        ],
        "weighted": [(Weighted(deviations=0.1), {})],
    },
    "penalty": {
        "none": [(NoPenalty(), {"shape": SHAPE})],
        "l1": [(L1(), {"shape": SHAPE})],
        "l2": [(L2(), {"shape": SHAPE})],
        "l2-squared": [(L2Squared(), {"shape": SHAPE})],
        "tv": [(TotalVariation(), {"shape": SHAPE}), (TotalVariation(), {"shape": (2, 30)})],
        "function": [
            (FunctionPenalty(function=lambda x: x.square().flatten(1).sum(1)), {"shape": SHAPE})
        ],
        "nll": [
            (NLL(), {"shape": SHAPE, "prior": GlowPrior.from_network(random_glow(offset=0.1))})
        ],
    },
    "prior": {
        "glow": [
            (GlowPrior.from_network(random_glow(coupling=coupling, offset=offset)), {})
            for coupling in ("affine", "additive")
            for offset in (0.0, 0.1)
        ],
        "realnvp": [(RealNVPPrior.from_network(realnvp()), {})],
        "dcgan": [(DCGANPrior.from_network(generator()), {})],
        "diffusion": [(DiffusionPrior.from_network(small_denoiser(), steps=2), {})],
        "dct": [(DCT(), {"shape": SHAPE}), (DCT(), {"shape": (1, 9)})],
        "wavelet": [(Wavelet(), {"shape": SHAPE}), (Wavelet(), {"shape": (2, 16)})],
        "bm3d": [(BM3D(), {"shape": (1, 16, 20)}), (BM3D(), {"shape": (3, 16, 16)})],
        "patch-flow": [(PatchFlow(), {"shape": (3, 8, 9)})],
        "deep-decoder": [
            (DeepDecoder(channels=4, layers=2), {"shape": (3, 6, 9)}),
            (DeepDecoder(channels=8), {"shape": (3, 16, 16)}),
            (DeepDecoder(channels=4), {"shape": (1, 1, 5)}),
        ],
        "none": [(NoPrior(), {"shape": SHAPE})],
        "function": [
            (FunctionDenoiser(function=smoothed), {"shape": SHAPE}),
            (FunctionDenoiser(function=evened), {"shape": (30,)}),
        ],
    },
    "solver": {
        "lbfgs": [
            (LBFGS(history=history, tolerance=1e-9), {"tolerance": 1e-8}) for history in (5, 100)
        ],
        "adam": [(Adam(rate=0.1), {"budget": 400})],
        "fista": [(FISTA(tolerance=1e-9), {"tolerance": 1e-6})],
        "coordinate-descent": [(CoordinateDescent(tolerance=1e-9), {"tolerance": 1e-6})],
        "pnp-admm": [(PnPADMM(), {"budget": 30}), (PnPADMM(dual=True), {"budget": 60})],
        "amp": [(AMP(), {})],
        "diffpir": [(DiffPIR(draws=2), {"budget": 20}), (DiffPIR(zeta=0.5), {"budget": 40})],
        "perturb": [(Perturb(draws=4), {"budget": 60})],
        "ancestral": [(Ancestral(draws=3, levels=4), {"budget": 64})],
        "langevin": [(Langevin(), {"budget": 60})],
        "denoise": [(Denoise(), {})],
    },
    "start": {
        "zero": [(Zero(), {})],
        "normal": [(Normal(), {})],
        "fixed-norm": [(FixedNorm(norm=3.0), {})],
        "flat": [(Flat(value=0.4), {})],
        "noisy": [(Noisy(), {"problem": holes(Identity())})],
        "filled": [
            (Filled(fill=fill), {"problem": holes(Mask())})
            for fill in ("mean", "noise", "neighbours", "smooth")
        ],
        "enlarged": [
            (Enlarged(), {"problem": holes(each)}) for each in (Downsample(factor=2), Gray())
        ],
        "pseudo-inverse": [(PseudoInverse(), {})],
        "shown": [
            (Shown(), {}),
            *[(Shown(), {"problem": holes(each)}) for each in (Identity(), Mask(), Gray())],
        ],
        "null-space": [(NullSpace(), {}), (NullSpace(), {"problem": holes(Mask())})],
        "lasso": [(Lasso(steps=60), {"problem": holes(Mask())})],
    },
}
SHIPPED = {
    "glow-celeba": "glow",
    "glow-birds": "glow",
    "glow-flowers": "glow",
    "dcgan-celeba": "dcgan",
    "diffusion-celeba": "diffusion",
    "denoiser-photos": "diffusion",
    "realnvp-2d": "realnvp",
}
ELSEWHERE = {"deepinv"}  # tests/plugins/test_deepinv.py, which needs the package
# Further samples that take seconds.
LONG = {"prior bm3d 1", "solver pnp-admm 1", "solver lbfgs 1", "solver diffpir 1"}
CASES = [
    pytest.param(
        kind,
        component,
        told,
        id=(case := f"{kind} {name} {i}"),
        marks=[pytest.mark.slow] if case in LONG else [],
    )
    for kind, names in SAMPLES.items()
    for name, samples in names.items()
    for i, (component, told) in enumerate(samples)
    if name != "bm3d" or importlib.util.find_spec("bm3d")
]


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize(("kind", "component", "told"), CASES)
def test_component(kind, component, told):
    getattr(testing, f"check_{kind}")(component, **told)


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_registered_name_has_a_sample(kind):
    """Names of shipped weights stand for their family."""
    ours = [e for e in registry().entries(kind) if e.target.startswith("priorkit_")]
    ours = [entry for entry in ours if entry.name not in ELSEWHERE]
    names = {SHIPPED.get(entry.name, entry.name) for entry in ours}
    assert names <= set(SAMPLES[kind]), "a registered name without a sample"
    assert set(SAMPLES[kind]) <= names, "a sample of a name that isn't registered"
    for entry in ours:
        name = SHIPPED.get(entry.name, entry.name)
        assert all(type(component) is entry.load() for component, _ in SAMPLES[kind][name])


@pytest.mark.parametrize("name", sorted(set(SAMPLES["operator"]) - {"gray", "matrix", "mosaic"}))
def test_an_operator_can_be_bound_again(name):
    """What was worked out for one shape isn't used for another."""
    operator, told = SAMPLES["operator"][name][0]
    bound = operator.bind(told["shape"])
    bound.A(torch.zeros(1, *told["shape"]))
    for shape in ((3, 4, 4), (1, 8, 12)):
        testing.check_operator(bound, shape=shape)
    testing.check_operator(bound, shape=told["shape"])


def test_an_operator_that_sees_nothing_keeps_its_promises():
    """As two rays that pass a picture of a single pixel on either side."""
    blind = Radon(angles=[90.0], detectors=2, detector_spacing=10.0)
    assert not blind.bind((1, 1, 1)).A(torch.ones(1, 1, 1, 1)).any()
    testing.check_operator(blind, shape=(1, 1, 1))
