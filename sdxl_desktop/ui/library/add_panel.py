"""The panel for adding a checkpoint: from a file, a folder, a repository id or URL, or a catalogue card."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.formats.weight_variants import CHECKPOINT_ENDINGS
from sdxl_desktop.imaging.picture_formats import ALL_FILES, dialog_filter, listed
from sdxl_desktop.library.catalogue import CatalogueKind, catalogue
from sdxl_desktop.library.hub.hub_address import parse_address
from sdxl_desktop.library.hub.hub_errors import AccessError, AddressError
from sdxl_desktop.ui.library.catalogue_cards import CatalogueCard
from sdxl_desktop.ui.library.common_widgets import InlineNotice, scroll_area, scroll_into_view, title_label
from sdxl_desktop.ui.library.token_field import TaskRunner, TokenField
from sdxl_desktop.ui.status_line import SlimProgressBar
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row

_FILTER = f"{dialog_filter('Checkpoints', CHECKPOINT_ENDINGS)};;{ALL_FILES}"


class AddCheckpointPanel(QWidget):
    """`resolve_requested` carries a path, an id or a URL as text; `stop_requested` cancels the running look-up."""

    resolve_requested = Signal(str)
    stop_requested = Signal()

    def __init__(self, runner: TaskRunner, machine_memory: int) -> None:
        super().__init__()
        self._last_query = ""
        self.query_edit = QLineEdit()
        self.look_up_button = QPushButton("&Look up")
        self.file_button, self.folder_button = QPushButton("F&ile…"), QPushButton("F&older…")
        self._busy, self._progress_line, self._progress_label = QWidget(), SlimProgressBar(), muted_label()
        self.stop_button = QPushButton("Stop")
        self.error_notice, self.token_field = InlineNotice(), TokenField(runner)
        self.cards = tuple(
            CatalogueCard(entry, machine_memory) for entry in catalogue() if entry.kind is not CatalogueKind.SHIPPED
        )
        self._lay_out()
        self._connect()
        self.show_resolving("")

    def _lay_out(self) -> None:
        self.query_edit.setPlaceholderText("owner/name, or the URL of a page at huggingface.co")
        self.query_edit.setAccessibleName("Id or URL of a checkpoint")
        self.query_edit.setClearButtonEnabled(True)
        for button in (self.look_up_button, self.file_button, self.folder_button, self.stop_button):
            button.setAutoDefault(False)
        self.file_button.setToolTip(f"A {listed(CHECKPOINT_ENDINGS)} file")
        self.folder_button.setToolTip("A folder with a whole checkpoint, as diffusers or OpenVINO keep it")
        self.error_notice.body.insertWidget(2, self.token_field)
        waiting = row(self._progress_line, self._progress_label, spacing=16)
        waiting.addStretch(1)
        waiting.addWidget(self.stop_button)
        self._busy.setLayout(waiting)
        here = row(self.file_button, self.folder_button, muted_label("or drop it on the window"))
        here.addStretch(1)
        content = column(
            title_label("Add a checkpoint"),
            heading_label("From the Hugging Face hub"),
            row(self.query_edit, self.look_up_button),
            self._busy,
            self.error_notice,
            heading_label("From this computer"),
            here,
            heading_label("Known checkpoints"),
            *self.cards,
            spacing=10,
            margins=(0, 0, 12, 8),
        )
        content.addStretch(1)
        self.setLayout(column(scroll_area(content)))

    def _connect(self) -> None:
        self.query_edit.returnPressed.connect(self._resolve_typed)
        self.look_up_button.clicked.connect(self._resolve_typed)
        self.stop_button.clicked.connect(self.stop_requested)
        self.file_button.clicked.connect(self._choose_file)
        self.folder_button.clicked.connect(self._choose_folder)
        self.token_field.token_saved.connect(self._retry)
        self.error_notice.action_button.clicked.connect(self._retry)
        for card in self.cards:
            card.requested.connect(self._resolve)

    # resolving

    def _resolve_typed(self) -> None:
        text = self.query_edit.text().strip()
        if text:
            self._resolve(text)

    def _resolve(self, query: str) -> None:
        self.show_resolving(query)
        self.resolve_requested.emit(query)

    def _retry(self) -> None:
        if self._last_query:
            self._resolve(self._last_query)

    def _choose_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Add a checkpoint from a file", "", _FILTER)
        if chosen:
            self._resolve(chosen)

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a checkpoint from a folder")
        if chosen:
            self._resolve(chosen)

    # displaying

    def show_resolving(self, query: str) -> None:
        """Show that `query` is being resolved; "" means that nothing is."""
        if query:
            self._last_query = query
            self.error_notice.hide()
            self._progress_label.setText(f"Looking up {query if len(query) < 50 else '…' + query[-48:]}")
        self._busy.setVisible(bool(query))
        if query:
            scroll_into_view(self._busy)
        self._progress_line.set_fraction(None if query else 0.0)

    def show_error(self, query: str, error: SdxlDesktopError) -> None:
        """Show that resolving `query` failed. If the hub requires authentication, show the token field."""
        self.show_resolving("")
        self._last_query = query
        needs_token = isinstance(error, AccessError)
        retry = not error.is_user_error
        self.error_notice.show_error(error, action="Try again" if retry else "")
        self.token_field.setVisible(needs_token)
        if needs_token:
            self.token_field.show_for(hub_page_url(query))
            self.token_field.token_edit.setFocus()

    def mark_installed(self, sources: Iterable[str]) -> None:
        """Mark the catalogue cards whose repositories or names are already in the library."""
        known = set(sources)
        for card in self.cards:
            entry = card.entry
            card.mark_installed(entry.id in known or (entry.repo is not None and str(entry.address) in known))

    def focus_query(self) -> None:
        """Move the keyboard focus to the field for the id or URL."""
        self.query_edit.setFocus()
        self.query_edit.selectAll()


def hub_page_url(query: str) -> str:
    """Return the hub page for a typed or selected query, or "" if there is none."""
    entry = next((entry for entry in catalogue() if entry.id == query and entry.repo is not None), None)
    try:
        return (entry.address if entry is not None else parse_address(query)).page
    except AddressError:
        return ""
