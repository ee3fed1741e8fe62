"""Work and pages of the app without a browser: nothing is done before a test says so."""

import asyncio

from nicegui import Client, ui


class Held:
    """Stands in for work that is done aside: every call waits until somebody lets it go."""

    def __init__(self):
        self.calls = []

    async def __call__(self, call, *args, **kwargs):
        go = asyncio.Event()
        self.calls.append((call.__name__, go))
        await go.wait()
        return call(*args, **kwargs)

    async def let(self, name, number=0):
        """Let the call of that name go that waits for so many others; all that follows happens."""
        found = [each for each in self.calls if each[0] == name][number]
        self.calls.remove(found)
        found[1].set()
        await settled()


async def settled():
    for _ in range(20):
        await asyncio.sleep(0)


def page(make):
    """What ``make`` gives within a page that no browser has."""
    with Client(ui.page("/"), request=None):
        return make()
