"""The queue as a panel, for the popover and the dialog: heading, list, and buttons for all and for the selected."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu, QPushButton, QStackedLayout, QWidget

from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.generation_queue import Hold
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem
from sdxl_desktop.ui.queue.queue_formatting import hold_text, is_rearranged, queue_heading
from sdxl_desktop.ui.queue.queue_model import QueueModel
from sdxl_desktop.ui.queue.queue_view import QueueView
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row

_EMPTY = (
    "Nothing waits. Ctrl+Shift+Enter adds what the panels say to the queue, also while a picture is drawn or the queue "
    "is paused."
)
_ARRANGED = (
    "Arranged so that checkpoints and sizes change rarely. What you drag keeps its place; the settings turn this off."
)


class QueuePanel(QWidget):
    """Shows the queue of `session` and emits what the user asks for; the ids of items are text."""

    pause_requested = Signal()
    continue_requested = Signal()
    clear_requested = Signal()
    edit_requested = Signal(str)
    duplicate_requested = Signal(str)
    run_next_requested = Signal(str)
    pause_item_requested = Signal(str)
    continue_item_requested = Signal(str)
    remove_requested = Signal(object)
    priority_requested = Signal(object, object)
    """With the ids, and a `Priority`."""
    move_requested = Signal(object, int)
    """With the ids, and the row before which they go."""

    def __init__(self, session: GenerationSession, model: QueueModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._model = session, model
        self.view = QueueView(model)
        self._heading, self._hold_label = heading_label(""), muted_label(wrap=True)
        self._arranged_label, self._empty_label = muted_label(_ARRANGED, wrap=True), muted_label(_EMPTY, wrap=True)
        self.pause_button = QPushButton()
        self._clear_button = QPushButton("Clear the queue")
        self._next_button, self._edit_button, self._duplicate_button, self._remove_button = (
            with_role(QPushButton(text), "link") for text in ("Run next", "Edit", "Duplicate", "Remove")
        )
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        self._empty_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._clear_button.setToolTip("Take all that wait out of the queue; what is drawn now continues")
        self._next_button.setToolTip("Draw this before all that wait")
        self._edit_button.setToolTip("Load this into the panels, to change it (Enter)")
        self._duplicate_button.setToolTip("Add the same request once more")
        self._remove_button.setToolTip("Take this out of the queue (Delete)")
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        head = row(self._heading, self.pause_button, self._clear_button)
        head.setStretch(0, 1)
        foot = row(self._next_button, self._edit_button, self._duplicate_button, self._remove_button, spacing=4)
        foot.addStretch(1)
        content = QWidget()
        self._pages = QStackedLayout(content)
        self._pages.addWidget(self.view)
        self._pages.addWidget(self._empty_label)
        whole = column(head, self._hold_label, content, self._arranged_label, foot, spacing=8)
        whole.setStretch(2, 1)
        self.setLayout(whole)

    def _connect(self) -> None:
        view = self.view
        self.pause_button.clicked.connect(self._pause_or_continue)
        self._clear_button.clicked.connect(self.clear_requested)
        for button, signal in (
            (self._next_button, self.run_next_requested),
            (self._edit_button, self.edit_requested),
            (self._duplicate_button, self.duplicate_requested),
        ):
            button.clicked.connect(partial(self._emit_current, signal.emit))
        self._remove_button.clicked.connect(lambda: self.remove_requested.emit(view.selected_ids()))
        view.edit_requested.connect(self.edit_requested)
        view.remove_requested.connect(self.remove_requested)
        view.shift_requested.connect(self._shift)
        view.menu_requested.connect(self._open_menu)
        view.selectionModel().selectionChanged.connect(lambda *_: self._update_buttons())
        self._model.move_requested.connect(self._move_if_visible)

    def _emit_current(self, emit: Callable[[str], object]) -> None:
        item = self.view.current_item()
        if item is not None:
            emit(item.id)

    def _pause_or_continue(self) -> None:
        if self._can_continue:
            self.continue_requested.emit()
        else:
            self.pause_requested.emit()

    @property
    def _can_continue(self) -> bool:
        session = self._session
        waits = session.run is None and session.error is not None and bool(session.queue.waiting)
        return session.queue.hold is not Hold.NONE or waits

    def _move_if_visible(self, item_ids: object, at: int) -> None:
        if self.isVisible():  # the popover and the dialog share the model
            self.move_requested.emit(item_ids, at)

    def _shift(self, item_ids: list[str], by: int) -> None:
        rows = [self._model.row_of(one) for one in item_ids]
        self.move_requested.emit(item_ids, max(0, min(rows) - 1) if by < 0 else max(rows) + 2)

    # showing

    def refresh(self) -> None:
        """Follow the session; the model is updated by its owner."""
        session, queue = self._session, self._session.queue
        self._heading.setText(queue_heading(queue))
        held = hold_text(queue, session.error, running=session.run is not None)
        self._hold_label.setText(held)
        self._hold_label.setVisible(bool(held))
        can_continue = self._can_continue
        self.pause_button.setText("Continue" if can_continue else "Pause")
        self.pause_button.setToolTip(
            "Draw what waits" if can_continue else "Pause at the next step; what is added waits until you continue"
        )
        with_role(self.pause_button, "primary" if can_continue and queue.waiting else "")
        self.pause_button.setEnabled(session.run is None or session.run.pausing is None)
        self._clear_button.setEnabled(any(item.state is not ItemState.RUNNING for item in queue.items))
        self._pages.setCurrentIndex(0 if self._model.items else 1)
        self._arranged_label.setVisible(queue.arranged and is_rearranged(queue, self._model.items))
        self._update_buttons()

    def _update_buttons(self) -> None:
        item, ids = self.view.current_item(), self.view.selected_ids()
        one = item is not None and len(ids) == 1
        waits = one and item is not None and item.state is not ItemState.RUNNING
        self._next_button.setEnabled(waits)
        self._edit_button.setEnabled(waits)
        self._duplicate_button.setEnabled(one)
        self._remove_button.setEnabled(bool(ids))

    # the context menu

    def _open_menu(self, position: QPoint) -> None:
        item = self.view.current_item()
        if item is None:
            return
        menu = self.build_menu(item)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(position)

    def build_menu(self, item: QueueItem) -> QMenu:
        """Return the menu of the selected items, of which `item` is the current one."""
        menu = QMenu(self)
        ids = self.view.selected_ids()
        waits = item.state is not ItemState.RUNNING
        single = len(ids) == 1
        menu.addAction("Run &next", partial(self.run_next_requested.emit, item.id)).setEnabled(waits and single)
        self._add_pause(menu, item)
        edit = menu.addAction("&Edit", partial(self.edit_requested.emit, item.id))
        edit.setEnabled(waits and single)
        menu.addAction("&Duplicate", partial(self.duplicate_requested.emit, item.id)).setEnabled(single)
        menu.addSeparator()
        up = menu.addAction("Move &up", partial(self._shift, ids, -1))
        down = menu.addAction("Move do&wn", partial(self._shift, ids, 1))
        priorities = menu.addMenu("&Priority")
        for priority in reversed(Priority):
            action = priorities.addAction(priority.label, partial(self.priority_requested.emit, ids, priority))
            action.setCheckable(True)
            action.setChecked(item.priority is priority)
        menu.addSeparator()
        remove = menu.addAction("Cancel" if not waits else "&Remove", partial(self.remove_requested.emit, ids))
        for action, keys in ((edit, "Return"), (remove, "Delete"), (up, "Alt+Up"), (down, "Alt+Down")):
            action.setShortcut(QKeySequence(keys))  # shown only: the list handles its keys itself
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        return menu

    def _add_pause(self, menu: QMenu, item: QueueItem) -> None:
        if item.state is ItemState.FAILED:
            menu.addAction("&Try again", partial(self.continue_item_requested.emit, item.id))
        elif item.state is ItemState.PAUSED:
            menu.addAction("&Continue", partial(self.continue_item_requested.emit, item.id))
        else:
            menu.addAction("P&ause this one", partial(self.pause_item_requested.emit, item.id))
