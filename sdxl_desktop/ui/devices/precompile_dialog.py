"""Prepare sizes: precompiles a checkpoint, for selected sizes if the devices need fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QDialogButtonBox, QProgressBar, QPushButton, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import needs_fixed_shapes
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache_entries import CompileCacheEntry
from sdxl_desktop.engine.compile_key import image_size_of_shape
from sdxl_desktop.ui.devices.device_formatting import format_rough_duration
from sdxl_desktop.ui.devices.precompile_job import PrecompileJob
from sdxl_desktop.ui.size_presets import size_presets_for
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_FIXED_SHAPES_EXPLANATION = (
    "{devices} takes parts of one size at a time, so each size is compiled by itself. A picture of a size that was not "
    "prepared is compiled when it is first drawn."
)
_DYNAMIC_SHAPES_EXPLANATION = "On {devices} what is compiled once serves every size, so there are no sizes to choose."


class PrecompileDialog(FittedDialog):
    """Shows and controls a `PrecompileJob`, which continues when the dialog is closed."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        execution: Execution,
        entries: Sequence[CompileCacheEntry],
        job: PrecompileJob,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Prepare sizes")
        self._checkpoint = checkpoint
        self._execution = execution
        self._job = job
        self._needs_fixed_shapes = any(needs_fixed_shapes(device) for device in execution.devices)
        self._compile_seconds = compile_seconds(entries, checkpoint, execution)
        self._explanation_label = muted_label(self._explanation(execution), wrap=True)
        self._size_switches = self._create_size_switches(entries, execution)
        self._exact_switch = Switch("Also for the speed Exact, which wants the UNet in one piece")
        self._forecast_label = PlainTextLabel()
        self._progress, self._status_label = QProgressBar(), muted_label("", wrap=True)
        self._precompile_button = QPushButton()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._lay_out()
        self._connect()
        self._update_forecast()
        self._update_status()

    def _explanation(self, execution: Execution) -> str:
        words = _FIXED_SHAPES_EXPLANATION if self._needs_fixed_shapes else _DYNAMIC_SHAPES_EXPLANATION
        return words.format(devices=", ".join(execution.devices))

    def _create_size_switches(self, entries: Sequence[CompileCacheEntry], execution: Execution) -> dict[Size, Switch]:
        """Return a switch for each of the checkpoint's trained sizes; compiled ones are labelled."""
        there = {
            image_size_of_shape(entry.shape)
            for entry in entries
            if _belongs_to_checkpoint(entry, self._checkpoint) and entry.device == execution.device_for(Part.UNET)
        }
        switches = {}
        for shape in size_presets_for(self._checkpoint):
            switch = Switch(f"{shape.label}{'  (prepared)' if shape.size in there else ''}")
            switch.setChecked(shape.size == self._checkpoint.recommended.size)
            switches[shape.size] = switch
        return switches

    def _lay_out(self) -> None:
        title = PlainTextLabel(
            f"Compile {self._checkpoint.title} ahead, so that the first picture need not wait for it."
        )
        title.setWordWrap(True)
        sizes = QWidget()
        sizes.setLayout(column(*self._size_switches.values(), spacing=2))
        sizes.setVisible(self._needs_fixed_shapes)
        self._progress.setTextVisible(False)
        self._precompile_button.setProperty("role", "primary")
        self._precompile_button.setAutoDefault(False)
        self._precompile_button.setMinimumWidth(112)
        actions = row(self._precompile_button)
        actions.addStretch(1)
        actions.addWidget(self._buttons)
        whole = column(
            title,
            self._explanation_label,
            sizes,
            self._exact_switch,
            self._forecast_label,
            self._progress,
            self._status_label,
            spacing=12,
            margins=(24, 16, 24, 16),
        )
        whole.addStretch(1)
        whole.addLayout(actions)
        self.setLayout(whole)
        self.resize(480, 460 if self._needs_fixed_shapes else 300)

    def _connect(self) -> None:
        for switch in self._size_switches.values():
            switch.toggled.connect(lambda _: self._update_forecast())
        self._exact_switch.toggled.connect(lambda _: self._update_forecast())
        self._precompile_button.clicked.connect(self._start_or_stop)
        self._buttons.rejected.connect(self.reject)
        self._job.changed.connect(self._update_status)

    def sizes(self) -> tuple[Size, ...]:
        """Return the sizes to compile for; if one compiled model serves all, only the checkpoint's own."""
        if not self._needs_fixed_shapes:
            return (self._checkpoint.recommended.size,)
        return tuple(size for size, switch in self._size_switches.items() if switch.isChecked())

    def speeds(self) -> tuple[SpeedPreset, ...]:
        return tuple(
            speed for speed in SpeedPreset if speed.plan.step_caching is not None or self._exact_switch.isChecked()
        )

    def _update_forecast(self) -> None:
        count = len(self.sizes())
        if not count:
            self._forecast_label.setText("Choose at least one size.")
        elif self._compile_seconds is None:
            self._forecast_label.setText(
                "How long it takes is not known: nothing of this checkpoint was compiled here yet."
            )
        else:
            forms = 2 if self._exact_switch.isChecked() else 1
            total = format_rough_duration(self._compile_seconds * count * forms)
            self._forecast_label.setText(f"Expected: {total} where nothing is compiled yet.")
        self._precompile_button.setEnabled(count > 0 or self._job.status.running)

    def _update_status(self) -> None:
        standing = self._job.status
        self._status_label.setText(standing.text)
        self._status_label.setVisible(bool(standing.text))
        self._progress.setVisible(standing.running)
        self._progress.setRange(0, 0 if standing.fraction is None else 1000)
        self._progress.setValue(round(1000 * (standing.fraction or 0)))
        self._precompile_button.setText("Stop" if standing.running else "Prepare")
        for control in (*self._size_switches.values(), self._exact_switch):
            control.setEnabled(not standing.running)

    def _start_or_stop(self) -> None:
        if self._job.status.running:
            self._job.stop()
        else:
            self._job.start(self._checkpoint, self.sizes(), self.speeds(), self._execution)


def compile_seconds(entries: Sequence[CompileCacheEntry], checkpoint: Checkpoint, execution: Execution) -> float | None:
    """Return how long compiling every part took before, by the cache entries: the longest of each; None if unknown."""
    longest: dict[str, float] = {}
    for entry in entries:
        asked = entry.device == execution.device_for(entry.part)
        if _belongs_to_checkpoint(entry, checkpoint) and asked and entry.compile_seconds is not None:
            longest[entry.part] = max(longest.get(entry.part, 0.0), entry.compile_seconds)
    return sum(longest.values()) if Part.UNET in longest else None


def _belongs_to_checkpoint(entry: CompileCacheEntry, checkpoint: Checkpoint) -> bool:
    return checkpoint.folder.name in entry.checkpoints
