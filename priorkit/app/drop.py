"""Where a file is dropped, or chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import events, ui

__all__ = ["Drop"]


class Drop:
    """A place to drop a file, and a button that chooses one.

    Parameters
    ----------
    label : what may be dropped
    take : called with the name of a file that came and what is in it
    begun : called once one is on its way, before ``take``, or ``lost`` where it didn't arrive
    refused : called for one that is too large
    """

    def __init__(
        self,
        label: str,
        take: Callable[[str, bytes], Awaitable[None]],
        *,
        most: int,
        begun: Callable[[], None],
        lost: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._take = take
        # What sends it isn't seen: its own button and the input in it have one name between them.
        self.upload = ui.upload(
            label=label,
            max_file_size=most,
            auto_upload=True,
            on_begin_upload=begun,
            on_upload=self._sent,
            on_rejected=refused,
        )
        self.upload.classes("hidden")
        uploader = f"getElement({self.upload.id}).$refs.qRef"
        # The same file may be sent again; one that is on its way meanwhile stays.
        self.upload.on("uploaded", js_handler=f"() => {uploader}.removeUploadedFiles()")
        self.upload.on("failed", js_handler=f"() => {uploader}.removeQueuedFiles()")
        self.upload.on("failed", lost, args=[])
        with ui.element("div").classes("pk-drop") as place:
            ui.label(label)
            button = ui.button("Choose a file").props('outline no-caps padding="2px 10px"')
            button.on("click", js_handler=f"() => {uploader}.pickFiles()")
        within = "(event) => { event.preventDefault(); event.currentTarget.classList"
        place.on("dragover", js_handler=f"{within}.add('over'); }}")
        place.on("dragleave", js_handler=f"{within}.remove('over'); }}")
        place.on(
            "drop",
            js_handler=f"{within}.remove('over'); const sent = event.dataTransfer.files; "
            f"if (sent.length) {uploader}.addFiles(sent); }}",
        )

    async def _sent(self, event: events.UploadEventArguments) -> None:
        await self._take(event.file.name, await event.file.read())
