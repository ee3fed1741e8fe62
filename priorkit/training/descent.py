"""Recipes that descend the mean loss of a batch, maximum likelihood among them."""

from __future__ import annotations

import json
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from priorkit.training.options import Options, compiler_of, option
from priorkit.training.recipe import Losses, Recipe

if TYPE_CHECKING:
    from priorkit.io.weights import Weights

__all__ = ["Descent", "DescentOptions", "MaximumLikelihood", "average", "newest"]

Batch = TypeVar("Batch")

BARREN = 100  # steps in a row without a finite gradient, after which a run ends


@dataclass
class DescentOptions(Options):
    """What a recipe that descends one loss has beside what every recipe has."""

    warmup: int = option(400, "steps of linear warm-up", least=0)
    decay: float = option(
        0.5, "fraction of the run at the end in which the rate decays to 0", least=0, most=1
    )
    init: str = option("", "weights to begin with, of the same architecture: a name or a path")


class _MeanLoss(nn.Module):
    """The mean loss of a batch as a module, since only modules can be spread over processes."""

    def __init__(self, net: nn.Module, loss: Callable[[Any, Any], Tensor]) -> None:
        super().__init__()
        self.net, self.loss = net, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(self.net, batch).mean()


class Descent(Recipe, Generic[Batch]):
    """Adam on a mean loss, with warm-up and linear decay, and an average of the weights.

    A family gives its networks to :meth:`adopt`, a batch, and the loss of each of its examples. A
    step without a finite gradient is left out: weights, moments and average stay as they are. After
    100 in a row the run stops with ValueError, when losses are read next.
    """

    options: DescentOptions
    parallel = True
    clip: ClassVar[float] = 10.0  # the largest norm of the gradient
    compiled: bool = False  # network and loss, on a CUDA device with triton
    _spread: nn.Module | None = None

    def adopt(self, net: nn.Module, ema: nn.Module) -> None:
        """Take the network, and another one of its kind for the average.

        Raises WeightsError where the weights of ``options.init`` can't be read, ValueError where
        they are of another architecture.
        """
        self.net, self.ema = net, ema.requires_grad_(False)
        self.adam = self.optimizer(net)
        self.barren = torch.zeros((), device=self.device)  # steps in a row
        self.origin = self._read(self.options.init) if self.options.init else None

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """The optimizer; its learning rate is set before each step. A fused one, which leaves a
        step out where its ``found_inf`` is 1 and nobody has to read that."""
        return torch.optim.Adam(net.parameters(), lr=self.options.rate, fused=True)

    def _read(self, path: str) -> Weights:
        from priorkit.io.weights import read  # needs packages that a bare machine may not have

        found = read(path)
        theirs = {"family": found.card.family, **found.card.architecture}
        ours = {"family": self.family, **json.loads(json.dumps(self.architecture))}
        for name, wanted in ours.items():
            if theirs.get(name) != wanted:
                raise ValueError(
                    f"init has another {name}: {theirs.get(name)}, not {wanted}. "
                    f"Train with the architecture on the card {found.card.name}.json"
                )
        return found

    def initialize(self) -> None:
        """Initialise ``net`` from data, in a run that begins with no weights."""

    def begin(self) -> None:
        if self.origin is None:
            self.initialize()
        else:  # shipped convolutions are float16; a checkpoint's are float32
            self.net.load_state_dict(self.origin.load())
        self.ema.load_state_dict(self.net.state_dict())

    def told(self, options: dict[str, Any]) -> dict[str, Any]:
        """With the name and sha256 of the initial weights instead of their path."""
        card = self.origin and self.origin.card
        return super().told(options) | {"init": card and f"{card.name}, sha256 {card.sha256}"}

    @abstractmethod
    def batch(self) -> Batch:
        """This process's ``share`` of the examples of the present step, on the device."""

    @abstractmethod
    def loss(self, net: Any, batch: Batch) -> Tensor:
        """The loss of each example, (B,)."""

    @property
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"net": self.net, "ema": self.ema, "adam": self.adam}

    def train_step(self) -> Tensor:
        o = self.options
        batch = self.batch()
        for group in self.adam.param_groups:
            group["lr"] = o.rate * self.pace()
        if self._spread is None:
            self._spread = self.team.spread(self._module(batch), self.device)
        self.adam.zero_grad(set_to_none=True)
        loss: Tensor = self._spread(batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        lost = (~norm.isfinite()).float()  # 1: one bad batch costs one step, not the run
        self.adam.found_inf = lost  # type: ignore[attr-defined]  # as torch's GradScaler does
        self.adam.step()
        self.step += 1
        self.barren = (self.barren + 1) * lost
        average(self.ema, self.net, (1 - lost) * newest(o.ema, self.step))
        return loss.detach()[None]

    def pace(self) -> float:
        """The learning rate of the present step in parts of ``rate``: it rises in ``warmup`` steps,
        or the first tenth of a shorter run, and falls to 0 in the last ``decay`` of the run."""
        o = self.options
        rising = max((self.step + 1) / max(1, o.warmup), 10 * self.passed)
        falling = (1 - self.passed) / o.decay if o.decay else 1.0
        return float(min(rising, falling, 1.0))

    def judge(self) -> None:
        if float(self.barren) >= BARREN:
            raise ValueError(f"{BARREN} steps in a row had no finite gradient: try a smaller rate")

    def score(self, values: Mapping[str, float | None]) -> float | None:
        """By the loss on validation examples, which the log has as ``validation``."""
        found = values.get("validation")
        return None if found is None else -found

    def _module(self, batch: Batch) -> nn.Module:
        """Network and loss, compiled where that is wanted and possible in all processes."""
        plain = _MeanLoss(self.net, self.loss)
        if not (self.compiled and (backend := compiler_of(self.device))):
            return plain
        module = cast(nn.Module, torch.compile(plain, backend=backend, dynamic=False))
        failed = False
        try:
            module(batch).backward()
        except Exception as error:  # a compiler can fail in any way
            said = f"torch.compile failed, so that training is slower: {error}"
            warnings.warn(" ".join(said.split())[:400], stacklevel=2)
            failed = True
        return plain if self.team.agreed(float(failed))[0] > 0 else module


class MaximumLikelihood(Descent[Tensor]):
    """The descent of −log p(x): the loss of each example is in ``unit``."""

    unit: str = "bits/dim"

    @abstractmethod
    def validation_loss(self) -> float:
        """Mean loss of the averaged network on the validation examples, the same noise every
        time; NaN without any."""

    def message(self, losses: Losses) -> str:
        return f"{np.mean(losses):.3f} {self.unit}"

    def validate(self, losses: Losses) -> tuple[dict[str, float | None], str]:
        values: dict[str, float | None] = {"train": float(np.mean(losses))}
        if not self.kept:
            return values, self.message(losses)
        values["validation"] = found = self.validation_loss()
        return values, f"validation {found:.4f} {self.unit}"


def newest(decay: float, step: int) -> float:
    """How far averaged weights move towards the present ones; farther while there are few steps."""
    return 1 - min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def average(ema: nn.Module, net: nn.Module, weight: float | Tensor) -> None:
    """Move averaged weights by that part of the way towards the present ones."""
    averaged: list[Tensor] = list(ema.parameters())
    present: list[Tensor] = list(net.parameters())
    way = list(torch._foreach_sub(present, averaged))
    torch._foreach_mul_(way, weight)
    torch._foreach_add_(averaged, way)
