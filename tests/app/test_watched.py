"""What is seen of a run on its way."""

from itertools import pairwise
from types import SimpleNamespace

import torch

from priorkit.app import watched
from priorkit.app.watched import POINTS, Watched
from priorkit.interfaces import Snapshot
from priorkit.results.numbers import three


def step(number, misfit):
    values = torch.tensor([misfit], dtype=torch.float64)
    count = torch.tensor([number])
    u = torch.zeros(1, 48)
    picture = lambda: torch.rand(1, 3, 4, 4)  # noqa: E731
    return Snapshot(count, values, values, u, picture, u.norm(dim=1), count * 0)


def test_a_line_a_picture_and_a_curve(monkeypatch):
    monkeypatch.setattr(watched, "time", SimpleNamespace(monotonic=lambda: 10.0))
    seen = Watched()
    assert seen.curve() == ""
    seen(step(1, 10.0), 0)
    seen(step(2, 1.0), 0)
    assert seen.said == "2 evaluations, misfit 1"
    assert seen.course == {"": [(1.0, 1.0), (2.0, 0.0)]}
    assert (seen.pictures, seen.shown[:4]) == (1, b"\x89PNG")  # the second came too soon
    assert "misfit" in seen.curve()
    version = seen.version
    seen.say("done")
    assert seen.version == version + 1


def test_a_long_curve_is_thinned_and_what_is_not_finite_left_out(monkeypatch):
    monkeypatch.setattr(watched, "EVERY", 1e9)
    seen = Watched()
    for number in range(1000):
        seen(step(number, 1.0 if number != 500 else float("nan")), 0)
    counts = [count for count, _ in seen.course[""]]
    assert POINTS / 2 <= len(counts) <= POINTS
    assert counts[0] == 0
    assert max(b - a for a, b in pairwise(counts)) <= 16
    assert counts == sorted(counts)


def test_what_is_compared_and_later_rows_have_curves_of_their_own():
    seen = Watched()
    for label, done in (("dct", 0), ("dct", 2), ("none", 0)):
        for number in (1, 2):
            seen(step(number, 2.0), done, label)
    assert set(seen.course) == {"dct", "dct row 3", "none"}
    assert seen.said == "none: 2 evaluations, misfit 2"


def test_the_leaps_of_a_sampler_are_told_of():
    seen = Watched()
    for number, misfit in enumerate([9.0, 3.0, 1.0, 0.5]):
        seen(step(number, misfit), 0)
    assert not seen.jumps
    seen(step(4, 9.0), 0)
    assert seen.jumps


def test_numbers_of_three_digits():
    assert [three(v) for v in (1000.0, 1060.4, 0.5251, 12345.0, 0.0)] == [
        "1000", "1060", "0.525", "12300", "0",
    ]  # fmt: skip
    assert three(float("inf")) == "inf"
