"""The dialog of LoRAs and embeddings: a searchable grid or list on the left, the details of one on the right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QListView, QMenu, QPushButton, QSplitter, QStackedWidget, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.ui.additions.addition_details import AdditionDetails
from sdxl_desktop.ui.additions.addition_model import THUMBNAIL_SIDE, AdditionModel
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row

_LIST_ICON = 32
_EMPTY_TEXT = (
    "There are no LoRAs or embeddings here yet. Open the folder and put .safetensors files into it, or choose the "
    "folder that you already have in the settings."
)
_NOTHING_FOUND = "Nothing contains these words."


class AdditionsDialog(FittedDialog):
    """Displays the given entries; emits what the person wants. Non-modal, open beside the main window."""

    folder_requested = Signal()
    settings_requested = Signal()
    rescan_requested = Signal()
    import_tags_requested = Signal()
    remove_tags_requested = Signal()

    def __init__(self, background: BackgroundRunner, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("LoRAs and embeddings")
        self.model = AdditionModel(background)
        self.details = AdditionDetails()
        self.search_field = QLineEdit()
        self.view = QListView()
        self.layout_switch = SegmentedControl("View", (("grid", "Grid"), ("list", "List")))
        self._status_label, self._empty_label = muted_label(wrap=True), muted_label(_EMPTY_TEXT, wrap=True)
        self._tags_button, self._folder_button = QPushButton("Tag list"), QPushButton("&Open folder")
        self._settings_button = QPushButton("Choose another folder…")
        self._stack, self._empty_page = QStackedWidget(), QWidget()
        self._total = 0
        self._lay_out()
        self._connect()
        self._set_layout()

    def _lay_out(self) -> None:
        self.search_field.setPlaceholderText("Search names, models and trigger words")
        self.search_field.setAccessibleName("Search")
        self.search_field.setClearButtonEnabled(True)
        self.view.setObjectName("additions")
        self.view.setModel(self.model)
        self.view.setAccessibleName("LoRAs and embeddings")
        self.view.setUniformItemSizes(True)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        choose = row(self._settings_button)
        choose.addStretch(1)
        empty = column(self._empty_label, choose, margins=(16, 24, 16, 24))
        empty.addStretch(1)
        self._empty_page.setLayout(empty)
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty_page)
        for button in (self._tags_button, self._folder_button, self._settings_button):
            button.setAutoDefault(False)
        menu = QMenu(self._tags_button)
        menu.addAction("Import a tag list…", self.import_tags_requested.emit)
        menu.addAction("Remove the tag list", self.remove_tags_requested.emit)
        self._tags_button.setMenu(menu)
        self._tags_button.setToolTip("Tags that prompts are completed with: CSV lines of name, type, count, aliases")
        head = row(self.search_field, self.layout_switch)
        head.setStretch(0, 1)
        foot = row(self._folder_button, self._tags_button)
        foot.addStretch(1)
        left = QWidget()
        left.setLayout(column(head, self._stack, self._status_label, foot, margins=(16, 16, 8, 16)))
        both = QSplitter(Qt.Orientation.Horizontal)
        both.setChildrenCollapsible(False)
        both.setHandleWidth(1)
        both.addWidget(left)
        both.addWidget(self.details)
        both.setStretchFactor(0, 1)
        both.setSizes([600, 400])
        left.setMinimumWidth(320)
        self.details.setMinimumWidth(320)
        self.setLayout(column(both))
        self.resize(1040, 640)

    def _connect(self) -> None:
        self.search_field.textChanged.connect(self._handle_search)
        self.search_field.returnPressed.connect(self.view.setFocus)
        self.layout_switch.currentChanged.connect(self._set_layout)
        self.view.selectionModel().currentChanged.connect(self._handle_current)
        self.view.activated.connect(lambda _: self.details.prompt_button.click())
        self._folder_button.clicked.connect(self.folder_requested)
        self._settings_button.clicked.connect(self.settings_requested)
        QShortcut(QKeySequence.StandardKey.Find, self, self.search_field.setFocus)

    def set_entries(self, entries: Sequence[AdditionEntry], status: str) -> None:
        """List `entries`; the selected one stays selected. `status` is shown below."""
        before = self.details.entry
        self._total = len(entries)
        self.model.set_entries(entries)
        self._status_label.setText(status)
        self._status_label.setVisible(bool(status))
        self._select(max(0, self.model.row_of(before)))

    def select(self, entry: AdditionEntry) -> None:
        """Select `entry`."""
        self._select(self.model.row_of(entry))

    def show_error(self, problem: SdxlDesktopError) -> None:
        """Show why something that was asked for here failed."""
        self._status_label.setText(str(problem))
        self._status_label.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """F5 reads the folders again; Escape closes, as everywhere."""
        if event.key() == Qt.Key.Key_F5:
            self.rescan_requested.emit()
            return
        super().keyPressEvent(event)

    def _select(self, row_number: int) -> None:
        index = self.model.index(row_number) if self.model.entry_at(row_number) else QModelIndex()
        self.view.setCurrentIndex(index)
        self.details.show_entry(self.model.entry_at(index.row()))
        found = self.model.rowCount() > 0
        self._empty_label.setText(_NOTHING_FOUND if self._total else _EMPTY_TEXT)
        self._settings_button.setVisible(not self._total)
        self._stack.setCurrentWidget(self.view if found else self._empty_page)

    def _handle_search(self, words: str) -> None:
        before = self.details.entry
        self.model.set_words(words)
        self._select(max(0, self.model.row_of(before)))

    def _handle_current(self, index: QModelIndex) -> None:
        self.details.show_entry(self.model.entry_at(index.row()))

    def _set_layout(self, _: int = 0) -> None:
        grid = self.layout_switch.value() == "grid"
        side = THUMBNAIL_SIDE if grid else _LIST_ICON
        self.view.setViewMode(QListView.ViewMode.IconMode if grid else QListView.ViewMode.ListMode)
        self.view.setIconSize(QSize(side, side))
        self.view.setGridSize(QSize(side + 24, side + 40) if grid else QSize())
        self.view.setSpacing(0 if grid else 2)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setWordWrap(False)
