"""What is done with drafts: the sheet is opened, drafts of what the desk says are drawn, chosen ones are finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.session.drafts import Draft, DraftingSession, draft_request, drafting_checkpoints
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.drafts.sheet import DraftSheet


class DraftVerbs(QObject):
    """The verbs of the sheet, which lies over `window` and is made when it is first wanted.

    `ask` gives what the desk asks for, or None after telling why that is nothing; `fail` tells of a problem.
    """

    def __init__(
        self,
        session: DraftingSession,
        desk: Desk,
        ask: Callable[[], GenerationRequest | None],
        fail: Callable[[SdxlDesktopError], None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session, self._desk, self._ask, self._fail, self._window = session, desk, ask, fail, window
        self._known: tuple[Checkpoint, ...] = ()
        self._last: GenerationRequest | None = None
        self._last_count = 0
        self._sheet: DraftSheet | None = None
        desk.checkpoint_chosen.connect(self._show_drafters)
        desk.changed.connect(self._show_words)

    @property
    def sheet(self) -> DraftSheet:
        """The sheet, made now if it never was."""
        if self._sheet is None:
            self._sheet = DraftSheet(self._window)
            self._sheet.draw_wanted.connect(self.draw)
            self._sheet.finish_wanted.connect(self.finish)
            self._sheet.cancel_wanted.connect(self._session.cancel)
        return self._sheet

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Those of the library; few-step ones among them can draw drafts."""
        if tuple(checkpoints) != self._known:
            self._known = tuple(checkpoints)
            self._show_drafters()

    def open(self) -> None:
        """Show the sheet."""
        sheet = self.sheet
        self._show_drafters()
        self.redraw()
        sheet.show()
        sheet.raise_()
        sheet.activateWindow()

    def draw(self, count: int) -> None:
        """Draw `count` drafts of what the desk says now, with seeds that those on the sheet do not have. Drafts of
        something else leave the sheet."""
        own, full = self._desk.checkpoint(), self._ask()
        if full is None or own is None:
            return
        full, more = self._after_the_last(full)
        drafter = next((one for one in self._known if str(one.folder) == self.sheet.drafter()), own)
        try:
            request = draft_request(full, own, drafter, count)
        except SdxlDesktopError as problem:
            self._fail(problem)
            return
        if not more:
            self._session.forget_drafts()
        self._last, self._last_count = full, count
        self._session.draw_drafts(request, full)

    def _after_the_last(self, full: GenerationRequest) -> tuple[GenerationRequest, bool]:
        """`full`, and whether it is what was drafted last; a locked seed moves behind those that were used then."""
        last = self._last
        if last is None or _of_seed(full, 0) != _of_seed(last, 0):
            return full, False
        if full.sampling.seed == last.sampling.seed:
            full = _of_seed(full, (last.sampling.seed + self._last_count) % (MAX_SEED + 1))
        return full, True

    def finish(self, drafts: Sequence[Draft]) -> None:
        """Have these drawn in full; they become results."""
        self._session.finish(drafts, self.sheet.strength())

    # showing

    def redraw(self) -> None:
        """Make the sheet show where the session stands."""
        if self._sheet is None:
            return
        session = self._session
        run = session.run if session.drafting else None
        self._sheet.show_drafts(session.drafts, session.drafts_waiting, run.preview if run else None)

    def _show_drafters(self) -> None:
        full = self._desk.checkpoint()
        if self._sheet is not None and full is not None:
            self._sheet.show_drafters(drafting_checkpoints(full, self._known), full)
            self._show_words()

    def _show_words(self) -> None:
        full = self._desk.checkpoint()
        if self._sheet is None or full is None:
            return
        prompt = " ".join(self._desk.value().prompts.prompt.split())
        self._sheet.show_words(f"{prompt or 'No prompt yet'} · finished by {full.title}")


def _of_seed(request: GenerationRequest, seed: int) -> GenerationRequest:
    return replace(request, sampling=replace(request.sampling, seed=seed))
