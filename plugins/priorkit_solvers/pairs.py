"""The pairs (s, y) of L-BFGS, and the two products that read them: nearly all that a step reads.

A processor makes them image by image, of as many pairs as the image has: one product of the whole
batch would round an image's numbers differently in another batch, and a quasi-Newton path amplifies
that. A device gets one product for all images, of as many slots as one may have used by now; slots
that hold nothing are zero.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from priorkit.linear import on_processor

__all__ = ["Pairs"]

LINE = 64  # bytes: libraries may round by where in a cache line an array begins
BUCKET = 16  # slots by which the products of a device grow


class Pairs:
    """Up to ``memory`` pairs per image, of vectors like ``g`` (B, n), in slots that are taken in
    turn: the k-th pair is in slot k mod ``memory``.

    ``places`` (slots, 1) numbers them; those from ``memory`` on fill a cache line, and stay empty.
    ``taken`` in all that follows is how many pairs each image was given, (B,); that of an image
    alone may fall, to 0.
    """

    def __init__(self, memory: int, g: Tensor) -> None:
        self.memory, self.slots = memory, _whole(memory, LINE // 8)
        self.places = torch.arange(self.slots, device=g.device)[:, None]
        self._kept = _room(len(g), memory, g)
        self._seats = torch.arange(len(g), device=g.device)  # which of them belongs to an image
        self._most = 0  # pairs that any image can have been given

    def rows(self, index: Tensor) -> Pairs:
        """Those of these images; they stay where they are, so what changes them changes this
        object's, too, until a device has an eighth of its images left: then there is room to leave
        behind what the products needn't read."""
        kept = Pairs.__new__(Pairs)
        kept.memory, kept.slots, kept.places = self.memory, self.slots, self.places
        kept._kept, kept._seats, kept._most = self._kept, self._seats[index], self._most
        if not on_processor(index) and 8 * len(index) <= len(self._kept):
            kept._kept = self._kept[kept._seats]
            kept._seats = torch.arange(len(index), device=index.device)
        return kept

    def put(self, pair: Tensor, slot: Tensor) -> None:
        """A pair (B, 2, n), s and y, into a slot (B,) of every image; −1 throws it away."""
        self._kept[self._seats, slot] = pair
        self._most += 1

    def order(self, taken: Tensor) -> Tensor | None:
        """The slots (B, slots, 1) of every image by age, the oldest pair's first and those without
        one last; None where that is their own order."""
        if self._most <= self.memory:
            return None
        oldest = torch.where(taken < self.memory, 0, taken % self.memory)
        turned = (self.places + oldest.view(-1, 1, 1)) % self.memory
        return torch.where(self.places < self.memory, turned, self.places)

    def along(self, g: Tensor, taken: Tensor, rows: Tensor) -> Tensor:
        """Sᵀg and Yᵀg, (B, 2, slots, 1) in float64, of the rows, (B,) bool; anything of others.

        0 in slots without a pair.
        """
        if on_processor(g):
            found = torch.zeros(len(g), self.slots, 2, dtype=torch.float64)
            for i, pairs in self._of(taken, rows):
                own = g[i].clone()  # at the beginning of a cache line, too
                found[i, : len(pairs)] = torch.mv(pairs.flatten(0, 1), own).view(-1, 2)
            return found.mT[..., None]
        used = self._in_use()
        everyone = g.new_zeros(len(used), g.shape[1]).index_copy(0, self._seats, g)
        products = torch.bmm(used.flatten(1, 2), everyone[..., None])[self._seats]
        found = pad(products.double(), (0, 0, 0, 2 * self.slots - products.shape[1]))
        found = found.view(len(g), self.slots, 2).mT[..., None]
        return found.masked_fill(self.places >= taken.view(-1, 1, 1, 1), 0.0)

    def combined(self, weights: Tensor, taken: Tensor, rows: Tensor) -> Tensor:
        """S q + Y p, (B, n), of the rows, for weights q and p (B, slots, 2), 0 where there is no
        pair; anything for others."""
        weights = weights.to(self._kept.dtype)
        if on_processor(weights):
            found = weights.new_zeros(len(weights), self._kept.shape[-1])
            for i, pairs in self._of(taken, rows):
                own = weights[i, : len(pairs)].flatten()
                found[i] = torch.mv(pairs.flatten(0, 1).T, own)
            return found
        used = self._in_use()
        flat = weights[:, : used.shape[1]].flatten(1)
        everyone = flat.new_zeros(len(used), flat.shape[1]).index_copy(0, self._seats, flat)
        return torch.bmm(everyone[:, None], used.flatten(1, 2))[self._seats, 0]

    def _of(self, taken: Tensor, rows: Tensor) -> list[tuple[int, Tensor]]:
        """The rows that have pairs, each with them, (pairs, 2, n)."""
        known = zip(self._seats.tolist(), taken.tolist(), rows.tolist(), strict=True)
        return [
            (i, self._kept[seat, : min(count, self.memory)])
            for i, (seat, count, asked) in enumerate(known)
            if asked and count
        ]

    def _in_use(self) -> Tensor:
        """The slots that images may have used, (images, slots, 2, n), and a few more."""
        return self._kept[:, : min(self.memory, _whole(self._most, BUCKET))]


def _room(images: int, memory: int, like: Tensor) -> Tensor:
    """(images, memory + 1, 2, n), what belongs to an image beginning at a cache line; what is put
    into the last slot is never read.

    A processor reads only what was put there before, and takes memory as it is written.
    """
    numbers = 2 * (memory + 1) * like.shape[-1]
    fresh = like.new_empty if on_processor(like) else like.new_zeros
    whole = fresh(images, _whole(numbers, LINE // like.element_size()))
    return whole[:, :numbers].unflatten(1, (memory + 1, 2, like.shape[-1]))


def _whole(count: int, unit: int) -> int:
    """The least multiple of a unit that is no less than a count."""
    return -(-count // unit) * unit
