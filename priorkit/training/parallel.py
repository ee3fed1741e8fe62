"""Processes that train one network together, as ``torchrun`` starts them.

    torchrun --nproc-per-node 2 -m priorkit.cli train glow --data faces.zip --out run

Each takes its share of every batch, gradients are averaged, and the first process alone writes:
the same options give the same run, whatever the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

__all__ = ["Team"]

PATIENCE = timedelta(hours=1)  # how long processes wait while the first one validates


@dataclass(frozen=True)
class Team:
    """The processes of a run: this one's number among all of them, and among this machine's."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def here(cls) -> Team:
        """The team that torchrun made this process a member of; else a team of one."""
        known = os.environ.get
        return cls(int(known("RANK", 0)), int(known("WORLD_SIZE", 1)), int(known("LOCAL_RANK", 0)))

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's part of a batch. Raises ValueError."""
        if batch % self.size:
            raise ValueError(
                f"batch is of all processes together, a multiple of {self.size} here; got {batch}"
            )
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    @contextmanager
    def together(self, device: torch.device) -> Iterator[None]:
        """Connect the processes: tensors on GPUs by NCCL, all others by Gloo."""
        if self.size == 1:
            yield
            return
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.agreed(0.0)

    def average(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all processes."""
        if self.size > 1:
            distributed.all_reduce(value)
            value = value / self.size
        return value

    def agreed(self, *values: float) -> list[float]:
        """The mean of each number over all processes, the same numbers in each. They are averaged
        by the processors, so that no device has to end its work first."""
        if self.size == 1:
            return list(values)
        found: list[float] = self.average(torch.tensor(values, dtype=torch.float64)).tolist()
        return found

    def spread(self, module: nn.Module, device: torch.device) -> nn.Module:
        """A module with the first process's weights, and gradients averaged over all processes."""
        if self.size == 1:
            return module
        devices = [device] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, devices, broadcast_buffers=False)
