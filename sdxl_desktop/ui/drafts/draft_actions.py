"""Actions of the drafts dialog: open it, generate drafts of the panel's request, finish the selected ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.session.drafts import Draft, DraftingSession, draft_request, find_draft_checkpoints
from sdxl_desktop.ui.drafts.drafts_dialog import DraftsDialog
from sdxl_desktop.ui.parameters_panel import ParametersPanel


class DraftActions(QObject):
    """Actions of the drafts dialog, which is created over `window` on first use.

    `make_request` returns the panel's request, or None after showing an error; `show_error` shows one.
    """

    def __init__(
        self,
        session: DraftingSession,
        parameters_panel: ParametersPanel,
        make_request: Callable[[], GenerationRequest | None],
        show_error: Callable[[SdxlDesktopError], None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session, self._parameters_panel, self._make_request, self._show_error, self._window = (
            session,
            parameters_panel,
            make_request,
            show_error,
            window,
        )
        self._checkpoints: tuple[Checkpoint, ...] = ()
        self._last_request: GenerationRequest | None = None
        self._last_count = 0
        self._dialog: DraftsDialog | None = None
        parameters_panel.checkpoint_selected.connect(self._update_draft_checkpoints)
        parameters_panel.changed.connect(self._update_prompt_text)

    @property
    def dialog(self) -> DraftsDialog:
        """The dialog, created on first access."""
        if self._dialog is None:
            self._dialog = DraftsDialog(self._window)
            self._dialog.draw_requested.connect(self.draw)
            self._dialog.finish_requested.connect(self.finish)
            self._dialog.cancel_requested.connect(self._session.cancel)
        return self._dialog

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Set the library's checkpoints; the few-step ones can generate drafts."""
        if tuple(checkpoints) != self._checkpoints:
            self._checkpoints = tuple(checkpoints)
            self._update_draft_checkpoints()

    def open(self) -> None:
        """Show the dialog."""
        sheet = self.dialog
        self._update_draft_checkpoints()
        self.refresh()
        sheet.show()
        sheet.raise_()
        sheet.activateWindow()

    def draw(self, count: int) -> None:
        """Generate `count` drafts of the panel's request, with seeds not used by the shown drafts. Drafts of another
        request are removed."""
        own, full = self._parameters_panel.checkpoint(), self._make_request()
        if full is None or own is None:
            return
        full, more = self._continue_seeds(full)
        drafter = next((one for one in self._checkpoints if str(one.folder) == self.dialog.draft_checkpoint()), own)
        try:
            request = draft_request(full, own, drafter, count)
        except SdxlDesktopError as problem:
            self._show_error(problem)
            return
        if not more:
            self._session.clear_drafts()
        self._last_request, self._last_count = full, count
        self._session.draw_drafts(request, full)

    def _continue_seeds(self, full: GenerationRequest) -> tuple[GenerationRequest, bool]:
        """Return `full`, and whether it equals the last drafted request; a locked seed moves past those used then."""
        last = self._last_request
        if last is None or _with_seed(full, 0) != _with_seed(last, 0):
            return full, False
        if full.sampling.seed == last.sampling.seed:
            full = _with_seed(full, (last.sampling.seed + self._last_count) % (MAX_SEED + 1))
        return full, True

    def finish(self, drafts: Sequence[Draft]) -> None:
        """Generate these drafts in full; they become results."""
        self._session.finish_drafts(drafts, self.dialog.strength())

    # showing

    def refresh(self) -> None:
        """Update the dialog from the session."""
        if self._dialog is None:
            return
        session = self._session
        run = session.run if session.drafting else None
        self._dialog.set_drafts(session.drafts, session.pending_drafts, run.preview if run else None)

    def _update_draft_checkpoints(self) -> None:
        full = self._parameters_panel.checkpoint()
        if self._dialog is not None and full is not None:
            self._dialog.set_draft_checkpoints(find_draft_checkpoints(full, self._checkpoints), full)
            self._update_prompt_text()

    def _update_prompt_text(self) -> None:
        full = self._parameters_panel.checkpoint()
        if self._dialog is None or full is None:
            return
        prompt = " ".join(self._parameters_panel.value().prompts.prompt.split())
        self._dialog.set_prompt_text(f"{prompt or 'No prompt yet'} · finished by {full.title}")


def _with_seed(request: GenerationRequest, seed: int) -> GenerationRequest:
    return replace(request, sampling=replace(request.sampling, seed=seed))
