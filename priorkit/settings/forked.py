"""Processes that were forked: the threads of OpenMP don't survive, and waiting for them hangs."""

from __future__ import annotations

import logging
import os

import torch

__all__ = ["use_one_thread_in_a_fork"]

log = logging.getLogger("priorkit")

_home = os.getpid()  # where torch was loaded, and may have started its threads


def use_one_thread_in_a_fork() -> None:
    """In a process that was forked from the one that loaded torch, compute with one thread.

    torch.set_num_threads of more waits for ever, where the other process had computed before.
    """
    global _home
    if _home == os.getpid():
        return
    _home = os.getpid()
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        log.warning(
            "This process was forked from one that had loaded torch, whose threads don't survive "
            "that: it computes with one. Processes of multiprocessing.get_context('spawn') have "
            "all of theirs."
        )
