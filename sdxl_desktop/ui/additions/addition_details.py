"""What is known about the selected LoRA or embedding, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QPushButton, QScrollArea, QSizePolicy, QWidget

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT
from sdxl_desktop.core.lora_tags import is_usable_name
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry, TrainedModel
from sdxl_desktop.ui.devices.device_formatting import format_bytes
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fields import FloatField
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, labelled_row, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, plain_text_tooltip

_WEIGHT_STEP = 0.05
_MAX_TAGS_SHOWN = 20


class AdditionDetails(QScrollArea):
    """Shows one entry. `prompt_requested`: write it into the prompt; `list_requested`: add it to the list;
    `weight_chosen` and `notes_edited` carry the new value, None for the recommended weight."""

    prompt_requested = Signal()
    list_requested = Signal()
    words_requested = Signal(str)
    weight_chosen = Signal(object)
    notes_edited = Signal(str)
    reveal_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._entry: AdditionEntry | None = None
        self._title = heading_label("")
        self._facts, self._compatibility = muted_label(wrap=True), PlainTextLabel()
        self._words_label, self._tags_label = PlainTextLabel(), muted_label(wrap=True)
        self._description = muted_label(wrap=True)
        self.prompt_button = with_role(QPushButton("Add to &prompt"), "primary")
        self.list_button, self.words_button = QPushButton("Add to &list"), QPushButton("Add trigger &words")
        self.weight_field = FloatField("Default weight", -MAX_LORA_WEIGHT, MAX_LORA_WEIGHT, _WEIGHT_STEP, 2)
        self.reset_button = with_role(QPushButton("Reset"), "link")
        self.reveal_button = QPushButton("Show in &folder")
        self._notes = QPlainTextEdit()
        self._weight_row, self._words_row, self._content = QWidget(), QWidget(), QWidget()
        self._lay_out()
        self._connect()
        self.show_entry(None)

    def _lay_out(self) -> None:
        for label in (self._title, self._compatibility, self._words_label):
            label.setWordWrap(True)
        for label in (self._words_label, self._description):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for button in (self.prompt_button, self.list_button, self.words_button, self.reset_button, self.reveal_button):
            button.setAutoDefault(False)
        self._compatibility.setProperty("role", "over")
        self._notes.setPlaceholderText("Your notes")
        self._notes.setAccessibleName("Your notes")
        self._notes.setTabChangesFocus(True)
        self._notes.setFixedHeight(72)
        self.reset_button.setToolTip("Back to what the files beside it recommend, else 1")
        weight = labelled_row(
            "Weight", self.weight_field, self.reset_button, tooltip="The weight that it is added with"
        )
        self._weight_row.setLayout(weight)
        self._words_row.setLayout(column(heading_label("Trigger words"), self._words_label, self.words_button))
        actions = row(self.prompt_button, self.list_button)
        actions.addStretch(1)
        reveal = row(self.reveal_button)
        reveal.addStretch(1)
        inside = self._content
        inside.setObjectName("panelContent")
        whole = column(
            self._title,
            self._facts,
            self._compatibility,
            actions,
            self._weight_row,
            self._words_row,
            self._tags_label,
            self._description,
            self._notes,
            reveal,
            spacing=10,
            margins=(16, 16, 12, 16),
        )
        whole.addStretch(1)
        inside.setLayout(whole)
        self.reveal_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.words_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def _connect(self) -> None:
        self.prompt_button.clicked.connect(self.prompt_requested)
        self.list_button.clicked.connect(self.list_requested)
        self.words_button.clicked.connect(lambda: self.words_requested.emit(", ".join(self._words())))
        self.weight_field.valueChanged.connect(lambda weight: self.weight_chosen.emit(weight))
        self.reset_button.clicked.connect(lambda: self.weight_chosen.emit(None))
        self.reveal_button.clicked.connect(self.reveal_requested)
        self._notes.textChanged.connect(self._handle_notes)

    @property
    def entry(self) -> AdditionEntry | None:
        return self._entry

    def show_entry(self, entry: AdditionEntry | None) -> None:
        """Show `entry`; None shows nothing."""
        same_file = entry is not None and self._entry is not None and entry.file == self._entry.file
        self._entry = entry
        self._content.setVisible(entry is not None)
        if entry is None:
            return
        is_lora = entry.kind is AdditionKind.LORA
        self._title.setText(display_text(entry.title or entry.name, 120))
        self._title.setToolTip(plain_text_tooltip(str(entry.file)))
        self._facts.setText(_facts(entry))
        self._compatibility.setText(_warning(entry))
        self._compatibility.setVisible(bool(self._compatibility.text()))
        self.prompt_button.setEnabled(not entry.problem and (not is_lora or is_usable_name(entry.path_name)))
        self.prompt_button.setToolTip("" if self.prompt_button.isEnabled() else "A prompt cannot hold this name.")
        self.list_button.setEnabled(not entry.problem)
        self._weight_row.setVisible(is_lora)
        with QSignalBlocker(self.weight_field):
            self.weight_field.setValue(entry.weight)
        self.reset_button.setVisible(entry.chosen_weight is not None)
        self._words_row.setVisible(bool(self._words()))
        self._words_label.setText("\n".join(self._words()))
        tags = ", ".join(f"{tag} ({count})" for tag, count in entry.tags[:_MAX_TAGS_SHOWN])
        self._tags_label.setText(f"Trained on: {tags}")
        self._tags_label.setVisible(bool(tags))
        self._description.setText(entry.description[:1500])
        self._description.setVisible(bool(entry.description))
        if not (same_file and self._notes.hasFocus()):
            with QSignalBlocker(self._notes):
                self._notes.setPlainText(entry.notes)

    def _words(self) -> tuple[str, ...]:
        return () if self._entry is None else self._entry.trigger_words

    def _handle_notes(self) -> None:
        self.notes_edited.emit(self._notes.toPlainText())


def _facts(entry: AdditionEntry) -> str:
    kind = entry.kind.value if entry.kind is AdditionKind.LORA else f"embedding, written as {entry.token}"
    facts = (
        kind,
        entry.base_model_name or "model unknown",
        format_bytes(entry.bytes),
        f"by {entry.author}" if entry.author else "",
        display_text(entry.path_name, 120) if entry.title or entry.folder else "",
        "comes with the application" if entry.is_shipped else "",
    )
    return " · ".join(fact for fact in facts if fact)


def _warning(entry: AdditionEntry) -> str:
    if entry.problem:
        return f"It cannot be used. {display_text(entry.problem)}"
    if entry.base_model is TrainedModel.OTHER:
        return f"It was made for {entry.base_model_name}, so it does not fit SDXL."
    return ""
