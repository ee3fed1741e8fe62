"""The files of a session of the app, which go with it."""

import pytest

from priorkit.app.store import Store


@pytest.fixture
def store():
    found = Store(1)
    yield found
    found.clear()
