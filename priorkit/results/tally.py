"""The numbers of a comparison: a table for machines, one for people, and a narrow one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from priorkit.io.saved import number
from priorkit.results.contender import Contender

__all__ = ["Cells", "brief", "cells", "summary"]

Cells = tuple[list[str], list[list[str]]]  # a head, and rows, as text

# What a column of numbers is called, its key in the table, and how it is written.
KNOWN = (
    ("PSNR", "psnr", ".2f"),
    ("expected", "expected_psnr", ".2f"),
    ("of restarts", "mean_psnr", ".2f"),
    ("SSIM", "ssim", ".3f"),
    ("error", "error", ".2e"),
    ("within 90%", "within_90", ".0%"),
    ("evaluations", "evaluations", ".0f"),
    ("seconds", "seconds", ".1f"),
    ("PSNR at T", "psnr_at", ".2f"),
    ("T", "equal_seconds", ".1f"),
)
MEASURED = (  # where nobody knows the truth
    ("misfit", "misfit", ".4g"),
    ("of noise alone", "noise", ".4g"),
    ("expected PSNR", "expected_psnr", ".2f"),
    ("evaluations", "evaluations", ".0f"),
    ("seconds", "seconds", ".1f"),
)
NOTHING = ("", "—")


def summary(row: Contender, equal: float) -> dict[str, Any]:
    """Means over the images of what is known of a row, or its reason; ``equal`` is T. ``m`` is that
    of the operator, also where all rows have the same one."""
    status = "interrupted" if row.interrupted else "done"
    head: dict[str, Any] = {"prior": row.label, "m": _m(row), "status": status}
    found = row.recovery
    if found is None or row.reason is not None:
        return head | {"status": "none" if found is None else "failed", "reason": row.reason}
    known = found.truth is not None
    scores = (
        ("psnr", "expected_psnr", "mean_psnr", "ssim", "error", "within_90")
        if known
        else ("expected_psnr",)
    )
    for name in scores:
        score = getattr(found, name)
        head[name] = None if score is None else number(score.mean())
    head |= {
        "misfit": number(found.misfit.mean()),
        "noise": number(found.noise_misfit.mean()) if found.noise.known else None,
        "evaluations": sum(found.evaluations) / len(found.evaluations),
        "unit": found.record["unit"],
        "seconds": number(row.seconds),
    }
    if not known:
        misfits = [number(v) for v in found.misfit]
        head |= {"misfits": misfits, "explained": all(found.explained)}
        return head | {"doubts": list(found.doubted)}
    reached = None if math.isnan(equal) else row.psnr_at(equal)
    return head | {
        "psnr_at": None if reached is None else number(reached),
        "equal_seconds": number(equal),
        "per_image": [] if found.psnr is None else [number(v) for v in found.psnr],
    }


def _m(row: Contender) -> int | None:
    """The number of measurements, of several or as the operator was given it."""
    if row.m is not None or row.recovery is None:
        return row.m
    op = row.recovery.record["config"]["op"]
    return op.get("m") if isinstance(op, dict) else None


def cells(table: Sequence[dict[str, Any]], *, known: bool) -> Cells:
    """The table as text: a head, and a row of as many cells per prior and m; ``known``: whether
    the truth is.

    Only what somebody knows is shown, and the mean PSNR of restarts where there are any.
    """
    keys = {key for row in table for key, value in row.items() if value is not None}
    if all(row.get("mean_psnr") == row.get("psnr") for row in table):
        keys.discard("mean_psnr")
    columns = [column for column in (KNOWN if known else MEASURED) if column[1] in keys]
    one = all(row["m"] is None for row in table)  # then nothing is said of it
    units = {row["unit"] for row in table if "unit" in row}
    # What solvers count is evaluations of the objective, unless all count the same otherwise.
    counts = {"evaluations": units.pop()} if len(units) == 1 else {}
    rows = []
    for row in table:
        label = row["prior"] + (" (interrupted)" if row["status"] == "interrupted" else "")
        label += f" ({', '.join(doubts)})" if (doubts := row.get("doubts")) else ""
        values = [(row.get(key), form) for _, key, form in columns]
        told = ["—" if value is None else format(value, form) for value, form in values]
        if "reason" in row:
            told = ["—", *[""] * (len(told) - 1)][: len(told)]
        rows.append([label, *([] if one else ["—" if row["m"] is None else str(row["m"])]), *told])
    return [
        "prior",
        *([] if one else ["m"]),
        *(counts.get(head, head) for head, _, _ in columns),
    ], rows


def brief(head: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Cells, list[str]]:
    """The same table without what says nothing, for a narrow place: columns that are empty, and the
    error where there is its PSNR; and in words what all rows with a result have in common.

    >>> brief(["prior", "m", "PSNR"], [["dct", "90", "20"], ["none", "90", "21"]])
    ((['prior', 'PSNR'], [['dct', '20'], ['none', '21']]), ['m 90'])
    """
    first = 2 if "m" in head else 1
    done = [any(cell not in NOTHING for cell in row[first:]) for row in rows]
    kept, common = [0], []
    psnrs = "PSNR" in head and any(row[head.index("PSNR")] not in NOTHING for row in rows)
    for k in range(1, len(head)):
        column = [
            row[k] for row, own in zip(rows, done, strict=True) if own or row[k] not in NOTHING
        ]
        told = set(column)
        if told <= set(NOTHING) or (psnrs and head[k] == "error"):
            continue
        if len(told) == 1 < sum(done):
            common.append(f"{head[k]} {column[0]}")
        else:
            kept.append(k)
    return ([head[k] for k in kept], [[row[k] for k in kept] for row in rows]), common
