"""A recorded function gives what it gives one by one, or says that it doesn't."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch

from priorkit.recordings import SEEN, Recordings, record_graph
from tests.cuda_host.tape import Tape


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def place(request):
    """A device, and what records on it."""
    if request.param == "host":
        return torch.device("cpu"), Tape().record
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return torch.device("cuda"), record_graph


def batch(count, device):
    g = torch.Generator().manual_seed(count)
    return torch.randn(count, 3, 6, 6, generator=g).to(device)


def function(x, level):
    """Of every sort that there is: views, products, in place, more than one result, an input."""
    h = torch.nn.functional.conv2d(x, torch.ones(4, 3, 3, 3, device=x.device), padding=1)
    h = h.permute(0, 2, 3, 1).reshape(len(x), 6, 24).mul_(level[:, None, None])
    top, rest = h.split((2, 4), 1)
    h = torch.cat([top.exp(), rest.clamp(0, 1)], 1)
    return h.where(h > 0.5, 0.0).sum(1), h.mT @ h, x


def again_and_again(recordings, inputs, keeps=1, count=SEEN, of=function):
    for _ in range(count):
        recordings("f", of, *inputs, keeps=keeps)


def kinds(recordings):
    """Sizes of the batches that have a recording, the last used at the end."""
    return [kind[1][2][0] for kind in recordings._held]


def check(recordings, x, level, keeps=1):
    found = recordings("f", function, x, level, keeps=keeps)
    assert all(map(torch.equal, found, function(x, level)))


def test_a_recording_gives_what_the_function_gives(place):
    device, record = place
    recordings = Recordings(record=record)
    x, level = batch(4, device), torch.linspace(0.1, 0.4, 4, device=device)
    for _ in range(SEEN + 3):
        check(recordings, x, level)
        x, level = -x, level + 0.1
    check(recordings, x.to(memory_format=torch.channels_last), level[:1].expand(4))
    assert kinds(recordings) == [4]


def test_results_are_not_written_over(place):
    device, record = place
    recordings = Recordings(record=record)
    x, level = batch(4, device), torch.ones(4, device=device)
    again_and_again(recordings, (x, level))
    first = recordings("f", function, x, level, keeps=1)
    recordings("f", function, x + 1, level, keeps=1)
    assert all(map(torch.equal, first, function(x, level)))
    first[2].zero_()  # an input that the function gave back
    assert bool(x.any())


def test_keys_shapes_and_dtypes_have_recordings_of_their_own(place):
    device, record = place
    recordings = Recordings(record=record)
    x = batch(4, device)
    for key, sign in ((("f", True), 1), (("f", False), -1)):
        for cast in (torch.float32, torch.float64):
            for _ in range(SEEN + 1):
                (found,) = recordings(key, lambda x, s=sign: (s * x,), x.to(cast), keeps=1)
            assert torch.equal(found, sign * x.to(cast))
    assert len(recordings._held) == 4


def test_only_what_comes_again_is_recorded(place):
    device, record = place
    recordings = Recordings(record=record)
    x, level = batch(4, device), torch.ones(4, device=device)
    again_and_again(recordings, (x, level))
    assert kinds(recordings) == []
    again_and_again(recordings, (x, level), count=1)
    assert kinds(recordings) == [4]


def test_what_was_used_last_stays_and_what_has_no_room_goes_one_by_one(place):
    device, record = place
    recordings = Recordings(record=record, room=50)
    for count in (2, 3, 2, 1, 6):
        x, level = batch(count, device), torch.ones(count, device=device)
        again_and_again(recordings, (x, level), keeps=10 * count)
        check(recordings, x, level, keeps=10 * count)
    assert kinds(recordings) == [2, 1]


def test_what_is_crowded_out_again_and_again_is_seldom_recorded(place):
    device, record = place
    made = []
    recordings = Recordings(record=lambda *told: made.append(1) or record(*told), room=10)
    for _ in range(4 * (SEEN + 1)):
        for count in (2, 3):
            x, level = batch(count, device), torch.ones(count, device=device)
            check(recordings, x, level, keeps=10)
    assert len(made) <= 8


def test_a_copy_begins_without_recordings(place):
    device, record = place
    recordings = Recordings(record=record, room=7)
    again_and_again(recordings, (batch(4, device), torch.ones(4, device=device)), count=SEEN + 1)
    copied = deepcopy(recordings)
    assert copied.room == 7
    assert copied._held == {} != recordings._held


def test_a_gradient_goes_one_by_one(place):
    device, record = place
    recordings = Recordings(record=record)
    level = torch.ones(4, device=device)
    again_and_again(recordings, (batch(4, device), level), count=SEEN + 1)
    x = batch(4, device).requires_grad_(True)
    found = recordings("f", function, x, level, keeps=1)
    (slope,) = torch.autograd.grad(found[0].sum(), x)
    assert bool(slope.any())
    with torch.no_grad():
        assert not recordings("f", function, x, level, keeps=1)[0].requires_grad


def test_it_may_be_recorded_in_inference_mode(place):
    device, record = place
    recordings = Recordings(record=record)
    x, level = batch(4, device), torch.ones(4, device=device)
    with torch.inference_mode():
        again_and_again(recordings, (x, level), count=SEEN + 1)
        check(recordings, 2 * x, level)
    check(recordings, x, level)


@pytest.mark.parametrize(
    "of",
    [
        lambda x: (x if bool(x.any()) else -x,),
        lambda x: (x[x > 0],),
        lambda x: (x[(x > 0).nonzero()[:, 0]],),
        lambda x: (x * x.max().item(),),
    ],
    ids=["a branch", "a mask", "where", "a number"],
)
def test_what_asks_the_device_goes_one_by_one(place, of):
    """After one warning."""
    device, record = place
    recordings = Recordings(record=record)
    x = batch(4, device)
    again_and_again(recordings, (x,), of=of)
    with pytest.warns(UserWarning, match="can't be recorded.*not permitted.*Launches go one by"):
        (found,) = recordings("f", of, x, keeps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again_and_again(recordings, (x,), of=of)
        check(recordings, x, torch.ones(4, device=device))
    assert torch.equal(found, of(x)[0])
    assert recordings._held == {}


def test_python_runs_until_it_is_recorded(place):
    """What a function assigns or counts is not done again; it gives its results back."""
    device, record = place
    recordings, calls = Recordings(record=record), []

    def counts(x):
        calls.append(len(calls))
        return (len(calls) * x,)

    x = batch(4, device)
    again_and_again(recordings, (x,), of=counts, count=SEEN + 3)
    assert len(calls) == SEEN + 2  # freely, and while it is recorded
    assert torch.equal(recordings("f", counts, 2 * x, keeps=1)[0], len(calls) * 2 * x)


def test_threads_share_recordings(place):
    device, record = place
    recordings = Recordings(record=record)
    inputs = [(batch(n, device), torch.ones(n, device=device)) for n in (3, 4)]
    for each in inputs:
        again_and_again(recordings, each)
    many = [(x + i, level) for i, (x, level) in enumerate(inputs * 4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda given: recordings("f", function, *given, keeps=1), many))
    for given, results in zip(many, found, strict=True):
        assert all(map(torch.equal, results, function(*given)))
