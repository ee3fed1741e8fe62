"""Add the weights that priorkit ships to a bill of materials.

    python docs/bom.py dist/priorkit.cdx.json

Reads and writes CycloneDX 1.6 as JSON: a component for every file of weights, with its sha256, the
terms of its data and what it was trained on, from its card.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from priorkit.io.weights import read

ROOT = Path(__file__).parents[1]


def main(path: Path) -> None:
    """Add them to the file; those that it has already are replaced."""
    bill = json.loads(path.read_text(encoding="utf-8"))
    own = weights()
    names = {component["bom-ref"] for component in own}
    others = [c for c in bill.get("components", []) if c.get("bom-ref") not in names]
    bill["components"] = [*others, *own]
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Added {len(own)} files of weights to {path}")


def weights() -> list[dict[str, Any]]:
    """The components, sorted by name."""
    paths = ROOT.glob("plugins/*/weights/**/*.safetensors")
    return [_component(path) for path in sorted(paths, key=lambda path: path.stem)]


def _component(path: Path) -> dict[str, Any]:
    card = read(path).card
    return {
        "type": "machine-learning-model",
        "bom-ref": f"weights:{card.name}",
        "name": card.name,
        "description": f"Trained on {card.data}",
        "hashes": [{"alg": "SHA-256", "content": card.sha256}],
        "licenses": [{"license": {"name": card.licence}}],
        "properties": [
            {"name": "priorkit:file", "value": path.relative_to(ROOT).as_posix()},
            {"name": "priorkit:in-wheel", "value": str(not card.where).lower()},
        ],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
