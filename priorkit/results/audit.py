"""What an audit found: its numbers, and the folder and the notebook that show them."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from priorkit.draw.svg import standalone
from priorkit.draw.tiles import png
from priorkit.io.files import write_atomic
from priorkit.io.folders import replacing
from priorkit.io.saved import number
from priorkit.results import audit_page
from priorkit.results.finding import PARTS, Finding, Recoveries
from priorkit.results.tally import Cells
from priorkit.settings.called import called_as

__all__ = ["Audit"]


@dataclass(repr=False)
class Audit:
    """What :func:`audit` found, a :class:`Finding` per prior and group, and the recoveries;
    ``interrupted`` where Ctrl-C ended it before it had all."""

    findings: list[Finding]
    recoveries: Recoveries
    interrupted: bool = False

    def __repr__(self) -> str:
        priors, groups = (dict.fromkeys(pair[k] for pair in self.recoveries) for k in (0, 1))
        return f"<Audit: {', '.join(priors)} on {', '.join(groups)}>"

    @property
    def skipped(self) -> dict[str, str]:
        """Files of the groups that were left out, with the reason."""
        return {k: v for found in self.recoveries.values() for k, v in found.skipped.items()}

    def table(self) -> list[dict[str, Any]]:
        """A dict per finding; None of a number that isn't known, or is infinite."""
        return [
            {k: number(v) if isinstance(v, float) else v for k, v in asdict(finding).items()}
            for finding in self.findings
        ]

    def cells(self) -> Cells:
        """The table as text: a head, and a row per finding."""
        head = ["prior", "group", "pictures", "PSNR", "error", "±", *PARTS]
        rows = []
        for f in self.findings:
            parts = [f"{getattr(f, part):.2e}" for part in PARTS]
            spread = "—" if math.isnan(f.standard_error) else f"{f.standard_error:.0e}"
            psnr = "—" if math.isnan(f.psnr) else f"{f.psnr:.2f}"
            numbers = [psnr, f"{f.error:.2e}", spread, *parts]
            rows.append([f.prior, f.group, str(f.pictures), *numbers])
        return head, rows

    def grid(self) -> Any:
        """A PIL image: of each group a row of truths, then one of recoveries per prior."""
        return audit_page.grid(self.recoveries)

    def _repr_html_(self) -> str:
        return audit_page.fragment(self.findings, self.recoveries, self.cells())

    @called_as('audit.save("results")')
    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write audit.csv, audit.json, audit.svg, grid.png and report.html into a folder."""
        place = Path(folder)
        with replacing(place, cut=self.interrupted) as stage:
            rows = self.table()
            text = io.StringIO()
            writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_atomic(stage / "audit.csv", text.getvalue().encode())
            write_atomic(stage / "audit.json", json.dumps(rows, indent=2).encode())
            write_atomic(stage / "audit.svg", standalone(audit_page.bars(self.findings)))
            write_atomic(stage / "grid.png", png(self.grid()))
            page = audit_page.page(self.findings, self.recoveries, self.cells())
            write_atomic(stage / "report.html", page)
        return place
