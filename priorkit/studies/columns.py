"""The columns of a study's table that a run fills in; all others are settings.

Nothing is imported here, since the command line completes these names.
"""

from __future__ import annotations

__all__ = ["NUMBERS", "RESULT", "SCORES"]

SCORES = ("psnr", "ssim", "error", "within_90")  # where the truth is known
NUMBERS = (*SCORES, "misfit", "objective", "u_norm", "evaluations", "seconds")
RESULT = (*NUMBERS, "cell", "label", "version", "name", "status", "reason", "png", "image")
