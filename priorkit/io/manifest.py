"""What priorkit wrote in a folder: its ``manifest.json`` lists every file, its sha256 and size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from priorkit.errors import BadInputError
from priorkit.io.files import file_sha256, write_atomic

__all__ = [
    "MANIFEST",
    "PARTS",
    "PLAN",
    "is_whole",
    "lacking",
    "list_files",
    "listed_in",
    "of_an_engine",
    "verify",
]

MANIFEST = "manifest.json"
PLAN, PARTS = "plan.json", "parts"  # in place of it where a run is of parts
CUT = "cut_short"  # in the manifest of a run that Ctrl-C or an error ended
SIZES = "bytes"  # of each file, in a manifest: what is missing is found without reading any


def list_files(folder: Path, known: Mapping[str, str], *, cut: bool) -> None:
    """Write the manifest: every file in the folder, its size, and its sha256, read where it isn't
    ``known`` by the file's name there; and whether they are of a run that was ``cut`` short."""
    files = {
        name: known.get(name) or file_sha256(folder / name)
        for name in sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
    }
    about: dict[str, Any] = {"made_by": "priorkit"} | ({CUT: True} if cut else {})
    sizes = {name: (folder / name).stat().st_size for name in files}
    made = about | {"files": files, SIZES: sizes}
    write_atomic(folder / MANIFEST, json.dumps(made, indent=1).encode())


def listed_in(folder: Path) -> dict[str, str] | None:
    """What priorkit wrote in a folder; None where the folder isn't its own.

    Paths in the manifest that lead out of the folder are left out.
    """
    found = _read(folder)
    if found is None:
        return None
    files = {str(name): str(digest) for name, digest in found["files"].items()}
    inside: dict[str, str] = {}
    for name, digest in files.items():
        with suppress(OSError, ValueError):  # names that no file can have
            path = folder / name
            plain = path.is_file() and not path.is_symlink()
            if plain and path.resolve().is_relative_to(folder.resolve()):
                inside[name] = digest
    return inside


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a result of priorkit's that wasn't cut short."""
    found = _read(folder)
    return found is not None and not found.get(CUT)


def lacking(folder: Path) -> list[str]:
    """The files of a folder of priorkit's that aren't there, or are of another size than when they
    were written, known without reading them; the manifest itself where that isn't there."""
    found = _read(folder)
    if found is None:
        return [MANIFEST]
    noted = found.get(SIZES)
    sizes: dict[str, Any] = noted if isinstance(noted, dict) else {}  # those before had none
    there: dict[str, int] = {}
    for name in found["files"]:
        with suppress(OSError, ValueError):
            there[name] = (folder / name).stat().st_size
    return [n for n in found["files"] if n not in there or there[n] != sizes.get(n, there[n])]


def of_an_engine(folder: Path) -> bool:
    """Whether a folder holds a run in parts, each of which is a result of its own."""
    return (folder / PLAN).is_file() and (folder / PARTS).is_dir()


def _read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder that is priorkit's own, else None."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        ours = found["made_by"] == "priorkit" and isinstance(found["files"], dict)
        return dict(found) if ours else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def verify(folder: Path, names: Iterable[str]) -> None:
    """Raise BadInputError where a file isn't what the manifest of its folder says."""
    listed = listed_in(folder) or {}
    for name in names:
        if name in listed and file_sha256(folder / name) != listed[name]:
            raise BadInputError(f"{folder / name} has changed since it was written.")
