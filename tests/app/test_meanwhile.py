"""What somebody does while the form is still looking: without a browser."""

import asyncio
import io

import pytest
from PIL import Image

pytest.importorskip("nicegui")

from nicegui import Client, ui
from nicegui.events import GenericEventArguments

from priorkit.app import form as form_module
from priorkit.app.choice import Choice
from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.fields import Field
from priorkit.app.form import Form
from priorkit.app.offered import Offer, Offers
from priorkit.app.order import Order
from priorkit.app.page import _List
from priorkit.app.painting import Painting
from priorkit.app.preview import sample
from priorkit.app.run_view import RunView
from priorkit.app.runs import Runs
from priorkit.app.units import Units
from tests.app.held import Held, page, settled


@pytest.fixture(autouse=True)
def no_browser(monkeypatch):
    monkeypatch.setattr(ui, "run_javascript", lambda _: None)


def told(value, label):
    """What a browser sends of a choice."""
    return GenericEventArguments(sender=None, client=None, args={"value": value, "label": label})


def test_what_is_chosen_is_the_name_that_was_seen():
    """Not that which has its place by now."""

    async def tried():
        select = page(lambda: Choice({"": "as usual: a", "a": "a", "b": "b"}, value=""))
        select.offer({"": "as usual: c", "b": "b", "c": "c"}, "")
        assert select._event_args_to_value(told(2, "b")) == "b"
        assert select._event_args_to_value(told(0, "as usual: a")) == ""
        select.value = "b"
        assert select._event_args_to_value(told(1, "a")) == "b"  # isn't offered any more
        several = page(lambda: Choice({"a": "a", "b": "b"}, value=[], multiple=True))
        several.offer({"c": "c", "b": "b"}, [])
        event = GenericEventArguments(
            sender=None, client=None, args=[{"value": n, "label": "ab"[n]} for n in (0, 1)]
        )
        assert several._event_args_to_value(event) == ["b"]

    asyncio.run(tried())


def test_a_range_that_was_said_of_the_file_before_is_not_shown_of_the_next():
    async def tried():
        draft = Draft.new()
        draft.run["range"] = (-1000.0, 3000.0)
        units = page(lambda: Units(draft, lambda: None))
        assert (units.units.value, units.low.value) == ("own", -1000.0)
        draft.forget()
        units.show()
        assert (units.units.value, units.low.value, units.lacking) == ("", None, None)
        draft.run["range"] = "auto"
        units.show()
        units.units.set_value("own")
        assert "range" not in draft.order().settings
        assert "fill in from where" in units.lacking
        units.low.set_value(0.0)
        units.show()  # after some other change
        assert (units.units.value, units.low.value) == ("own", 0.0)
        units.high.set_value(9.0)
        assert (draft.run["range"], units.lacking) == ((0.0, 9.0), None)

    asyncio.run(tried())


@pytest.fixture
def asked(store, monkeypatch):
    """A form whose questions wait, and the orders that it began."""
    held, runs, begun = Held(), Runs(store, seconds=60), []
    monkeypatch.setattr(form_module, "in_turn", held)
    monkeypatch.setattr(runs, "add", lambda order: begun.append(order) or order)
    return lambda: (page(lambda: Form(Draft.new(), runs, Offers(), megabytes=1)), held, begun)


def fill(form, **run):
    form.draft.run |= run
    form._change()


def test_a_run_begins_with_what_was_looked_at(asked):
    async def tried():
        form, held, begun = asked()
        form.draft.names |= {"operator": "mask", "prior": "none"}
        pressed = asyncio.ensure_future(form._queued())
        await settled()
        fill(form, sigma="0.3")
        await held.let("_heard")
        assert begun == []
        fill(form, sigma="-1")
        await held.let("_heard")
        assert await pressed is None
        assert form.begin.wrong.text == "This can't run: sigma: at least 0."
        fill(form, sigma="0.2")
        pressed = asyncio.ensure_future(form._queued())
        await settled()
        await held.let("_heard")
        assert (await pressed).settings["sigma"] == 0.2
        assert begun == [await pressed]

    asyncio.run(tried())


def test_what_is_wrong_by_now_is_not_taken_back_by_an_answer_of_before(asked):
    async def tried():
        form, held, _ = asked()
        form.draft.names |= {"operator": "mask", "prior": "none"}
        form._change()
        looking = asyncio.ensure_future(form._offer())
        await settled()
        fill(form, sigma="-1")
        await held.let("_heard")
        await looking
        assert form.begin.wrong.text == "This can't run: sigma: at least 0."
        assert form.begin.button.props["aria-disabled"] == "true"

    asyncio.run(tried())


