"""One training loop for every family: resumed, stepped, validated, saved, exported."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from priorkit.counted import counted
from priorkit.discovery import describe
from priorkit.io.files import write_atomic
from priorkit.io.folders import locked
from priorkit.training import output
from priorkit.training.family import Family
from priorkit.training.process import held, searching, without_denormals
from priorkit.training.tape import Losses, Tape

__all__ = ["Losses", "Recipe"]

# Options that may change when a run is resumed; the data are compared by their digest.
FREE = (
    "data", "out", "name", "licence", "device", "compile", "minutes", "every", "iterations",
    "within",
)  # fmt: skip
STALE = 300  # seconds of training that a run that is killed may lose
READ = 20  # steps between messages: only then are losses read, which waits for the device


class Recipe(Family):
    """A training run in ``options.out``, which continues where it was when started again.

    A family of networks has a subclass of its own, see :class:`.family.Family` for what it gives.

    The first Ctrl-C or SIGTERM ends the run after the present step, with a checkpoint; a second one
    ends it at once, with the last checkpoint. Exported are the averaged weights, ``parts["ema"]``,
    as they were at the validation with the highest :meth:`score`. Raises ValueError where less than
    one batch is left, the device isn't there, ``out`` can't be used for it, several processes can't
    share the work, or weights are no longer finite.
    """

    def run(self) -> Path | None:
        """Train; the weights file, or None if ``options.minutes`` ran out first."""
        alone = locked(self.out) if self.team.leads else nullcontext()
        with (
            self.team.together(self.device),
            alone,
            held() as asked,
            without_denormals(),
            searching(self.device),
        ):
            if self.team.leads:
                if not self._resume():
                    self.begin()
                    self._save()
                self._tell_skipped()
            self.team.wait()
            if not self.team.leads and not self._resume():
                raise ValueError(f"{self.out} must be one folder for all processes")
            self.ready()
            self._train(asked)
            path = self._export() if self.passed >= 1 and self.team.leads else None
            self.team.wait()
            return path

    def _train(self, asked: Callable[[], bool]) -> None:
        o = self.options
        started, before = time.monotonic(), self.seconds
        saved = before
        tape = Tape(self.team, o.batch)
        while self.passed < 1:
            tape.add(self.train_step())
            if tell := self.step % READ == 0:
                tape.read()
                self.judge()
            now = time.monotonic() - started
            late = bool(o.minutes) and now > 60 * o.minutes
            self.seconds, *flags = self.team.agreed(before + now, float(late), float(asked()))
            over, stop = (flag > 0 for flag in flags)
            if tell or not tape.counting:  # from the end of the first step, which may compile
                pace = tape.pace(self.step, self.seconds)
            if tell:
                self._tell(self.message(tape.losses[-READ:]) + pace)
            due = self.step % o.every == 0 or self.passed >= 1
            kept = due or over or stop or (tell and self.seconds - saved > STALE)
            if kept:  # what was learned
                self._require_finite()
                saved = self.seconds
            if due:
                tape.read()
                self.judge()
                if self.team.leads:
                    self._validate(tape.losses)
                tape.clear()
            if kept and self.team.leads:
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
            self._tell(
                f"{counted(len(self.skipped), 'files')} left out, listed in skipped.json: {few}\n"
            )

    def _tell(self, words: str) -> None:
        """Report progress; the number of steps in all is estimated where it isn't fixed."""
        total = round(self.step / self.passed) if self.passed else int(self.options.iterations)
        self.progress(self.step, max(self.step, total), words)

    def indices(self) -> list[int]:
        """The examples of the present step. An epoch has each of them once, in a new order."""
        o = self.options
        epoch, position = divmod(self.step * o.batch, self.train_size - self.train_size % o.batch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([o.seed, epoch]).permutation(self.train_size)
        return list(self._order[position : position + o.batch].tolist())

    def _validate(self, losses: Losses) -> None:
        values, words = self.validate(losses)
        output.log_line(self.out, step=self.step, **values, seconds=round(self.seconds))
        self._tell(f"{words}\n")
        if (score := self.score(values)) is not None:
            if not score > -math.inf:
                raise self._diverged("the validation is")
            if score > self.best.get("score", -math.inf):
                ema = {k: v.clone() for k, v in self.parts["ema"].state_dict().items()}
                self.best = {"score": score, "step": self.step, "ema": ema}
        try:
            x = self.samples()
        except Exception as error:  # pictures to look at: what was learned is kept without them
            self._tell(f"no samples at step {self.step}: {describe(error)}\n")
            return
        if x is not None:
            output.mosaic(x, self.out / f"samples-{self.step:06d}.png")

    def _save(self) -> None:
        state = {"step": self.step, "seconds": self.seconds, "settings": self._settings()}
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        output.save_checkpoint(self.out, state | parts | {"best": self.best})
        self.saved = self.step

    def _require_finite(self) -> None:
        for name, part in self.parts.items():
            if isinstance(part, nn.Module) and output.not_finite(part.state_dict()):
                raise self._diverged(f"the weights ({name}) are")

    def _diverged(self, what: str) -> ValueError:
        kept = f"; the same with iterations {self.saved} writes the best weights so far"
        return ValueError(
            f"{what} no longer finite at step {self.step}: begin again with a smaller rate in "
            f"another folder{kept if self.best else ''}"
        )

    def _settings(self) -> dict[str, Any]:
        """What must be the same when a run is resumed, as JSON-able data."""
        given = self.told({k: v for k, v in asdict(self.options).items() if k not in FREE})
        settings = {"architecture": self.architecture, "data": self.digest, **given}
        return dict(json.loads(json.dumps(settings)))

    def _resume(self) -> bool:
        state = output.load_checkpoint(self.out, self._settings(), self.device)
        if state is None:
            return False
        try:
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            self.saved, self.best = self.step, dict(state.get("best", {}))
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"The checkpoint in {self.out} lacks something: {error}") from error
        output.prune_log(self.out, self.step)
        return True

    def _export(self) -> Path:
        if self.written < self.step:
            self._tell(f"validation was best at step {self.written}, whose weights are written\n")
        if self.best:
            self.parts["ema"].load_state_dict(self.best["ema"])
        o, (tensors, more) = self.options, self.result()
        here = ("data", "out", "minutes")
        training = self.told({k: v for k, v in asdict(o).items() if k not in here})
        data = {"data": Path(o.data).name, "data_sha256": self.digest, "examples": self.train_size}
        about = {**data, "licence": o.licence, **more, "step": self.written, "training": training}
        path, told = self.out / f"{o.name}.safetensors", self.architecture
        return output.write_weights(
            path, tensors, family=self.family, architecture=told, about=about
        )
