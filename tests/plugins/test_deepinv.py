"""deepinv's physics and denoisers in priorkit, and priorkit's in deepinv, with the real package."""

import pytest
import torch
from priorkit_operators.blur import Blur
from priorkit_operators.phase import Phase
from priorkit_pixels.prior import NoPrior
from priorkit_realnvp.patches import PatchFlow

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator
from priorkit.settings.select import resolve
from priorkit.testing import check_operator, check_prior
from tests.helpers import SHAPE, the_real_deepinv

pytestmark = pytest.mark.filterwarnings("ignore")


deepinv = the_real_deepinv()
from priorkit_deepinv import outward  # noqa: E402

P = deepinv.physics
CENTRE = torch.zeros(1, 1, 8, 8)
CENTRE[..., 2:6, 2:6] = 1
PHYSICS = {
    "inpainting": lambda: P.Inpainting(SHAPE, mask=0.5),
    "denoising": lambda: P.Denoising(P.GaussianNoise(0.1)),
    "blur": lambda: P.Blur(filter=P.blur.gaussian_blur(sigma=(1, 1)), padding="circular"),
    "fourier blur": lambda: P.BlurFFT(SHAPE, filter=P.blur.gaussian_blur(sigma=(1, 1))),
    "downsampling": lambda: P.Downsampling(img_size=SHAPE, factor=2, filter="bicubic"),
    "gray": lambda: P.Decolorize(),
    "compressed sensing": lambda: P.CompressedSensing(m=20, img_size=SHAPE),
    "tomography": lambda: P.Tomography(angles=5, img_width=8, circle=False),
    "composed": lambda: P.Decolorize() * P.Blur(P.blur.gaussian_blur(sigma=(1, 1)), "circular"),
}


@pytest.mark.parametrize("name", PHYSICS)
def test_physics_is_an_operator_that_keeps_the_contract(name):
    operator = resolve("operator", PHYSICS[name]()).build(0)
    assert isinstance(operator, LinearOperator)
    check_operator(operator, shape=SHAPE)


def test_magnetic_resonance_of_two_channels():
    """deepinv keeps a complex picture as two channels; what isn't measured is in the mask."""
    operator = resolve("operator", P.MRI(mask=CENTRE, img_size=(2, 8, 8))).build(0)
    check_operator(operator, shape=(2, 8, 8))
    assert operator.bind((2, 8, 8)).entries == 32


def test_physics_that_is_not_linear():
    """deepinv's phase retrieval takes complex pictures, the other one real ones."""
    for physics in (P.RandomPhaseRetrieval(m=50, img_size=SHAPE), P.Physics(A=lambda x: x**3)):
        operator = resolve("operator", physics).build(0)
        assert not isinstance(operator, LinearOperator)
        check_operator(operator, shape=SHAPE)


def test_a_recovery_with_physics_as_it_is():
    """The same as with the operator of priorkit that has its mask; its noise is the default."""
    physics = P.Inpainting(SHAPE, mask=0.5, noise_model=P.GaussianNoise(0.02))
    settings = {"prior": "none", "penalty": "tv", "gamma": 0.003}
    x = torch.rand(2, *SHAPE)
    theirs = priorkit.recover(x, op=physics, **settings)
    mask = physics.mask[0].numpy()
    ours = priorkit.recover(x, op={"name": "mask", "mask": mask}, sigma=0.02, **settings)
    torch.testing.assert_close(theirs.y, ours.y)
    torch.testing.assert_close(theirs.x, ours.x, atol=1e-4, rtol=0)


def test_a_denoiser_is_a_prior():
    model = deepinv.models.TVDenoiser(n_it_max=50)
    check_prior(resolve("prior", model).build(0), shape=(3, 32, 32))
    x = torch.full((1, 3, 16, 16), 0.5)
    for prior in (model, {"name": "deepinv", "denoiser": "TVDenoiser"}):
        denoised = priorkit.recover(x, prior=prior, op="identity", sigma=0.1)
        filled = priorkit.recover(x, prior=prior, op="mask", sigma=0.05, budget=20)
        assert denoised.psnr > 30
        assert filled.psnr > 20


def test_what_is_no_denoiser_is_refused():
    for said, match in (
        (3, "needs an object of deepinv.models"),
        ("Nobody", "named by its class"),
        ("DRUNet", "has weights to choose"),
    ):
        with pytest.raises(BadInputError, match=match):
            priorkit.recover(prior={"name": "deepinv", "denoiser": said})
    with pytest.raises(BadInputError, match="needs an object of"):
        priorkit.recover(op={"name": "deepinv", "physics": "blur"})
    stacked = P.stack(P.Decolorize(), P.Denoising())
    with pytest.raises(BadInputError, match="several physics at once"):
        priorkit.recover(op=stacked, prior="none", shape=(3, 8, 8))


def test_a_density_is_a_prior_of_deepinv():
    """Its gradient is that of its function, and deepinv's gradient descent climbs to it."""
    prior = PatchFlow().bind((3, 16, 16))
    g = outward.as_prior(prior)
    x = 0.5 + 0.1 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(g.fn(x), -prior.log_prob(x))
    torch.testing.assert_close(g.grad(x), -prior.log_prob_grad(x)[1])
    physics = P.Denoising(P.GaussianNoise(0.1))
    solver = deepinv.optim.optim_builder(
        "GD", data_fidelity=deepinv.optim.L2(), prior=g, max_iter=10,
        params_algo={"stepsize": 0.001, "lambda": 0.01}, custom_init=lambda y, p: y,
    )  # fmt: skip
    y = physics(x)
    objective = lambda v: 0.5 * (v - y).square().flatten(1).sum(1) + 0.01 * g.fn(v)  # noqa: E731
    assert (objective(solver(y, physics)) < objective(y)).all()
    with pytest.raises(TypeError, match="needs a prior with a density"):
        outward.as_prior(NoPrior())


def test_a_denoiser_serves_in_deepinv():
    prior = resolve("prior", deepinv.models.TVDenoiser()).build(0)
    model = outward.as_denoiser(prior)
    x = torch.rand(2, *SHAPE)
    torch.testing.assert_close(model(x, 0.1), prior.denoise(x, 0.1))
    torch.testing.assert_close(model(x, torch.tensor([0.1, 0.2]))[1:], prior.denoise(x[1:], 0.2))
    with pytest.raises(TypeError, match="needs a prior that denoises"):
        outward.as_denoiser(NoPrior())


def test_operators_serve_in_deepinv():
    """A linear one passes deepinv's own test of adjoints; another gives its gradient."""
    x = torch.rand(1, *SHAPE)
    blur = outward.as_physics(Blur(width=0.8), SHAPE)
    assert float(blur.adjointness_test(x).abs()) < 1e-4
    assert blur.A_dagger(blur.A(x)).shape == x.shape
    phase = outward.as_physics(Phase(masks=2), SHAPE)
    y = phase.A(x)
    torch.testing.assert_close(phase.A_vjp(x, y), Phase(masks=2).bind(SHAPE).vjp(x, y))