def test_the_button_works_again_after_an_error(asked, monkeypatch):
    async def tried():
        form, held, begun = asked()
        led = []
        monkeypatch.setattr(form.begin, "lead", lambda: led.append(form.begin.wrong.text))
        form.draft.names["operator"] = "radon"
        form.draft.filled("operator", "radon")["angles"] = "x"
        await form._begin()
        assert led == ["This can't run: angles: a number."]
        form.draft.filled("operator", "radon")["angles"] = "30"

        def broken(*_):
            raise OSError("of a plugin")

        monkeypatch.setattr(form.offers, "chosen", broken)
        pressed = asyncio.ensure_future(form._begin())
        await settled()
        await held.let("_heard")
        with pytest.raises(OSError, match="of a plugin"):
            await pressed
        assert (form._begun, begun) == (False, [])

    asyncio.run(tried())


def test_nothing_is_offered_of_a_file_that_cannot_be_read(asked, store):
    async def tried():
        form, _, _ = asked()
        form._tell("", ["of the file before"])
        form.choosers["prior"].offer(Offer(["dct"], {"glow": "too large"}), "dct")
        form.draft.source = store.keep("bad.png", b"bad")
        await form.source.reading.read()
        await form._ask()
        assert form.begin.wrong.text == "This can't run: There is no file that can be read."
        assert form.begin.warned.text == ""
        assert form.choosers["prior"].select.options[""] == "as usual"
        assert "dct" not in form.choosers["prior"].select.options

    asyncio.run(tried())


def test_what_was_filled_in_of_the_file_before_is_not_shown_of_the_next():
    async def tried():
        filled = {"dataset": "scan"}
        control = page(lambda: Control(Field("dataset", "text"), filled, lambda: None))
        del filled["dataset"]
        control.refresh()
        assert control.element.value in (None, "")

    asyncio.run(tried())


def test_what_is_typed_is_kept_at_once():
    """Whoever shows meanwhile what is filled in would take it back."""

    async def tried():
        filled, changes = {}, []
        note = lambda: changes.append(dict(filled))  # noqa: E731
        control = page(lambda: Control(Field("sigma", "number", words=("auto",)), filled, note))
        control.element.set_value("0.1")
        control.refresh()
        assert (control.element.value, filled) == ("0.1", {"sigma": "0.1"})
        control.element.set_value("0.1")
        assert changes == [{"sigma": "0.1"}]

    asyncio.run(tried())


def drawn(number, x=0.5):
    args = {"points": [[x, 0.5]], "wide": 0.1, "erasing": False, "picture": str(number)}
    return GenericEventArguments(sender=None, client=None, args=args)


def test_a_stroke_is_of_the_picture_that_it_was_drawn_over(store):
    async def tried():
        draft = Draft.new()
        painting = page(lambda: Painting(draft, store, lambda: None, pytest.fail))
        with painting.picture:
            painting.show(sample())
            before = int(painting.canvas.props["data-picture"])
            painting._stroke(drawn(before))
            mask = draft.painted
            assert mask is not None
            painting.wait()
            for act in (painting._undo, painting._clear, lambda: painting._stroke(drawn(before))):
                act()
            painting.show(sample())
            painting._stroke(drawn(before))  # comes only now
            assert (draft.painted, len(draft.strokes)) == (mask, 1)

    asyncio.run(tried())


def test_a_mask_that_was_sent_is_what_the_next_stroke_goes_over(store):
    async def tried():
        draft, buffer = Draft.new(), io.BytesIO()
        Image.new("RGBA", (64, 64), (200, 30, 30, 255)).save(buffer, format="PNG")
        painting = page(lambda: Painting(draft, store, lambda: None, pytest.fail))
        with painting.picture:
            painting.show(sample())
            number = painting.canvas.props["data-picture"]
            painting._stroke(drawn(number))
            sent = store.keep("own.png", buffer.getvalue())
            draft.filled("operator", "mask")["mask"] = sent
            painting.refresh()
            painting._stroke(drawn(number, 0.2))
        assert (draft.base, len(draft.strokes)) == (sent, 1)
        with Image.open(draft.painted) as mask:
            assert mask.getpixel((1, 1))[3] == 255

    asyncio.run(tried())


@pytest.fixture
def looked_at(monkeypatch):
    """Pages that a browser has before it."""
    monkeypatch.setattr(Client, "has_socket_connection", property(lambda _: True))


def test_what_is_unfolded_stays_and_rows_keep_their_buttons(store, looked_at):
    small = {"prior": "none", "op": "mask", "shape": (3, 16, 16), "budget": 5}
    runs = Runs(store, seconds=600)
    first = runs.add(Order(small))
    assert first.ended.wait(600)

    async def tried():
        view = page(lambda: RunView(first, runs))
        shown = list(view.results)
        assert shown
        first.followed = first
        view.refresh()
        assert list(view.results) == shown
        rows = page(lambda: _List(runs, first))
        button = rows._rows[first.id].stop
        second = runs.add(Order(small))
        rows.refresh()
        assert rows._rows[first.id].stop is button
        assert [item.id for item in rows.list] == [
            rows._rows[run.id].item.id for run in (second, first)
        ]

    asyncio.run(tried())
    runs.close()
