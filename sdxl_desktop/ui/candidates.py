"""What is done with a candidate: taken over, taken over and drawn on, thrown away, blended anew."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from sdxl_desktop.session.blend import Blend
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.editor import Editor
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.telling import Tell


class Candidates(QObject):
    """The verbs of the result on the canvas. Nothing overwrites the picture until one is applied; that can be undone.

    `draw_on` begins another run with a seed that the given result's run did not have.
    """

    def __init__(
        self, session: Session, stage: Stage, editor: Editor, draw_on: Callable[[Result], None], tell: Tell
    ) -> None:
        super().__init__(stage)
        self._session, self._stage, self._editor = session, stage, editor
        self._draw_on, self._tell = draw_on, tell
        self._states: list[int] = []
        """Of the document, when each of the session's discarded results was discarded."""
        bar = stage.candidate_bar
        stage.apply_wanted.connect(self.apply)
        stage.discard_wanted.connect(self.discard)
        bar.go_on_wanted.connect(self.apply_and_go_on)
        bar.blended.connect(self.blend)
        bar.blend_settled.connect(self.keep_blend)

    def apply(self) -> None:
        """Take the candidate over as the picture."""
        self._editor.take_result()

    def apply_and_go_on(self) -> None:
        """Take the candidate over and draw again, on what it has become."""
        result = self._stage.shown_result
        if result is not None:
            self._editor.accept(result)
            self._draw_on(result)

    def discard(self) -> None:
        """Take the result out of the strip; its file, if any, stays."""
        row = self._stage.current_row()
        if not 0 <= row < len(self._session.results):
            return
        result = self._session.discard(row)
        self._states.append(self._editor.document.state)
        file = "" if result.saved_to is None else f"; the file {result.saved_to.name} stays"
        self._tell(f"Discarded{file}", answer="Undo", act=self.restore)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would do anything."""
        return self._discarded_last or self._editor.document.can_undo

    @property
    def _discarded_last(self) -> bool:
        """Whether something was discarded, and the document has not changed since."""
        return bool(self._session.discarded) and self._states[-1:] == [self._editor.document.state]

    def undo(self) -> None:
        """Take back what was done last: a result that was discarded, or a change of the document."""
        if self._discarded_last:
            self.restore()
        else:
            self._editor.undo()

    def restore(self) -> None:
        """Bring back what was discarded last."""
        row = self._session.restore()
        del self._states[-1:]
        if row is not None:
            self._stage.go_to(row)

    def blend(self, blend: Blend) -> None:
        """Blend the result in anew, at once."""
        row = self._stage.current_row()
        if row >= 0:
            self._session.reblend(row, blend)

    def keep_blend(self) -> None:
        """A change of the blend is over: the file follows."""
        row = self._stage.current_row()
        if row >= 0:
            self._session.keep_blend(row)
