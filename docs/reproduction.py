"""Write docs/reproduction.md from what ``priorkit reproduce`` left.

priorkit reproduce --all --quick --out FOLDER
python docs/reproduction.py FOLDER
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from pathlib import Path

import torch

from priorkit.cli.reproduce import scripts

ROOT = Path(__file__).parents[1]
HEAD = """# The paper, figure by figure

The claims of "Invertible generative models for inverse problems: mitigating representation error
and dataset bias" (Asim et al., ICML 2020) that its figures make and that can be counted, beside
what priorkit's weights give.

    priorkit reproduce --all --quick    # then: python docs/reproduction.py priorkit-figures

{machine}. A quick run takes three to six pictures and few settings, and m = 2,500 where the paper
has 5,000; `--full` takes the paper's. A difference is the mean over pictures of one recovery's PSNR
less the other's of the same picture, with its 95% interval (Student's t). It *holds* where all of
the interval is on the paper's side, *fails* where it is on the other, and is *undecided* else.
"Above" and its like stand where the authors published no numbers. The Lasso has priorkit's γ, the
best on validation faces; the authors' is in a section of its own.

The paper's Glow has 48 steps per level and 512 channels; `glow-celeba` has 8 steps, 64 to 192
channels and 9,500 training faces, `glow-birds` and `glow-flowers` have 5,732 and 7,865 training
pictures and short trainings.

**{holds} of {count} claims hold, {fails} fail, {open} are undecided.**
"""


def main() -> None:
    """Gather the claims of every script, in the order of the figures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "priorkit-figures")
    parts, verdicts = [], []
    for script in scripts():
        path = folder / f"{script.name}.json"
        if not path.exists():
            sys.exit(f"{path} is missing. Run: priorkit reproduce {script.name} --out {folder}")
        found = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"## {script.title}\n\nFigures {script.said.replace(' ', ', ')}: "
                     f"`priorkit reproduce {script.name} --{found['level']}`\n")  # fmt: skip
        parts += [f"{note}\n" for note in found.get("notes", [])]
        if not found["claims"]:
            continue
        parts.append("| claim | figure | paper | here | |\n|---|---|---|---|---|")
        for claim in found["claims"]:
            verdicts.append(claim["verdict"])
            cells = [claim[key] for key in ("claim", "figures", "paper", "ours", "verdict")]
            parts.append("| " + " | ".join(c.strip().replace("|", "\\|") for c in cells) + " |")
        parts.append("")
    cores = (
        f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__.split('+')[0]}"
    )
    head = HEAD.format(
        machine=f"Printed on {cores}, {datetime.date.today()}",
        count=len(verdicts),
        holds=verdicts.count("holds"),
        fails=verdicts.count("fails"),
        open=verdicts.count("undecided"),
    )
    target = ROOT / "docs" / "reproduction.md"
    target.write_text("\n".join([head, *parts]), encoding="utf-8")
    print(f"Wrote {target.relative_to(ROOT)}: {verdicts.count('holds')} of {len(verdicts)} hold")


if __name__ == "__main__":
    main()
