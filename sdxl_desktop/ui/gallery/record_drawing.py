"""Draws pictures of the history again, or variations of them, from their records."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.session.building import NO_EDIT_SOURCE
from sdxl_desktop.session.workspace import no_checkpoint_error
from sdxl_desktop.ui.gallery.gallery_context import GalleryContext

VARIATION_COUNT = 4
VARIATION_STRENGTH = 0.3
"""How far a variation goes towards the noise of another seed, in [0, 1]."""


class RecordDrawing(QObject):
    """The settings of the record go to the panels, and runs are queued. If something that the picture was made with is
    missing, nothing is drawn, and the window says what. Emits `started` when the canvas has something to show."""

    started = Signal()

    def __init__(self, context: GalleryContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context

    def draw_again(self, record: PictureRecord) -> None:
        """Draw the picture of `record` again."""
        self._context.checkpoints.when_listed(lambda: self._draw(record))

    def make_variations(self, record: PictureRecord) -> None:
        """Queue some pictures of the same seed, each rotated towards the noise of another seed."""
        self._context.checkpoints.when_listed(lambda: self._draw(record, VARIATION_STRENGTH, VARIATION_COUNT))

    def _draw(self, record: PictureRecord, variation_strength: float | None = None, count: int = 1) -> None:
        panel, show_error = self._context.parameters_panel, self._context.controller.show_error
        self.started.emit()
        problem = panel.apply_recorded(record.request, record.seed, record.checkpoint_id)
        if problem is None:
            problem = self._missing_picture(record)
        if problem is not None:
            show_error(problem)
            return
        self._set_single_picture(variation_strength)
        self._context.canvas_area.follow_run()
        for _ in range(count):
            if not self._queue(NO_EDIT_SOURCE if record.request.edit is None else self._edit_source()):
                return

    def _queue(self, edit_source: EditSource) -> bool:
        """Queue a run with the panels' values; return False after showing an error."""
        preferences = self._context.preferences
        try:
            request = self._context.parameters_panel.build_request(
                preferences.execution(), edit_source, output=preferences.value().output
            )
            if request is None:
                raise no_checkpoint_error()
        except SdxlDesktopError as problem:
            self._context.controller.show_error(problem)
            return False
        if request.edit is not None:
            request = self._context.controller.planner.with_frame_size(request)
        self._context.session.generate(request)
        return True

    def _edit_source(self) -> EditSource:
        return self._context.importer.edit_source()

    def _missing_picture(self, record: PictureRecord) -> SdxlDesktopError | None:
        """Return an error if the picture that was edited is not the one on the canvas."""
        edit = record.request.edit
        if edit is None:
            return None
        now = self._edit_source().picture
        if now is not None and now.digest == edit.picture.digest:
            return None
        name = display_text(edit.picture.name) or f"a picture of {edit.picture.size}"
        return PictureError(
            f"This was drawn on another picture, {name}.",
            why="A record describes that picture and its mask, but does not contain them.",
            next_step="Put it on the canvas, mask it the same way, and generate: the settings are in the panels.",
        )

    def _set_single_picture(self, variation_strength: float | None) -> None:
        """Set the panels to one picture; with `variation_strength`, towards a new seed each time."""
        panel = self._context.parameters_panel
        value = panel.value()
        sampling = value.sampling
        if sampling is None:
            return
        sampling = replace(sampling, count=1)
        if variation_strength is None:
            panel.set_value(replace(value, sampling=sampling))
        else:
            varied = replace(sampling, variation_strength=variation_strength)
            panel.set_value(replace(value, sampling=varied, variation_locked=False))
