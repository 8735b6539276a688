"""What each click calls: connects the desk, the stage and the status line with the session's verbs, and redraws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QPoint
from PySide6.QtWidgets import QFileDialog, QMenu

from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.request import Execution
from sdxl_desktop.session.pictures import Result, suggested_name
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.desktop import show_in_folder
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.status import StatusLine, devices_text
from sdxl_desktop.ui.transfer import OutgoingPictures

_FORMATS = "PNG (*.png);;JPEG (*.jpg *.jpeg);;WebP (*.webp)"


class Conductor(QObject):
    """The verbs of the window. `execution` says where and how the next run is to happen."""

    def __init__(
        self,
        session: Session,
        desk: Desk,
        stage: Stage,
        status: StatusLine,
        outgoing: OutgoingPictures,
        execution: Callable[[], Execution],
    ) -> None:
        super().__init__(stage)
        self._session = session
        self._desk, self._stage, self._status = desk, stage, status
        self._outgoing = outgoing
        self._execution = execution
        self._problem: SdxlDesktopError | None = None
        self._finished = session.finished
        self._to_tell: Picture | None = None
        self._toast_file: Path | None = None
        self._connect()
        session.changed = self.redraw

    def _connect(self) -> None:
        desk, stage = self._desk, self._stage
        desk.generate_wanted.connect(self.generate)
        desk.queue_wanted.connect(self.add_to_queue)
        desk.cancel_wanted.connect(self._session.cancel)
        stage.banner.dismissed.connect(self.dismiss)
        stage.banner.answered.connect(self._session.resume)
        stage.toast.answered.connect(self._show_toast_file)
        stage.menu_wanted.connect(self._show_menu)
        stage.empty.prompt_chosen.connect(desk.use_prompt)
        stage.bar.save_wanted.connect(self.save)
        stage.bar.save_as_wanted.connect(self.save_as)
        stage.bar.copy_wanted.connect(self.copy)

    # drawing

    def generate(self) -> None:
        """Draw what the desk says, unless something is being drawn."""
        if self._session.run is not None:
            self._stage.toast.tell("Already drawing. Ctrl+Shift+Enter adds this to the queue.")
            return
        self._stage.follow()
        self.add_to_queue()

    def add_to_queue(self) -> None:
        """Draw what the desk says as soon as the engine is free."""
        try:
            request = self._desk.request(self._execution())
        except SdxlDesktopError as problem:
            self.show_problem(problem)
            return
        if request is None:
            self.show_problem(_nothing_to_draw_with())
            return
        self._problem = None
        self._stage.toast.dismiss()
        self._session.generate(request)

    def escape(self) -> None:
        """Stop what runs; with nothing running, put a message away."""
        if self._session.run is not None:
            self._session.cancel()
        else:
            self.dismiss()

    def dismiss(self) -> None:
        self._problem = None
        self._stage.toast.dismiss()
        self._session.dismiss()

    # the picture on the canvas

    def save(self) -> None:
        self._keep(lambda row: self._session.save(row))

    def save_as(self) -> None:
        result = self._current()
        if result is None:
            return
        start = self._session.store.folder / f"{suggested_name(result)}.png"
        chosen, kind = QFileDialog.getSaveFileName(self._stage, "Save picture as", str(start), _FORMATS)
        if chosen:
            path = with_suffix(Path(chosen), kind)
            self._keep(lambda row: self._session.save_as(row, path))

    def copy(self) -> None:
        result = self._current()
        if result is not None:
            self._outgoing.copy(result)
            self._stage.toast.tell("Picture copied")

    def use_settings(self) -> None:
        result = self._current()
        if result is not None:
            self._desk.reuse(result.request, result.picture.seed)

    def use_seed(self) -> None:
        result = self._current()
        if result is not None:
            self._desk.use_seed(result.picture.seed)

    def show_in_folder(self) -> None:
        result = self._current()
        if result is not None and result.saved_to is not None:
            show_in_folder(result.saved_to)

    def _current(self) -> Result | None:
        row = self._stage.current_row()
        return self._session.results[row] if 0 <= row < len(self._session.results) else None

    def _keep(self, verb: Callable[[int], Result]) -> None:
        row = self._stage.current_row()
        if self._current() is None:
            return
        try:
            result = verb(row)
        except SdxlDesktopError as problem:
            self.show_problem(problem)
        else:
            self._tell_saved(result)

    def _tell_saved(self, result: Result) -> None:
        self._toast_file = result.saved_to
        if result.saved_to is not None:
            self._stage.toast.tell(
                f"Saved as {result.saved_to.name}", answer="Show in folder", tip=str(result.saved_to)
            )

    def _show_toast_file(self) -> None:
        if self._toast_file is not None:
            show_in_folder(self._toast_file)

    def _show_menu(self, row: int, place: QPoint) -> None:
        menu = self.result_menu(row)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def result_menu(self, row: int) -> QMenu:
        """What can be done with the result in `row`, which comes onto the canvas."""
        self._stage.go_to(row)
        result = self._current()
        menu = QMenu(self._stage)
        menu.addAction("Use these settings", self.use_settings)
        menu.addAction("Use this seed", self.use_seed)
        menu.addSeparator()
        menu.addAction("Save", self.save)
        menu.addAction("Save as…", self.save_as)
        menu.addAction("Copy", self.copy)
        folder = menu.addAction("Show in folder", self.show_in_folder)
        folder.setEnabled(result is not None and result.saved_to is not None)
        return menu

    # redrawing

    def show_problem(self, problem: SdxlDesktopError) -> None:
        """Tell a problem that is not of a run."""
        self._problem = problem
        self.redraw()

    def redraw(self) -> None:
        """Make the window show where the session stands."""
        session = self._session
        run = session.run
        self._stage.redraw(session)
        self._desk.show_run(
            running=run is not None,
            cancelling=run is not None and run.cancelling,
            waiting=len(session.queue),
        )
        self._status.redraw(session)
        waiting = len(session.queue) if run is None and session.error else 0
        self._stage.banner.show_error(
            session.error or self._problem, f"Go on with the {waiting} waiting" if waiting else ""
        )
        if session.finished is not self._finished:
            self._take_finished()
        self._tell_kept()

    def _take_finished(self) -> None:
        self._finished = self._session.finished
        if self._finished is None or not self._session.results:
            return
        self._status.show_parts(devices_text(self._finished))
        last = self._session.results[-1].picture
        if last.notes:
            self._stage.toast.tell(" ".join(last.notes))
        else:
            self._to_tell = last

    def _tell_kept(self) -> None:
        """Say where the last picture of a run is, as soon as it is written."""
        last = self._session.results[-1] if self._session.results else None
        if last is not None and last.picture is self._to_tell and last.saved_to is not None:
            self._to_tell = None
            self._tell_saved(last)


def with_suffix(path: Path, kind: str) -> Path:
    """`path` with the chosen format's suffix when the person wrote none that we know."""
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        return path
    suffix = {"J": ".jpg", "W": ".webp"}.get(kind[:1], ".png")
    return path.with_name(path.name + suffix)


def _nothing_to_draw_with() -> CheckpointError:
    return CheckpointError(
        "There is no checkpoint to draw with.",
        next_step="Put a folder of OpenVINO SDXL parts into your checkpoints folder, or choose it in the settings.",
    )
