"""Weights by their name: in the cache, or from a hub.

A name is looked for as a path, among the shipped weights, in the cache, and on the hub, in
that order. This is the only file that touches the network, and only for a hub that the
user has named in ``PRIORKIT_HUB``.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path

from priorkit.errors import WeightsError
from priorkit.io.files import write_atomic
from priorkit.io.weights import MAX_CARD, MAX_WEIGHTS, Weights, card_in, read

__all__ = ["cache_dir", "elsewhere", "find"]


def find(name: str) -> Weights | None:
    """Weights of that name in the cache, or from the hub where one is set; else None."""
    plain = name and name[0] != "." and all(c.isalnum() or c in "-_." for c in name)
    cached = cache_dir() / "weights" / f"{name}.safetensors"
    if plain and (os.path.exists(cached) or _download(name, cached)):
        return read(cached)
    return None


def elsewhere(card_path: Path) -> WeightsError:
    """The error for weights that were left out where their card is: where they are, and how they
    were trained."""
    card = card_in(card_path.read_bytes(), str(card_path))
    there = f": they are in {card.where}" if card.where else ""
    train = f"priorkit train {card.family} --data FOLDER --out FOLDER --name {card.name}"
    return WeightsError(
        f"The weights {card.name!r} don't come with what is installed{there}.",
        got=f"their card alone, {card_path}",
        try_=f"{card.name}.safetensors from there and this card, both in "
        f"{cache_dir() / 'weights'}; or train them as the card says: {train}",
    )


def cache_dir() -> Path:
    """``PRIORKIT_CACHE_DIR``, or ``~/.cache/priorkit``."""
    return Path(os.environ.get("PRIORKIT_CACHE_DIR") or Path.home() / ".cache" / "priorkit")


def _download(name: str, target: Path) -> bool:
    """Fetch NAME.json and NAME.safetensors from the hub; whether it has them.

    The weights are written last: a pair of files is known by them.
    """
    hub = os.environ.get("PRIORKIT_HUB", "").rstrip("/")
    if not hub or os.environ.get("PRIORKIT_OFFLINE", "") not in ("", "0"):
        return False
    base = f"{hub}/{urllib.parse.quote(name)}"
    card_data = _fetch(f"{base}.json", MAX_CARD)
    if card_data is None:
        return False
    card = card_in(card_data, f"{base}.json")
    data = _fetch(f"{base}.safetensors", MAX_WEIGHTS)
    if data is None:
        raise WeightsError(f"The hub has a card for {name!r} but no weights.", got=hub)
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise WeightsError(f"What the hub sent for {name!r} is not what its card describes.")
    write_atomic(target.with_suffix(".json"), card_data)
    write_atomic(target, data)
    return True


def _fetch(url: str, limit: int) -> bytes | None:
    """The body of a URL, None for 404."""
    if not url.startswith(("https://", "http://")):
        raise WeightsError("PRIORKIT_HUB must be an http or https address.", got=url)
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            body: bytes = response.read(limit + 1)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise WeightsError(f"The hub refused {url}.", got=str(error)) from error
    except (OSError, ValueError, HTTPException) as error:
        raise WeightsError(
            f"The hub can't be reached: {url}.", got=str(error), try_="PRIORKIT_OFFLINE=1"
        ) from error
    if len(body) > limit:
        raise WeightsError(f"{url} is larger than {limit} bytes.")
    return body
