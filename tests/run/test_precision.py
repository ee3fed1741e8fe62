"""The precision of a run: what is asked for, or the fastest that is as good."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import priorkit
from priorkit.interfaces import Choices
from priorkit.run import precision
from priorkit.run.precision import chosen, fast_bfloat16

CPU = torch.device("cpu")


def one(**settings: Any) -> dict[str, Any]:
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    result = priorkit.recover(
        x, prior="denoiser-photos", **{"op": "identity", "sigma": 0.1} | settings
    )
    return {**result.record["config"], "x": result.x}


@pytest.mark.parametrize(("fast", "named"), [(True, "mixed"), (False, "float32")])
def test_a_denoiser_is_as_precise_as_is_fast_here(
    fast: bool, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: fast)
    found = one()
    assert found["precision"] == named
    assert torch.equal(found["x"], one(precision=named)["x"])


def test_what_is_asked_for_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: True)
    assert one(precision="float32")["precision"] == "float32"


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": "none", "gamma": 0.01, "penalty": "tv"},
        {"prior": "glow-celeba", "op": "mask", "budget": 1},
    ],
)
def test_other_priors_stay_in_float32(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: True)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    result = priorkit.recover(x, **{"op": "identity", "sigma": 0.1} | settings)
    assert result.record["config"]["precision"] == "float32"


def test_latents_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: True)
    assert chosen(None, Choices(rough=True), "latent", CPU) == "float32"
    assert chosen(None, Choices(rough=True), "pixel", CPU) == "mixed"


@pytest.mark.parametrize(
    ("able", "limit", "fast"),
    [
        ({"amx_bf16": True}, None, True),
        ({"amx_bf16": True}, "AVX512_CORE_AMX", True),
        ({"amx_bf16": True}, "AVX2", False),
        ({"amx_bf16": False, "avx512_bf16": True}, None, False),
        ({}, None, False),
    ],
)
def test_bfloat16_is_fast_with_amx(
    able: dict[str, bool], limit: str | None, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert fast_bfloat16(CPU) is fast
    assert not fast_bfloat16(torch.device("meta"))


@pytest.mark.parametrize(
    ("capability", "fast"), [((7, 5), False), ((8, 0), True), ((8, 9), True), ((12, 0), True)]
)
def test_bfloat16_is_fast_with_tensor_cores_for_it(
    capability: tuple[int, int], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a prior that is as good in mixed precision takes it there."""
    asked = []

    def answer(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return capability

    monkeypatch.setattr(torch.cuda, "get_device_capability", answer)
    device = torch.device("cuda", 1)
    assert fast_bfloat16(device) is fast
    assert asked == [device]
    assert chosen(None, Choices(rough=True), "pixel", device) == ("mixed" if fast else "float32")
    assert chosen(None, Choices(), "pixel", device) == "float32"
