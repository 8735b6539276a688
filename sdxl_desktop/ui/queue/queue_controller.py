"""The window's side of the queue: its actions, its list, its files, and what the desktop shows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QMainWindow

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.session.current_run import PauseKind
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.generation_queue import GenerationQueue, Hold
from sdxl_desktop.session.queue.queue_item import ItemState, QueueItem
from sdxl_desktop.session.queue.queue_store import LeftQueue, QueueStore
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.queue.desktop_status import DesktopStatus
from sdxl_desktop.ui.queue.queue_editing import QueueEditing
from sdxl_desktop.ui.queue.queue_formatting import checkpoint_title, format_count
from sdxl_desktop.ui.queue.queue_keeper import QueueKeeper
from sdxl_desktop.ui.queue.queue_model import QueueModel
from sdxl_desktop.ui.queue.queue_panel import QueuePanel
from sdxl_desktop.ui.queue.queue_windows import QueueDialog, QueuePopover


@dataclass(frozen=True, slots=True)
class QueueContext:
    """What the queue needs of the window. `checkpoints` returns those that were found, `with_frame_size` a request at
    the size of its frame."""

    window: QMainWindow
    session: GenerationSession
    parameters_panel: ParametersPanel
    canvas_area: CanvasArea
    background: BackgroundRunner
    preferences: Callable[[], Preferences]
    checkpoints: Callable[[], tuple[Checkpoint, ...]]
    with_frame_size: Callable[[GenerationRequest], GenerationRequest]
    show_error: Callable[[SdxlDesktopError], object]


class QueueController(QObject):
    """`ready`: the queue of earlier windows was taken over. Call `start` when the window is visible, `refresh` after
    each session change, and `close` at the end."""

    ready = Signal()

    def __init__(self, context: QueueContext, folder: Path) -> None:
        super().__init__(context.window)
        self._context, self._session = context, context.session
        self._notify = context.canvas_area.toast.notify
        self._keeper = QueueKeeper(context.session, QueueStore(folder), context.background, context.show_error)
        self._editing = QueueEditing(
            context.session,
            context.parameters_panel,
            context.preferences,
            context.with_frame_size,
            self._notify,
            context.show_error,
        )
        self.desktop = DesktopStatus(self, self._activate_window)
        self._model = QueueModel(context.session, lambda folder: checkpoint_title(folder, context.checkpoints()), self)
        self._popover: QueuePopover | None = None
        self._dialog: QueueDialog | None = None
        self._last_finished: RunFinished | None = context.session.finished
        self._was_running = False
        self.apply_preferences()
        self._connect()

    def _connect(self) -> None:
        panel = self._context.parameters_panel
        panel.queue_list_requested.connect(self.open_popover)
        panel.clear_queue_requested.connect(self.clear)
        panel.continue_requested.connect(self.continue_queue)
        panel.pause_requested.connect(self.pause)

    # starting and ending

    def start(self) -> None:
        """Take over what earlier windows left in their queues."""
        self._keeper.take_left(self._offer_left, self.ready.emit)

    def add_left(self, requests: tuple[GenerationRequest, ...]) -> None:
        """Add requests that a project of an earlier version left undrawn."""
        items = tuple(QueueItem(request=request) for request in requests)
        self._session.change_queue(lambda queue: queue.merged(items))
        self._offer_left(LeftQueue(items))

    def _offer_left(self, left: LeftQueue) -> None:
        """Say how much is still to be drawn, unless a question about other work is being asked."""
        if self._context.canvas_area.toast.isVisible():
            return
        count = self._session.queue.remaining_pictures
        lost = f" {left.damaged} of the queue could not be read." if left.damaged else ""
        if count:
            are = "is" if count == 1 else "are"
            self._notify(
                f"{format_count(count)} {are} still to be drawn.{lost}",
                action="Continue",
                callback=self.continue_queue,
                persistent=True,
            )
        elif lost:
            self._notify(lost.strip())

    def save_now(self) -> None:
        """Write the queue now: the system may end this process."""
        self._keeper.save_now()

    def close(self) -> None:
        """Write the queue for the next start."""
        self._editing.cancel()
        self._keeper.close()
        self.desktop.close()
        for window in (self._popover, self._dialog):
            if window is not None:
                window.close()

    def apply_preferences(self) -> None:
        """Follow the preferences on arranging."""
        arranged = self._context.preferences().arrange_queue
        if arranged is not self._session.queue.arranged:
            self._session.queue = replace(self._session.queue, arranged=arranged)
            self.refresh()

    # actions for the whole queue

    def pause(self) -> None:
        """Pause the run at its next step, and put the queue on hold."""
        self._session.pause(PauseKind.HOLD)

    def continue_queue(self) -> None:
        """Draw what waits, from where it was paused."""
        self._context.canvas_area.follow_run()
        self._session.continue_queue()

    @property
    def can_pause(self) -> bool:
        """Whether `toggle_pause` does something."""
        run = self._session.run
        return run is None or (run.pausing is None and not run.cancelling)

    def toggle_pause(self) -> None:
        """Continue the queue if it is on hold or waits after an error, else pause it."""
        session = self._session
        if session.queue.hold is not Hold.NONE or (session.run is None and session.error is not None):
            self.continue_queue()
        elif self.can_pause:
            self.pause()
            if session.run is None:
                self._notify("The queue is paused; what you add waits until you continue")

    def clear(self) -> None:
        """Clear the queue; the run in progress continues."""
        self._tell_removed(self._session.clear_queue())

    def _tell_removed(self, count: int) -> None:
        if count:
            self._notify(f"{count} taken out of the queue", action="Undo", callback=self._session.restore_queue)

    # actions for items

    def remove(self, item_ids: list[str]) -> None:
        """Take items out of the queue, which can be undone; one that is running is cancelled."""
        running = self._session.queue.running
        before = len(self._session.queue.items)
        self._session.change_queue(lambda queue: queue.removed_items(item_ids))
        self._tell_removed(before - len(self._session.queue.items))
        if running is not None and running.id in item_ids:
            self._session.cancel()

    def edit(self, item_id: str) -> None:
        """Load an item into the panels."""
        item = self._session.queue.find(item_id)
        if item is not None and item.state is ItemState.RUNNING:
            self._notify("It is being drawn. Pause it first to change it.")
            return
        if self._popover is not None:
            self._popover.close()
        self._editing.begin(item_id)

    def pause_item(self, item_id: str) -> None:
        """Skip an item until it is continued; one that is running stops at its next step, and the queue goes on."""
        running = self._session.queue.running
        if running is not None and running.id == item_id:
            self._session.pause(PauseKind.SKIP)
        else:
            self._session.change_queue(lambda queue: queue.with_paused_item(item_id))

    def _duplicate(self, item_id: str) -> None:
        self._session.change_queue(lambda queue: queue.duplicated(item_id))

    def _run_next(self, item_id: str) -> None:
        self._session.change_queue(lambda queue: queue.run_next(item_id))

    def _continue_item(self, item_id: str) -> None:
        self._session.change_queue(lambda queue: queue.with_continued_item(item_id))

    def _move(self, item_ids: list[str], at: int) -> None:
        loaded = self._session.loaded

        def moved(queue: GenerationQueue) -> GenerationQueue:
            return queue.moved(item_ids, at, loaded)

        self._session.change_queue(moved)

    # the list

    def open_popover(self) -> None:
        """Show the queue at its button."""
        if self._popover is None:
            self._popover = QueuePopover(self._build_panel(), self._context.window)
            self._popover.page_requested.connect(self.open_page)
        self._model.update()
        self._popover.panel.refresh()
        self._popover.open_at(self._context.parameters_panel.queue_anchor)

    def open_page(self) -> QueueDialog:
        """Show the queue in a window of its own."""
        if self._dialog is None:
            self._dialog = QueueDialog(self._build_panel(), self._context.window)
        self._model.update()
        self._dialog.panel.refresh()
        self._dialog.open_page()
        return self._dialog

    def _build_panel(self) -> QueuePanel:
        panel = QueuePanel(self._session, self._model)
        panel.pause_requested.connect(self.toggle_pause)
        panel.continue_requested.connect(self.continue_queue)
        panel.clear_requested.connect(self.clear)
        panel.edit_requested.connect(self.edit)
        panel.duplicate_requested.connect(self._duplicate)
        panel.run_next_requested.connect(self._run_next)
        panel.pause_item_requested.connect(self.pause_item)
        panel.continue_item_requested.connect(self._continue_item)
        panel.remove_requested.connect(self.remove)
        panel.priority_requested.connect(
            lambda ids, priority: self._session.change_queue(lambda queue: queue.with_priority(ids, priority))
        )
        panel.move_requested.connect(self._move)
        return panel

    # following the session

    def refresh(self) -> None:
        """Show the session's state, and tell the desktop."""
        shown = [one for one in (self._popover, self._dialog) if one is not None and one.isVisible()]
        if shown:
            self._model.update()
            for one in shown:
                one.panel.refresh()
        run = self._session.run
        self.desktop.show_progress(None if run is None else run.progress.fraction or 0.0)
        is_over = self._was_running and run is None
        self._was_running = run is not None
        if is_over:
            self._notify_desktop()

    def _notify_desktop(self) -> None:
        """After the last run, if the application is not in front."""
        session = self._session
        finished, self._last_finished = session.finished, self._last_finished
        is_new, self._last_finished = finished is not self._last_finished, finished
        failed = session.error is not None
        if not (is_new or failed) or not self._context.preferences().notify_when_done:
            return
        if QApplication.activeWindow() is not None:
            return
        if failed:
            self.desktop.notify("A picture could not be drawn", "SDXL Desktop says why.")
        else:
            self.desktop.notify("Everything is drawn", "The pictures are in SDXL Desktop.")

    def _activate_window(self) -> None:
        window = self._context.window
        window.setWindowState(window.windowState() & ~window.windowState().WindowMinimized)
        window.raise_()
        window.activateWindow()
