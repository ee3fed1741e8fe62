"""One training loop for every family: resumed, stepped, validated, saved, exported."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from priorkit.io.files import write_atomic
from priorkit.io.folders import locked
from priorkit.training import output
from priorkit.training.options import Progress, device_of, print_progress
from priorkit.training.parallel import Team
from priorkit.training.process import held, without_denormals

if TYPE_CHECKING:
    from priorkit.io.weights import Weights

__all__ = ["MaximumLikelihood", "Recipe", "average"]

Losses = list[tuple[float, ...]]

# Options that a run may change when it goes on; the data are compared by what is in them.
FREE = ("data", "out", "name", "licence", "device", "minutes", "every", "iterations")


class Recipe(ABC):
    """A training run in ``options.out``, which continues where it was when started again.

    A family gives its networks, its step, what it validates, and its card. Options that every
    recipe has: data, out, name, validation, batch, iterations, every, minutes, seed, licence,
    device.

    Parameters
    ----------
    options : a dataclass of options, see :mod:`priorkit.training.options`
    progress : called with step, total and a message; one that ends in a newline stays
    examples : how many there are; the last ``options.validation`` are not trained on
    digest : sha256 of the examples: a run goes on with those that it began with
    skipped : files that aren't used, with the reason, to be told

    Ctrl-C waits for the end of a step, saves and stops; a second one, like any other end, leaves
    the last checkpoint. Raises ValueError where less than one batch is left, the device isn't
    there, ``out`` isn't a folder for it, or several processes can't share the work.
    """

    family: ClassVar[str]
    parallel: ClassVar[bool] = False  # whether several processes may train it together

    def __init__(
        self,
        options: Any,
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
        self.progress = (progress or print_progress) if self.team.leads else _silent
        self.device = device_of(options.device, self.team.local_rank)
        self.share = self.team.share(options.batch)  # of every batch, what is this process's
        self.train_size = examples - options.validation
        if self.train_size < options.batch:
            raise ValueError(
                f"{examples} examples less {options.validation} for validation leave fewer than "
                f"one batch of {options.batch}: try a smaller --validation or --batch"
            )
        self.out, self.digest, self.skipped = Path(options.out), digest, skipped
        if self.team.leads:
            output.claim(self.out, Path(options.data))
        torch.manual_seed(options.seed)
        self.step = 0
        self.seconds = 0.0
        self._epoch = -1

    # --- what a family gives ------------------------------------------------------

    config: Any  # of the network; its ``to_dict`` gives JSON-able data

    @property
    def architecture(self) -> dict[str, Any]:
        """For the checkpoint and the card."""
        found: dict[str, Any] = self.config.to_dict()
        return found

    @property
    @abstractmethod
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """Networks and optimizers by name: what a checkpoint holds."""

    def begin(self) -> None:  # noqa: B027  (optional)
        """Initialise from data, in a run that isn't resumed."""

    def told(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options as a checkpoint and a card have them."""
        return options

    def ready(self) -> None:  # noqa: B027  (optional)
        """Called once before the first step, in every run."""

    @abstractmethod
    def train_step(self) -> tuple[float, ...]:
        """One step of the optimizers, ``self.step`` counted up; the losses."""

    @abstractmethod
    def message(self, losses: Losses) -> str:
        """The last losses in words. Raises ValueError where going on makes no sense."""

    @abstractmethod
    def validate(self, losses: Losses) -> tuple[dict[str, float | None], str]:
        """A line of the log, and the same in words."""

    def samples(self) -> Tensor | None:
        """Images (B, C, H, W) to look at, B a multiple of 8."""
        return None

    @abstractmethod
    def result(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """The tensors to be shipped, and what their card says beside the options."""

    # --- the loop -------------------------------------------------------------------

    def run(self) -> Path | None:
        """Train; the weights file, or None if ``options.minutes`` ran out first."""
        with self.team.together(self.device), self._alone(), held() as asked, without_denormals():
            if self.team.leads:
                self._tell_skipped()
                if not self._resume():
                    self.begin()
                    self._save()
            self.team.wait()
            if not self.team.leads and not self._resume():
                raise ValueError(f"{self.out} must be one folder for all processes")
            self.ready()
            self._train(asked)
            done = self.step >= self.options.iterations
            path = self._export() if done and self.team.leads else None
            self.team.wait()
            return path

    def _alone(self) -> AbstractContextManager[None]:
        """The folder is the first process's while it writes."""
        return locked(self.out) if self.team.leads else nullcontext()

    def _train(self, asked: Callable[[], bool]) -> None:
        o = self.options
        started, before = time.monotonic(), self.seconds
        losses: Losses = []
        while self.step < o.iterations:
            losses.append(self.train_step())
            self.seconds = before + time.monotonic() - started
            if self.step % 20 == 0:
                self.progress(self.step, o.iterations, self.message(losses[-20:]))
            late = bool(o.minutes) and time.monotonic() - started > 60 * o.minutes
            over, stop = self.team.any(late, self.device), self.team.any(asked(), self.device)
            if self.team.leads:
                if self.step % o.every == 0 or self.step == o.iterations:
                    self._validate(losses)
                    losses.clear()
                    self._save()
                elif over or stop:  # what was learned is kept
                    self._save()
            if stop:
                raise KeyboardInterrupt
            if over:
                break

    def _tell_skipped(self) -> None:
        if self.skipped:
            listing = json.dumps(dict(self.skipped), indent=1)
            write_atomic(self.out / "skipped.json", listing.encode())
            few = "; ".join(f"{name}: {why}" for name, why in list(self.skipped.items())[:3])
            words = f"{len(self.skipped)} files left out, listed in skipped.json: {few}"
            self.progress(0, self.options.iterations, f"{words}\n")

    def indices(self) -> list[int]:
        """The examples of the present step, each once an epoch in an order of its own."""
        o = self.options
        epoch, position = divmod(self.step * o.batch, self.train_size - self.train_size % o.batch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([o.seed, epoch]).permutation(self.train_size)
        found: list[int] = self._order[position : position + o.batch].tolist()
        return found

    def _validate(self, losses: Losses) -> None:
        values, words = self.validate(losses)
        output.log_line(self.out, step=self.step, **values, seconds=round(self.seconds))
        self.progress(self.step, self.options.iterations, f"{words}\n")
        x = self.samples()
        if x is not None:
            output.mosaic(x, self.out / f"samples-{self.step:06d}.png")

    def _save(self) -> None:
        state = {"step": self.step, "seconds": self.seconds, "settings": self._settings()}
        output.save_checkpoint(
            self.out, state | {name: part.state_dict() for name, part in self.parts.items()}
        )

    def _settings(self) -> dict[str, Any]:
        """What a run that goes on must share with what it was, as JSON-able data."""
        given = self.told({k: v for k, v in asdict(self.options).items() if k not in FREE})
        settings = {"architecture": self.architecture, "data": self.digest, **given}
        found: dict[str, Any] = json.loads(json.dumps(settings))
        return found

    def _resume(self) -> bool:
        state = output.load_checkpoint(self.out, self._settings(), self.device)
        if state is None:
            return False
        try:
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"The checkpoint in {self.out} lacks something: {error}") from error
        output.prune_log(self.out, self.step)
        return True

    def _export(self) -> Path:
        o = self.options
        tensors, about = self.result()
        here = ("data", "out", "minutes")
        options = self.told({k: v for k, v in asdict(o).items() if k not in here})
        return output.write_weights(
            self.out / f"{o.name}.safetensors",
            dict(tensors),
            family=self.family,
            architecture=self.architecture,
            about={"data": Path(o.data).name, "licence": o.licence, **about, "training": options},
        )


def _silent(step: int, total: int, message: str) -> None:
    """The progress of a process that another one reports for."""


class _MeanLoss(nn.Module):
    """The mean loss of a batch as a module, which is what can be spread over processes."""

    def __init__(self, net: nn.Module, loss: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.loss = net, loss

    def forward(self, x: Tensor) -> Tensor:
        """−log p, its mean over the examples x (B, …)."""
        return self.loss(self.net, x).mean()


class MaximumLikelihood(Recipe):
    """Adam on a mean loss, with warm-up and linear decay, and an average of the weights.

    Further options: rate, warmup, decay, ema, and init, a path of weights to begin with. A step
    without a finite gradient is left out; after 100 in a row the run stops with ValueError.
    """

    unit: str = "bits/dim"
    parallel = True
    _spread: nn.Module | None = None

    def adopt(self, net: nn.Module, ema: nn.Module) -> None:
        """Take the network, and another one of its kind for the average.

        Raises WeightsError where the weights of ``options.init`` can't be read, ValueError where
        they are of another architecture.
        """
        self.net, self.ema = net, ema.requires_grad_(False)
        self.adam = torch.optim.Adam(net.parameters(), lr=self.options.rate, fused=True)
        self.barren = 0  # steps in a row without a finite gradient
        self.origin = self._read(self.options.init) if self.options.init else None

    def _read(self, path: str) -> Weights:
        from priorkit.io.weights import read  # which a run without --init, on a bare machine, lacks

        found = read(path)
        theirs = {"family": found.card.family, **found.card.architecture}
        ours = {"family": self.family, **json.loads(json.dumps(self.architecture))}
        for name, mine in ours.items():
            if theirs.get(name) != mine:
                raise ValueError(
                    f"--init has another {name}: {theirs.get(name)}, not {mine}. "
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
        """Of weights to begin with, what they are and not where."""
        card = None if self.origin is None else self.origin.card
        return options | {"init": card and f"{card.name}, sha256 {card.sha256}"}

    @abstractmethod
    def batch(self) -> Tensor:
        """This process's ``share`` of the examples of the present step, on the device."""

    @abstractmethod
    def loss(self, net: Any, x: Tensor) -> Tensor:
        """−log p in ``unit`` per example, (B,)."""

    @abstractmethod
    def validation_loss(self) -> float:
        """Mean loss of the averaged network on the validation examples, the same noise every
        time; NaN without any."""

    @property
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"net": self.net, "ema": self.ema, "adam": self.adam}

    def train_step(self) -> tuple[float, ...]:
        o = self.options
        x = self.batch()
        for group in self.adam.param_groups:
            group["lr"] = o.rate * self._schedule()
        self.adam.zero_grad(set_to_none=True)
        if self._spread is None:
            self._spread = self.team.spread(_MeanLoss(self.net, self.loss), self.device)
        loss = self._spread(x)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.step += 1
        self.barren = 0 if bool(torch.isfinite(norm)) else self.barren + 1
        if self.barren >= 100:
            raise ValueError("100 steps in a row had no finite gradient: try a smaller --rate")
        if not self.barren:  # one bad batch costs one step, not the run
            self.adam.step()
            average(self.ema, self.net, o.ema, self.step)
        return (float(self.team.average(loss.detach())),)

    def _schedule(self) -> float:
        o = self.options
        left = (o.iterations - self.step) / max(1.0, o.decay * o.iterations)
        return float(min((self.step + 1) / max(1, o.warmup), left, 1.0))

    def message(self, losses: Losses) -> str:
        return f"{np.mean(losses):.3f} {self.unit}"

    def validate(self, losses: Losses) -> tuple[dict[str, float | None], str]:
        found = self.validation_loss()
        values = {
            "train": float(np.mean(losses)),
            "validation": None if math.isnan(found) else found,
        }
        return values, f"validation {found:.4f} {self.unit}"


def average(ema: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the present ones; faster while there are few steps."""
    keep = min(decay, (1 + step) / (10 + step))
    pairs = zip(ema.parameters(), net.parameters(), strict=True)
    averages, currents = zip(*pairs, strict=True)
    torch._foreach_lerp_(list(averages), [p.detach() for p in currents], 1 - keep)
