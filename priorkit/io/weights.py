"""Weights: safetensors with a JSON card beside them, verified before they are used."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from priorkit.counted import a_or_an
from priorkit.deprecated import moved
from priorkit.errors import WeightsError
from priorkit.io.files import json_sha256
from priorkit.io.places import near

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MAX_CARD", "MAX_WEIGHTS", "Card", "Weights", "card_in", "read", "restore"]

M = TypeVar("M", bound=BaseModel)

MAX_CARD = 1 << 20
MAX_WEIGHTS = 4 << 30
FILLS = ("constant_", "fill_", "normal_", "ones_", "trunc_normal_", "uniform_", "zero_", "zeros_")
MAX_MADE = 4  # tensors that are made while a network is built, per parameter; ours make two


class Card(BaseModel):
    """What a weights file is: its architecture, its data and terms, and their checksums."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    family: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)
    architecture: dict[str, Any]
    architecture_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    range: tuple[float, float] = (0.0, 1.0)
    data: str = ""
    licence: str = ""
    where: str = ""  # they are, if what is installed has the card alone
    bits_per_dim: float | None = None
    parameters: int | None = None
    defaults: dict[str, Any] = {}

    def default(self, name: str, kind: type[M], path: Path) -> M | None:
        """The table of ``defaults`` of that name, checked; None where there is none.

        Raises WeightsError, naming the weights at ``path``, for one that isn't as it should be.
        """
        table = self.defaults.get(name)
        try:
            return None if table is None else kind.model_validate(table)
        except ValidationError as error:
            raise WeightsError(
                f"The {name} table on the card of {path} is not valid.", got=_complaint(error)
            ) from error


@dataclass(frozen=True)
class Weights:
    """A weights file and its card."""

    path: Path
    card: Card

    def load(self) -> dict[str, Tensor]:
        """The tensors, on the CPU, after the checksum of the card was verified.

        Raises WeightsError where the file is missing, truncated or not what the card says.
        """
        from safetensors.torch import load

        if not os.path.isfile(self.path):
            raise WeightsError(f"There is no weights file {self.path}.")
        if self.path.stat().st_size > MAX_WEIGHTS:
            raise WeightsError(f"{self.path} is larger than {MAX_WEIGHTS >> 30} GiB.")
        data = self.path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.card.sha256:
            raise WeightsError(
                f"{self.path} is not the file that its card describes: it is damaged or was "
                f"changed (sha256 {digest[:12]}…, card says {self.card.sha256[:12]}…).",
                try_="copy or download both files again",
            )
        try:
            return load(data)
        except Exception as error:  # safetensors raises several kinds
            raise WeightsError(
                f"{self.path} is not a safetensors file.", got=str(error)[:200]
            ) from error


def read(path: str | os.PathLike[str]) -> Weights:
    """The weights at a path ``NAME.safetensors`` with ``NAME.json`` beside it.

    The tensors themselves are read, and verified, by :meth:`Weights.load`.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise WeightsError(f"There is no weights file {path}.", try_=near(path, (".safetensors",)))
    if path.suffix != ".safetensors":
        raise WeightsError(
            "Weights are .safetensors files with a card beside them.",
            got=str(path),
            try_="a plugin's importer for other checkpoints: see priorkit --help",
        )
    card_path = path.with_suffix(".json")
    if not os.path.isfile(card_path):
        raise WeightsError(f"{path} has no card.", try_=f"the file {card_path} beside it")
    if card_path.stat().st_size > MAX_CARD:
        raise WeightsError(f"The card {card_path} is larger than {MAX_CARD >> 20} MiB.")
    return Weights(path, card_in(card_path.read_bytes(), str(card_path)))


class _Config(Protocol):
    @classmethod
    def from_dict(cls, values: Any) -> Any: ...


N = TypeVar("N", bound="nn.Module")


def restore(
    path: str | os.PathLike[str], family: str, config: type[_Config], network: type[N]
) -> tuple[Card, N]:
    """The card and the trained network of weights, whatever the family.

    The network is ``network(config.from_dict(card.architecture))``, its tensors in float32 on
    the CPU and frozen. Nothing is allocated before the shapes agree with the file, and a network of
    far more parameters than the file has tensors is refused while it is built. Whole-number
    buffers that a file leaves out, such as the counters of batch norms, are zero.

    Raises WeightsError for a file that is missing, damaged, of another family or range, or
    that doesn't fit the architecture on its card.
    """
    import torch

    found = read(path)
    if found.card.family != family:
        kind = config.__name__.removesuffix("Config")
        raise WeightsError(
            f"{found.path} holds {a_or_an(repr(found.card.family))}, not {a_or_an(kind)}."
        )
    if found.card.range != (0.0, 1.0):
        raise WeightsError(f"{found.path} is not for images in [0, 1].", got=found.card.range)
    state = found.load()
    try:
        with torch.device("meta"), _at_most(len(state)):
            made = network(config.from_dict(found.card.architecture))
        for name, tensor in made.state_dict().items():
            if not tensor.is_floating_point() and name not in state:
                state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        made.load_state_dict(tensors, assign=True)
    except (TypeError, KeyError, ValueError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"{found.path} doesn't fit the architecture on its card.",
            got=(str(error).splitlines() or [type(error).__name__])[0][:200],
        ) from error
    return found.card, made.requires_grad_(False)


def _at_most(count: int) -> AbstractContextManager[Any]:
    """Raise ValueError while a network of far more parameters than ``count`` is built. A mode of
    torch counts the tensors of its own thread, a global hook would count those of all threads."""
    import torch
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Counting(TorchFunctionMode):
        made = 0  # tensors that aren't computed from others: parameters, and what fills them

        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            # Numbers that nobody will read: to draw them without memory takes torch a second.
            if function in (torch.rand, torch.randn):
                function = torch.empty
            elif _fills(function):
                return args[0] if args else (kwargs or {})["tensor"]
            found = function(*args, **(kwargs or {}))
            if isinstance(found, Tensor) and not any(isinstance(a, Tensor) for a in args):
                self.made += 1
                if self.made > MAX_MADE * (count + 1):
                    raise ValueError(
                        f"the network has more parameters than the file's {count} tensors"
                    )
            return found

    return Counting()


def _fills(function: Any) -> bool:
    """Whether a function of torch gives a tensor its first values: a method, or one of nn.init."""
    name: str = getattr(function, "__name__", "")
    return name in FILLS or name.startswith(("kaiming_", "xavier_"))


def card_in(data: bytes, where: str) -> Card:
    """A card from its file, or from ``where`` it came. Raises WeightsError."""
    try:
        card = Card.model_validate(json.loads(data))
    except ValidationError as error:
        raise WeightsError(f"The card {where} is not valid: {_complaint(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"The card {where} is not JSON.", got=str(error)[:200]) from error
    if json_sha256([card.family, card.architecture]) != card.architecture_sha256:
        raise WeightsError(
            f"The architecture on the card {where} was changed: it isn't what its sha256 says.",
            try_="copy or download the card again",
        )
    return card


def _complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


if not TYPE_CHECKING:
    _HUB = "priorkit.io.hub"
    __getattr__ = moved(__name__, {"find": f"{_HUB}:find", "cache_dir": f"{_HUB}:cache_dir"})
