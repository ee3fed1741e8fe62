"""How images end: noted at once, asked about when somebody reads."""

import pytest
import torch

from priorkit import linear
from priorkit.interfaces import State
from priorkit.interfaces.ends import MOST, Ends


def which(*rows, of=4):
    return torch.tensor([i in rows for i in range(of)])


@pytest.fixture(params=[True, False], ids=["processor", "device"])
def where(request, monkeypatch):
    monkeypatch.setattr(linear, "on_processor", lambda x: request.param)


def test_the_first_end_of_an_image_counts(where):
    state = State.begin(torch.zeros(4, 2))
    assert state.status == [None] * 4
    state.end(which(1), "converged", "still")
    state.end(which(1, 2), "stopped", "budget")
    assert state.status == [None, "converged", "stopped", None]
    state.end(which(0, 1, 2), "diverged", "later")
    assert state.reason == ["later", "still", "budget", ""]
    assert state.rows(torch.tensor([2, 3])).status == ["stopped", None]


def test_who_leaves_before_anybody_reads_takes_the_end_along(where):
    state = State.begin(torch.zeros(4, 2))
    state.end(which(3), "converged", "still")
    rest = state.rows(torch.tensor([3, 0]))
    assert rest.status == ["converged", None]
    rest.end(which(1, of=2), "stopped", "budget")
    assert rest.reason == ["still", "budget"]
    assert state.status == [None, None, None, "converged"]


def test_a_reason_is_made_for_those_alone_that_end_by_it(where):
    ends, asked = Ends(3), []

    def reason(i):
        asked.append(i)
        return f"image {i}"

    ends.note(which(of=3), "diverged", reason)
    ends.note(which(1, of=3), "converged", "still")
    ends.note(which(1, 2, of=3), "diverged", reason)
    assert ends.reason == ["", "still", "image 2"]
    assert asked == [2]


def test_what_nobody_reads_does_not_pile_up(monkeypatch):
    monkeypatch.setattr(linear, "on_processor", lambda x: False)
    ends = Ends(2)
    for k in range(3 * MOST):
        ends.note(which(*([1] if k == 5 else []), of=2), "stopped", f"{k}")
        assert len(ends.asked) <= MOST
    assert ends.reason == ["", "5"]
