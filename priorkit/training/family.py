"""What a family of networks gives to its training: its parts, a step, and how it is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from priorkit.counted import counted
from priorkit.training import output
from priorkit.training.options import (
    Options,
    Progress,
    device_of,
    halved,
    held_back,
    print_progress,
)
from priorkit.training.parallel import Team
from priorkit.training.tape import Losses

__all__ = ["Family"]


class Family(ABC):
    """A run of training on its way, and what is a family's own of it; :class:`.recipe.Recipe` does
    the rest.

    An option ``precision``, where a family has that, is bf16 by default on a device with bfloat16,
    and ``half`` says whether it is.

    Parameters
    ----------
    options : the family's own
    progress : called with step, total and a message, which stays on the screen where it ends in a
        newline
    examples : how many there are; the last ``options.validation`` are not trained on, or the last
        tenth where that is None
    digest : sha256 of the examples, which must be the same when a run is resumed
    skipped : files that aren't used, with the reason; they are reported
    """

    family: ClassVar[str]
    parallel: ClassVar[bool] = False  # whether several processes may train it together

    def __init__(
        self,
        options: Options,
        progress: Progress | None,
        examples: int,
        *,
        digest: str = "",
        skipped: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.team = Team.here()
        if self.team.size > 1 and not self.parallel:
            raise ValueError(f"{self.family} is trained by one process, without torchrun")
        self.options = options
        self.progress = progress or print_progress
        self.device = device_of(options.device, self.team.local_rank)
        self.half = halved(asdict(options).get("precision", "fp32"), self.device)
        self.share = self.team.share(options.batch)  # this process's part of every batch
        self.kept = held_back(options.validation, examples)
        self.train_size = examples - self.kept
        if self.train_size < options.batch:
            raise ValueError(
                f"{counted(examples, 'examples')} less {self.kept} for validation leave fewer than "
                f"one batch of {options.batch}: try a smaller validation or batch"
            )
        self.out, self.digest, self.skipped = Path(options.out), digest, skipped
        if self.team.leads:
            output.claim(self.out, Path(options.data))
        else:  # the first process reports for all
            self.progress = lambda *_: None
        torch.manual_seed(options.seed)
        self.step = self.saved = 0
        self.seconds = 0.0
        self.best: dict[str, Any] = {}  # score, step and ema of the best validation
        self._epoch = -1

    config: Any  # of the network; its ``to_dict`` gives JSON-able data

    @property
    def architecture(self) -> dict[str, Any]:
        """The network as the checkpoint and the card have it."""
        return dict(self.config.to_dict())

    @property
    @abstractmethod
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """Networks and optimizers by name: what a checkpoint holds."""

    def begin(self) -> None:  # noqa: B027  (optional)
        """Initialise from data, in a run that isn't resumed."""

    def told(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options as they are written to the checkpoint and the card."""
        if "precision" in options:
            options["precision"] = "bf16" if self.half else "fp32"
        return options | {"validation": self.kept}

    def ready(self) -> None:  # noqa: B027  (optional)
        """Called once before the first step, in every run."""

    @abstractmethod
    def train_step(self) -> Tensor:
        """One step of the optimizers, ``self.step`` counted up; the losses (k,), of this process.

        It reads no number from the device: whoever does waits until that has done all its work,
        and then it waits for the next.
        """

    def judge(self) -> None:  # noqa: B027  (optional)
        """Called when the losses are read. Raises ValueError where going on makes no sense."""

    @property
    def passed(self) -> float:
        """The part of the run that is done; the run ends at 1."""
        return float(self.step / self.options.iterations)

    @property
    def written(self) -> int:
        """The step whose averaged weights are exported."""
        return int(self.best.get("step", self.step))

    @abstractmethod
    def message(self, losses: Losses) -> str:
        """The last losses in words. Raises ValueError where going on makes no sense."""

    @abstractmethod
    def validate(self, losses: Losses) -> tuple[dict[str, float | None], str]:
        """A line of the log, and the same in words."""

    def score(self, values: Mapping[str, float | None]) -> float | None:
        """How good the averaged weights are by a line of the log, more being better. None: that
        isn't known, and the last ones are exported."""
        return None

    def samples(self) -> Tensor | None:
        """Images (B, C, H, W) to look at, B a multiple of 8. Where it raises, the run goes on
        without them, and says why."""
        return None

    @abstractmethod
    def result(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """The tensors of the weights file, and what its card says beside the options."""
