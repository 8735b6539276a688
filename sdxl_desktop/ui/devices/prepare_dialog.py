"""Prepare sizes: compile a checkpoint ahead, for chosen sizes where the devices want each by itself."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QDialogButtonBox, QProgressBar, QPushButton, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import needs_fixed_shapes
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.compile_key import size_of_shape
from sdxl_desktop.engine.compiled_entries import Entry
from sdxl_desktop.ui.devices.preparing import Preparing
from sdxl_desktop.ui.devices.words import duration_words
from sdxl_desktop.ui.shapes import trained_shapes
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel

_FIXED = (
    "{devices} takes parts of one size at a time, so each size is compiled by itself. A picture of a size that was not "
    "prepared is compiled when it is first drawn."
)
_EVERY = "On {devices} what is compiled once serves every size, so there are no sizes to choose."


class PrepareDialog(Dialog):
    """Shows and steers a `Preparing`, which goes on when the dialog is closed."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        execution: Execution,
        entries: Sequence[Entry],
        preparing: Preparing,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Prepare sizes")
        self._checkpoint = checkpoint
        self._execution = execution
        self._preparing = preparing
        self._fixed = any(needs_fixed_shapes(device) for device in execution.devices)
        self._seconds = compile_seconds(entries, checkpoint, execution)
        self._words = muted(self._explained(execution), wrap=True)
        self._sizes = self._make_sizes(entries, execution)
        self._exact = Switch("Also for the speed Exact, which wants the UNet in one piece")
        self._expected = PlainLabel()
        self._progress, self._doing = QProgressBar(), muted("", wrap=True)
        self._prepare = QPushButton()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._lay_out()
        self._connect()
        self._show_expected()
        self._show_standing()

    def _explained(self, execution: Execution) -> str:
        words = _FIXED if self._fixed else _EVERY
        return words.format(devices=", ".join(execution.devices))

    def _make_sizes(self, entries: Sequence[Entry], execution: Execution) -> dict[Size, Switch]:
        """A switch for each size that the checkpoint was trained for; what is prepared already says so."""
        there = {
            size_of_shape(entry.shape)
            for entry in entries
            if _belongs(entry, self._checkpoint) and entry.device == execution.device_for(Part.UNET)
        }
        switches = {}
        for shape in trained_shapes(self._checkpoint):
            switch = Switch(f"{shape.label}{'  (prepared)' if shape.size in there else ''}")
            switch.setChecked(shape.size == self._checkpoint.recommended.size)
            switches[shape.size] = switch
        return switches

    def _lay_out(self) -> None:
        title = PlainLabel(f"Compile {self._checkpoint.title} ahead, so that the first picture need not wait for it.")
        title.setWordWrap(True)
        sizes = QWidget()
        sizes.setLayout(column(*self._sizes.values(), spacing=2))
        sizes.setVisible(self._fixed)
        self._progress.setTextVisible(False)
        self._prepare.setProperty("role", "primary")
        self._prepare.setAutoDefault(False)
        self._prepare.setMinimumWidth(112)
        actions = row(self._prepare)
        actions.addStretch(1)
        actions.addWidget(self._buttons)
        whole = column(
            title,
            self._words,
            sizes,
            self._exact,
            self._expected,
            self._progress,
            self._doing,
            spacing=12,
            margins=(24, 16, 24, 16),
        )
        whole.addStretch(1)
        whole.addLayout(actions)
        self.setLayout(whole)
        self.resize(480, 460 if self._fixed else 300)

    def _connect(self) -> None:
        for switch in self._sizes.values():
            switch.toggled.connect(lambda _: self._show_expected())
        self._exact.toggled.connect(lambda _: self._show_expected())
        self._prepare.clicked.connect(self._start_or_stop)
        self._buttons.rejected.connect(self.reject)
        self._preparing.changed.connect(self._show_standing)

    def sizes(self) -> tuple[Size, ...]:
        """The sizes to compile for; where one serves all, the checkpoint's own stands for them."""
        if not self._fixed:
            return (self._checkpoint.recommended.size,)
        return tuple(size for size, switch in self._sizes.items() if switch.isChecked())

    def speeds(self) -> tuple[Speed, ...]:
        return tuple(speed for speed in Speed if speed.plan.caching is not None or self._exact.isChecked())

    def _show_expected(self) -> None:
        count = len(self.sizes())
        if not count:
            self._expected.setText("Choose at least one size.")
        elif self._seconds is None:
            self._expected.setText("How long it takes is not known: nothing of this checkpoint was compiled here yet.")
        else:
            forms = 2 if self._exact.isChecked() else 1
            total = duration_words(self._seconds * count * forms)
            self._expected.setText(f"Expected: {total} where nothing is compiled yet.")
        self._prepare.setEnabled(count > 0 or self._preparing.standing.running)

    def _show_standing(self) -> None:
        standing = self._preparing.standing
        self._doing.setText(standing.words)
        self._doing.setVisible(bool(standing.words))
        self._progress.setVisible(standing.running)
        self._progress.setRange(0, 0 if standing.fraction is None else 1000)
        self._progress.setValue(round(1000 * (standing.fraction or 0)))
        self._prepare.setText("Stop" if standing.running else "Prepare")
        for control in (*self._sizes.values(), self._exact):
            control.setEnabled(not standing.running)

    def _start_or_stop(self) -> None:
        if self._preparing.standing.running:
            self._preparing.stop()
        else:
            self._preparing.start(self._checkpoint, self.sizes(), self.speeds(), self._execution)


def compile_seconds(entries: Sequence[Entry], checkpoint: Checkpoint, execution: Execution) -> float | None:
    """What compiling every part once took, by what is kept of it: the longest of each; None when nothing tells."""
    longest: dict[str, float] = {}
    for entry in entries:
        asked = entry.device == execution.device_for(entry.part)
        if _belongs(entry, checkpoint) and asked and entry.seconds is not None:
            longest[entry.part] = max(longest.get(entry.part, 0.0), entry.seconds)
    return sum(longest.values()) if Part.UNET in longest else None


def _belongs(entry: Entry, checkpoint: Checkpoint) -> bool:
    return checkpoint.folder.name in entry.checkpoints
