"""How near a recovery is to the truth."""

import pytest
import torch
from skimage.metrics import structural_similarity

from priorkit import metrics
from priorkit.linear import CACHE


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 11, 700), (1, 300, 900)])
def test_ssim_agrees_with_scikit_image(shape):
    """Also of pictures that are scored in bands."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, *shape, generator=generator)
    y = (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    for i in range(3):
        expected = structural_similarity(
            x[i].double().numpy(),
            y[i].double().numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert float(metrics.ssim(x, y)[i]) == pytest.approx(expected, abs=1e-6)
    assert float(metrics.ssim(x, x)[0]) == pytest.approx(1.0)


def test_an_even_window_of_samples_agrees_with_scikit_image():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 40, 600, generator=generator)
    y = (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    a, b = x[0, 0].double().numpy(), y[0, 0].double().numpy()
    expected = structural_similarity(a, b, data_range=1.0)
    assert float(metrics.ssim(x, y, square=True)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("square", [False, True])
def test_rounding_hardly_changes_the_score_of_areas_of_one_shade(square):
    """There the mean of squares and the square of the mean differ by rounding alone."""
    x = torch.full((1, 1, 64, 64), 0.9)
    x[..., 32:] = 0.1
    y = x + 0.03
    exact = metrics.ssim(x.double(), y.double(), square=square)
    assert float(metrics.ssim(x, y, square=square)) == pytest.approx(float(exact), abs=1e-7)


def test_psnr_doesn_t_depend_on_the_batch():
    x, y = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    assert torch.equal(metrics.psnr(x, y)[2:3], metrics.psnr(x[2:3], y[2:3]))
    assert float(metrics.psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.01))[0]) == (
        pytest.approx(40.0)
    )


def test_an_error_of_many_numbers_is_added_up_in_pieces():
    """Their mean is that of all, and the same for one image as for several."""
    x, y = torch.rand(2, 3, 250, 251), torch.rand(2, 3, 250, 251)
    assert x[0].numel() > CACHE
    found = metrics.reconstruction_error(x, y)
    expected = (x.double() - y.double()).square().flatten(1).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    assert torch.equal(found[1:], metrics.reconstruction_error(x[1:], y[1:]))


def test_threads_change_no_score(monkeypatch):
    x, y = torch.rand(1, 1, 40, 70), torch.rand(1, 1, 40, 70)
    monkeypatch.setattr(metrics, "ROWS", 16)
    monkeypatch.setattr(metrics, "COLUMNS", 24)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(float(metrics.ssim(x, y)))
    assert found[0] == found[1]
    monkeypatch.undo()
    assert found[0] == pytest.approx(float(metrics.ssim(x, y)), abs=1e-6)
