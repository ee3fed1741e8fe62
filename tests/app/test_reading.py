"""Of what is filled in one after the other, the last alone counts: without a browser, and whichever
answer comes first."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("nicegui")

from priorkit.app import reading as reading_module
from priorkit.app.draft import Draft
from priorkit.app.reading import Reading
from priorkit.app.turns import Turns
from priorkit.errors import BadInputError
from tests.app.held import Held, settled


def picture(width, height=20):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 30, 60)).save(buffer, format="PNG")
    return buffer.getvalue()


def of_large(store):
    """A draft of a measured picture that is too large, and its reading."""
    draft = Draft.new()
    draft.source, draft.measured = store.keep("large.png", picture(1200)), True
    return draft, Reading(draft, store, lambda: None)


@pytest.fixture
def held(monkeypatch):
    found = Held()
    monkeypatch.setattr(reading_module, "aside", found)
    return found


def test_of_two_files_the_last_that_came_is_read_whichever_is_faster(store, held):
    async def tried():
        draft = Draft.new()
        reading = Reading(draft, store, lambda: None)
        first = asyncio.ensure_future(reading.take("a.png", picture(30)))
        second = asyncio.ensure_future(reading.take("b.png", picture(40)))
        await settled()
        await held.let("keep")
        assert (draft.source.name, reading.preview, reading.on) == ("a.png", None, True)
        assert reading.lacking == "The file is being read."
        await held.let("keep")
        await held.let("look", 1)
        assert (draft.source.name, reading.preview.said) == ("b.png", "b.png, 3×20×40 numbers")
        await held.let("look")  # of the first, too late
        assert (reading.preview.said, reading.on) == ("b.png, 3×20×40 numbers", False)
        await asyncio.gather(first, second)

    asyncio.run(tried())


def test_an_operator_that_is_chosen_while_a_file_comes_stays(store):
    async def tried():
        draft = Draft.new()
        reading = Reading(draft, store, lambda: None)
        reading.coming()
        await reading.take("a.png", picture(30))
        assert draft.names["operator"] == "identity"
        reading.coming()
        draft.names["operator"] = "mask"
        await reading.take("b.png", picture(30))
        assert draft.names["operator"] == "mask"
        reading.coming()
        await reading.take("c.png", picture(30))
        assert draft.names["operator"] == "identity"  # it was of the file before

    asyncio.run(tried())


def test_a_smaller_copy_of_a_file_that_was_replaced_meanwhile_is_left(store, held):
    async def tried():
        draft = Draft.new()
        reading = Reading(draft, store, lambda: None)
        first = asyncio.ensure_future(reading.take("large.png", picture(1200)))
        await settled()
        await held.let("keep")
        second = asyncio.ensure_future(reading.take("b.png", picture(40)))
        await settled()
        await held.let("keep")
        await held.let("_copy")
        assert (draft.source.name, draft.whole) == ("b.png", None)
        assert sorted(path.name for path in store.root.glob("*/*")) == ["b.png", "large.png"]
        await held.let("look")
        await asyncio.gather(first, second)
        assert reading.shape == (3, 20, 40)

    asyncio.run(tried())


def test_a_picture_and_a_measurement_chosen_one_after_the_other(store, held):
    async def tried():
        draft, reading = of_large(store)
        looks = [asyncio.ensure_future(reading.measured(what)) for what in (True, False)]
        await settled()
        while held.calls:
            await held.let(held.calls[-1][0], -1)
        await asyncio.gather(*looks)
        assert (draft.source.name, draft.whole, draft.measured) == ("large.png", None, False)
        assert draft.run["shape"] == (3, 4, 256)
        assert "sigma" not in draft.run

    asyncio.run(tried())


def test_what_is_under_way_is_kept_where_the_file_is_read_otherwise(store, held):
    async def tried():
        draft, reading = of_large(store)
        first = asyncio.ensure_future(reading.read(first=True))
        await settled()
        second = asyncio.ensure_future(reading.again())
        await settled()
        while held.calls:
            await held.let(held.calls[0][0])
        await asyncio.gather(first, second)
        assert (draft.source.name, draft.whole.name) == ("large-512x9.png", "large.png")
        assert draft.run["sigma"] == "auto"

    asyncio.run(tried())


def test_a_file_that_does_not_arrive_or_cannot_be_kept_leaves_the_one_before(store, monkeypatch):
    async def tried():
        reading = Reading(Draft.new(), store, lambda: None)
        before = reading.preview
        reading.coming()
        assert reading.lacking == "The file is being read."
        reading.lost("That file didn't arrive.")
        assert (reading.preview, reading.lacking) == (before, None)
        assert reading.wrong == "That file didn't arrive."
        reading.coming()
        await reading.take("a.png", b"")
        assert (reading.preview, reading.on, reading.wrong) == (before, False, "a.png is empty.")

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(store, "keep", full)
        reading.coming()
        await reading.take("a.png", b"x")
        assert (reading.preview, reading.on) == (before, False)
        assert "No space left" in reading.wrong

    asyncio.run(tried())


def test_why_a_copy_cannot_be_is_said_with_the_whole(store, monkeypatch):
    def broken(*_):
        raise BadInputError("No copy.")

    monkeypatch.setattr(reading_module, "reduced", broken)

    async def tried():
        reading = Reading(Draft.new(), store, lambda: None)
        await reading.take("large.png", picture(1200))
        assert reading.wrong == "No copy."
        assert reading.shape == (3, 20, 1200)

    asyncio.run(tried())


def test_a_file_is_forgotten_with_what_was_found_of_it(store):
    draft = Draft.new()
    draft.run |= {"range": "auto", "kind": "complex", "gamma": "0.1", "sigma": "0.1"}
    draft.forget()
    assert draft.run == {"gamma": "0.1", "sigma": "0.1"}  # as somebody said


def test_sigma_is_estimated_of_the_files_alone_that_it_can_be(store):
    """Whichever way a file comes to be read anew: by another, or as something else."""
    numbers = io.BytesIO()
    np.save(numbers, np.full((3, 7), 0.5j))

    async def tried():
        draft = Draft.new()
        reading = Reading(draft, store, lambda: None)
        found = []
        for name, data in (("a.png", picture(30)), ("y.npy", numbers.getvalue())):
            await reading.take(name, data)
            found.append(draft.run.get("sigma"))
        draft.run["sigma"] = "auto"
        for measured in (True, False):
            await reading.measured(measured)
            found.append(draft.run.get("sigma"))
        draft.run["sigma"] = "0.1"
        await reading.take("b.png", picture(30))
        assert [*found, draft.run["sigma"]] == ["auto", None, None, None, "0.1"]

    asyncio.run(tried())


def test_a_run_knows_what_its_file_is_a_smaller_copy_of(store):
    """Its page offers the sizes of the whole, and calls the copy by neither name."""

    async def tried():
        draft, reading = of_large(store)
        await reading.read(first=True)
        order = draft.order()
        assert [path.name for path in order.files] == ["large-512x9.png"]
        again = Draft.of(order)
        assert (again.source, again.whole) == (draft.source, draft.whole)
        assert again.whole.name == "large.png"
        assert again.order() == order

    asyncio.run(tried())


def test_turns():
    turns = Turns()
    now = turns.now()
    assert now()
    first = turns.begin()
    assert (now(), first()) == (False, True)
