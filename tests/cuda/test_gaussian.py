"""A x and Aᵀ y with a matrix that no kernel stores, beside the matrix."""

import pytest
import torch
from priorkit_operators.kernels import GaussianKernels

from priorkit.streams import normal


@pytest.mark.parametrize(("m", "n", "batch"), [(3, 5, 1), (70, 300, 9), (9, 257, 8)])
def test_products_are_those_of_the_matrix(place, m, n, batch):
    launch, device = place
    A = 0.5 * normal(2**63 + 5, "gaussian", range(m), n)
    ours = GaussianKernels(launch, 2**63 + 5, "gaussian", m, n, 0.5)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, n, generator=generator)
    y = torch.randn(batch, m, generator=generator)
    for found, exact in (
        (ours.times(x.to(device)).cpu(), x.double() @ A.double().T),
        (ours.back(y.to(device)).cpu(), y.double() @ A.double()),
    ):
        assert float((found - exact).norm() / exact.norm()) < 1e-6
    x, y = x.to(device), y.to(device)
    assert torch.equal(ours.times(x[:1]), ours.times(x)[:1])
    assert torch.equal(ours.back(y[:1]), ours.back(y)[:1])
