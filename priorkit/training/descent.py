"""Recipes that descend the mean loss of a batch, maximum likelihood among them."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from priorkit.training.recipe import Losses, Recipe

if TYPE_CHECKING:
    from priorkit.io.weights import Weights

__all__ = ["Descent", "MaximumLikelihood", "average"]

Batch = TypeVar("Batch")


class _MeanLoss(nn.Module):
    """The mean loss of a batch as a module, since only modules can be spread over processes."""

    def __init__(self, net: nn.Module, loss: Callable[[Any, Any], Tensor]) -> None:
        super().__init__()
        self.net, self.loss = net, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(self.net, batch).mean()


class Descent(Recipe, Generic[Batch]):
    """Adam on a mean loss, with warm-up and linear decay, and an average of the weights.

    A family gives its networks to :meth:`adopt`, a batch, and the loss of each of its examples.
    Further options: rate, warmup, decay, ema, and init, a path of weights to begin with. A step
    without a finite gradient is left out; after 100 in a row the run stops with ValueError.
    """

    parallel = True
    clip: ClassVar[float] = 10.0  # the largest norm of the gradient
    _spread: nn.Module | None = None

    def adopt(self, net: nn.Module, ema: nn.Module) -> None:
        """Take the network, and another one of its kind for the average.

        Raises WeightsError where the weights of ``options.init`` can't be read, ValueError where
        they are of another architecture.
        """
        self.net, self.ema = net, ema.requires_grad_(False)
        self.adam = self.optimizer(net)
        self.barren = 0  # steps in a row without a finite gradient
        self.origin = self._read(self.options.init) if self.options.init else None

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """The optimizer; its learning rate is set before each step."""
        return torch.optim.Adam(net.parameters(), lr=self.options.rate, fused=True)

    def _read(self, path: str) -> Weights:
        from priorkit.io.weights import read  # needs packages that a bare machine may not have

        found = read(path)
        theirs = {"family": found.card.family, **found.card.architecture}
        ours = {"family": self.family, **json.loads(json.dumps(self.architecture))}
        for name, wanted in ours.items():
            if theirs.get(name) != wanted:
                raise ValueError(
                    f"--init has another {name}: {theirs.get(name)}, not {wanted}. "
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
        return options | {"init": card and f"{card.name}, sha256 {card.sha256}"}

    @abstractmethod
    def batch(self) -> Batch:
        """This process's ``share`` of the examples of the present step, on the device."""

    @abstractmethod
    def loss(self, net: Any, batch: Batch) -> Tensor:
        """The loss of each example, (B,)."""

    @property
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"net": self.net, "ema": self.ema, "adam": self.adam}

    def train_step(self) -> tuple[float, ...]:
        o = self.options
        batch = self.batch()
        falling = (1 - self.passed) / o.decay if o.decay else 1.0
        for group in self.adam.param_groups:
            group["lr"] = o.rate * min((self.step + 1) / max(1, o.warmup), falling, 1.0)
        self.adam.zero_grad(set_to_none=True)
        if self._spread is None:
            self._spread = self.team.spread(_MeanLoss(self.net, self.loss), self.device)
        loss = self._spread(batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self.step += 1
        self.barren = 0 if bool(torch.isfinite(norm)) else self.barren + 1
        if self.barren >= 100:
            raise ValueError("100 steps in a row had no finite gradient: try a smaller --rate")
        if not self.barren:  # one bad batch costs one step, not the run
            self.adam.step()
            average(self.ema, self.net, o.ema, self.step)
        return (float(self.team.average(loss.detach())),)


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
        found = self.validation_loss()
        known = None if math.isnan(found) else found
        values = {"train": float(np.mean(losses)), "validation": known}
        return values, f"validation {found:.4f} {self.unit}"


def average(ema: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the present ones; faster while there are few steps."""
    keep = min(decay, (1 + step) / (10 + step))
    present = [p.detach() for p in net.parameters()]
    torch._foreach_lerp_(list(ema.parameters()), present, 1 - keep)
