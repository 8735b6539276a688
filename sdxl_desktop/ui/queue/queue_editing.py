"""Editing a queued request: its settings go into the panels, and what the panels say then replaces it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.queue_item import ItemState
from sdxl_desktop.session.workspace import no_checkpoint_error
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.queue.queue_formatting import prompt_line

_MAX_SHOWN = 40


class QueueEditing:
    """At most one item is edited; meanwhile it is skipped, so that it is not drawn half changed."""

    def __init__(
        self,
        session: GenerationSession,
        panel: ParametersPanel,
        preferences: Callable[[], Preferences],
        with_frame_size: Callable[[GenerationRequest], GenerationRequest],
        notify: Notify,
        show_error: Callable[[SdxlDesktopError], object],
    ) -> None:
        self._session, self._panel, self._preferences = session, panel, preferences
        self._with_frame_size = with_frame_size
        self._notify, self._show_error = notify, show_error
        self._item_id = ""
        self._was_waiting = False

    @property
    def item_id(self) -> str:
        """The id of the item that is being edited, "" for none."""
        return self._item_id

    def begin(self, item_id: str) -> None:
        """Load the settings of an item into the panels. What the panels said before can be brought back."""
        item = self._session.queue.find(item_id)
        if item is None or item.state is ItemState.RUNNING:
            return
        self.cancel()
        self._item_id, self._was_waiting = item_id, item.state is ItemState.WAITING
        self._session.change_queue(lambda queue: queue.with_paused_item(item_id))
        missing = self._panel.apply_recorded(item.request, item.request.sampling.seed)
        if missing is not None:
            self._show_error(missing)
        self.ask()

    def ask(self) -> None:
        """Say what is being edited, and how to save it."""
        item = self._session.queue.find(self._item_id)
        if item is None:
            return
        begun = " What is drawn of it so far is drawn again." if item.start is not None else ""
        self._notify(
            f"Editing “{prompt_line(item.request)[:_MAX_SHOWN]}” of the queue.{begun}",
            action="Save to the queue",
            callback=self.save,
            persistent=True,
        )

    def save(self) -> None:
        """Replace the item's request by what the panels say; the picture and mask it is drawn on stay."""
        item = self._session.queue.find(self._item_id)
        if item is None:
            self._item_id = ""
            return
        request = self._build(item.request)
        if request is None:
            self.ask()
            return
        item_id, self._item_id = self._item_id, ""
        self._session.change_queue(lambda queue: queue.with_request(item_id, request))
        self._notify("The queue has the new settings")

    def _build(self, old: GenerationRequest) -> GenerationRequest | None:
        preferences = self._preferences()
        source = EditSource() if old.edit is None else EditSource(old.edit.picture, old.edit.mask)
        try:
            request = self._panel.build_request(preferences.execution, source, output=preferences.output)
            if request is not None and old.start is not None:  # the latents it starts from stay, too
                request = replace(request, start=old.start)
        except SdxlDesktopError as problem:
            self._show_error(problem)
            return None
        if request is None:
            self._show_error(no_checkpoint_error())
            return None
        return self._with_frame_size(request)

    def cancel(self) -> None:
        """Leave the item as it was."""
        item_id, self._item_id = self._item_id, ""
        if item_id and self._was_waiting:
            self._session.change_queue(lambda queue: queue.with_continued_item(item_id))
