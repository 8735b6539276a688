"""Actions on a candidate: apply, apply and continue, discard, reblend."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from sdxl_desktop.session.compositing import BlendSettings
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.notify import Notify


class CandidateActions(QObject):
    """Actions on the result on the canvas. The picture changes only when a result is applied, which can be undone.

    `generate_next` starts another run with a seed that the given result's run did not use.
    """

    def __init__(
        self,
        session: GenerationSession,
        canvas_area: CanvasArea,
        importer: ImportController,
        generate_next: Callable[[Result], None],
        notify: Notify,
    ) -> None:
        super().__init__(canvas_area)
        self._session, self._canvas_area, self._importer = session, canvas_area, importer
        self._generate_next, self._notify = generate_next, notify
        self._discard_states: list[int] = []
        """The document's state at the time each of the session's discarded results was discarded."""
        bar = canvas_area.candidate_bar
        canvas_area.apply_requested.connect(self.apply)
        canvas_area.discard_requested.connect(self.discard)
        bar.apply_and_continue_requested.connect(self.apply_and_continue)
        bar.blend_changed.connect(self.blend)
        bar.blend_settled.connect(self.save_blend)

    def apply(self) -> None:
        """Apply the candidate: it becomes the picture."""
        self._importer.apply_shown_result()

    def apply_and_continue(self) -> None:
        """Apply the candidate and start another run on the new picture."""
        result = self._canvas_area.shown_result
        if result is not None:
            self._importer.apply_result(result)
            self._generate_next(result)

    def discard(self) -> None:
        """Remove the result from the strip; its file, if any, remains."""
        row = self._canvas_area.current_row()
        if not 0 <= row < len(self._session.results):
            return
        result = self._session.discard(row)
        self._discard_states.append(self._importer.document.state)
        file = "" if result.saved_to is None else f"; the file {result.saved_to.name} stays"
        self._notify(f"Discarded{file}", action="Undo", callback=self.restore)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has an effect."""
        return self._discard_is_latest or self._importer.document.can_undo

    @property
    def _discard_is_latest(self) -> bool:
        """Whether a result was discarded and the document has not changed since."""
        return bool(self._session.discarded) and self._discard_states[-1:] == [self._importer.document.state]

    def undo(self) -> None:
        """Undo the last action: a discarded result or a document change."""
        if self._discard_is_latest:
            self.restore()
        else:
            self._importer.undo()

    def restore(self) -> None:
        """Restore the result discarded last."""
        row = self._session.restore()
        del self._discard_states[-1:]
        if row is not None:
            self._canvas_area.go_to(row)

    def blend(self, blend: BlendSettings) -> None:
        """Reblend the result immediately."""
        row = self._canvas_area.current_row()
        if row >= 0:
            self._session.reblend(row, blend)

    def save_blend(self) -> None:
        """Save the reblended result to its file after a blend change is finished."""
        row = self._canvas_area.current_row()
        if row >= 0:
            self._session.save_reblended(row)
