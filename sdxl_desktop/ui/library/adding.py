"""Where something new comes from: a file, a folder, an id or URL, or a card of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.formats.weight_files import CHECKPOINT_ENDINGS
from sdxl_desktop.imaging.formats import ALL_FILES, dialog_filter, listed
from sdxl_desktop.library.catalogue import Kind, catalogue
from sdxl_desktop.library.hub.address import parse_address
from sdxl_desktop.library.hub.errors import AccessError, AddressError
from sdxl_desktop.ui.library.entry_cards import EntryCard
from sdxl_desktop.ui.library.pieces import Notice, bring_into_sight, scrolled, title
from sdxl_desktop.ui.library.token_field import Asks, TokenField
from sdxl_desktop.ui.status import ProgressLine
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row

_FILTER = f"{dialog_filter('Checkpoints', CHECKPOINT_ENDINGS)};;{ALL_FILES}"


class Adding(QWidget):
    """`look_up_wanted` carries a path, an id or a URL as text; `stop_wanted` when the person does not want to wait."""

    look_up_wanted = Signal(str)
    stop_wanted = Signal()

    def __init__(self, asks: Asks, machine_memory: int) -> None:
        super().__init__()
        self._asked = ""
        self.edit = QLineEdit()
        self.look = QPushButton("&Look up")
        self.file, self.folder = QPushButton("F&ile…"), QPushButton("F&older…")
        self._busy, self._line, self._what = QWidget(), ProgressLine(), muted()
        self.stop = QPushButton("Stop")
        self.problem, self.token = Notice(), TokenField(asks)
        self.cards = tuple(EntryCard(entry, machine_memory) for entry in catalogue() if entry.kind is not Kind.SHIPPED)
        self._lay_out()
        self._connect()
        self.show_looking("")

    def _lay_out(self) -> None:
        self.edit.setPlaceholderText("owner/name, or the URL of a page at huggingface.co")
        self.edit.setAccessibleName("Id or URL of a checkpoint")
        self.edit.setClearButtonEnabled(True)
        for button in (self.look, self.file, self.folder, self.stop):
            button.setAutoDefault(False)
        self.file.setToolTip(f"A {listed(CHECKPOINT_ENDINGS)} file")
        self.folder.setToolTip("A folder with a whole checkpoint, as diffusers or OpenVINO keep it")
        self.problem.body.insertWidget(2, self.token)
        waiting = row(self._line, self._what, spacing=16)
        waiting.addStretch(1)
        waiting.addWidget(self.stop)
        self._busy.setLayout(waiting)
        here = row(self.file, self.folder, muted("or drop it on the window"))
        here.addStretch(1)
        content = column(
            title("Add a checkpoint"),
            heading("From the Hugging Face hub"),
            row(self.edit, self.look),
            self._busy,
            self.problem,
            heading("From this computer"),
            here,
            heading("Known checkpoints"),
            *self.cards,
            spacing=10,
            margins=(0, 0, 12, 8),
        )
        content.addStretch(1)
        self.setLayout(column(scrolled(content)))

    def _connect(self) -> None:
        self.edit.returnPressed.connect(self._look)
        self.look.clicked.connect(self._look)
        self.stop.clicked.connect(self.stop_wanted)
        self.file.clicked.connect(self._ask_for_file)
        self.folder.clicked.connect(self._ask_for_folder)
        self.token.kept.connect(self._try_again)
        self.problem.answer.clicked.connect(self._try_again)
        for card in self.cards:
            card.wanted.connect(self._want)

    # asking

    def _look(self) -> None:
        text = self.edit.text().strip()
        if text:
            self._want(text)

    def _want(self, what: str) -> None:
        self.show_looking(what)
        self.look_up_wanted.emit(what)

    def _try_again(self) -> None:
        if self._asked:
            self._want(self._asked)

    def _ask_for_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Add a checkpoint from a file", "", _FILTER)
        if chosen:
            self._want(chosen)

    def _ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a checkpoint from a folder")
        if chosen:
            self._want(chosen)

    # showing

    def show_looking(self, what: str) -> None:
        """`what` is being looked up; "" when nothing is."""
        if what:
            self._asked = what
            self.problem.hide()
            self._what.setText(f"Looking up {what if len(what) < 50 else '…' + what[-48:]}")
        self._busy.setVisible(bool(what))
        if what:
            bring_into_sight(self._busy)
        self._line.show_fraction(None if what else 0.0)

    def show_problem(self, what: str, problem: SdxlDesktopError) -> None:
        """Looking up `what` failed; where the hub wants to know who asks, the field for the token comes."""
        self.show_looking("")
        self._asked = what
        needs_token = isinstance(problem, AccessError)
        retry = not problem.bad_input
        self.problem.tell_problem(problem, answer="Try again" if retry else "")
        self.token.setVisible(needs_token)
        if needs_token:
            self.token.show_for(page_of(what))
            self.token.edit.setFocus()

    def show_have(self, sources: Iterable[str]) -> None:
        """Which repositories and names are in the library already."""
        known = set(sources)
        for card in self.cards:
            entry = card.entry
            card.show_have(entry.id in known or (entry.repo is not None and str(entry.address) in known))

    def focus(self) -> None:
        """Put the cursor where an id or URL goes."""
        self.edit.setFocus()
        self.edit.selectAll()


def page_of(what: str) -> str:
    """The page on the hub of what somebody typed or chose, "" where there is none."""
    entry = next((entry for entry in catalogue() if entry.id == what and entry.repo is not None), None)
    try:
        return (entry.address if entry is not None else parse_address(what)).page
    except AddressError:
        return ""
