"""The dialog before a quantization: the method, its costs, and the calibration prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate
from sdxl_desktop.library.quantize.calibration import DEFAULT_SAMPLES, MAX_SAMPLES, Calibration
from sdxl_desktop.library.quantize.calibration_prompts import read_prompts
from sdxl_desktop.library.quantize.quantization_estimate import estimate_quantization
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan
from sdxl_desktop.session.checkpoint_jobs import QuantizationJobSpec, unused_name
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.common_widgets import set_tone, title_label
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.library.cost_table import CostRow, CostTable
from sdxl_desktop.ui.library.free_resources import FreeResources, name_problem
from sdxl_desktop.ui.library.job_start_dialog import JobStartDialog, show_disk_space
from sdxl_desktop.ui.widgets.fields import ComboBox, IntField
from sdxl_desktop.ui.widgets.layout_helpers import LABEL_WIDTH, column, heading_label, labelled_row, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_BUNDLED_PROMPTS, _PROMPTS_FROM_FILE = range(2)
_SUGGESTED = QuantizationMethod.INT8
_METHOD_DESCRIPTIONS = {
    QuantizationMethod.INT8: "Weights in 8 bits. Half the size of fp16; differences are hard to see.",
    QuantizationMethod.INT4: "Most of the UNet's weights in 4 bits. The smallest; pictures change visibly.",
    QuantizationMethod.HYBRID: "Weights in 8 bits, and convolutions compute in 8 bits. Faster where the device can.",
    QuantizationMethod.FULL: "The whole UNet computes in 8 bits. Fastest where the device can; "
    "best for few-step checkpoints.",
}


class QuantizeDialog(JobStartDialog):
    """Accepted when the user starts the job; `value` then returns the choices."""

    def __init__(
        self,
        name: str,
        plans: Mapping[QuantizationMethod, QuantizationPlan | CheckpointError],
        resources: FreeResources,
        parent: QWidget,
    ) -> None:
        """`name` is the source's title; `plans` map each method to its plan, or to the reason why it is impossible."""
        super().__init__(f"Make {name} smaller", parent)
        self._plans = {method: found for method, found in plans.items() if isinstance(found, QuantizationPlan)}
        self._resources = resources
        self._name_edited = False
        self._prompts_file: Path | None = None
        self._prompts_count, self._prompts_error = 0, "Choose the file with your prompts."
        self.method_table: CostTable[QuantizationMethod] = CostTable(
            [_method_row(method, plans[method]) for method in QuantizationMethod if method in plans],
            memory=resources.memory_bytes,
            disk=resources.disk_bytes,
            headers=("Method", "Memory meanwhile"),
            suggestion="Small, quickly made, and hard to tell from what it is made from",
        )
        self.prompts_choice = ComboBox("Prompts")
        self.choose_file_button = QPushButton("Choose &file…")
        self.samples_field = IntField("Samples", 1, MAX_SAMPLES)
        self.name_edit = QLineEdit()
        self._calibration_panel = QWidget()
        self._prompts_file_label, self._calibration_label = plain(), muted_label(wrap=True)
        self._error_label, self._memory_label, self._disk_label = plain(tone="bad"), plain(), plain()
        self._lay_out(name)
        self._connect()
        self.method_table.select(_SUGGESTED if _SUGGESTED in self._plans else next(iter(self._plans)))

    # layout

    def _lay_out(self, name: str) -> None:
        self.prompts_choice.addItems(
            ["The hundred that come with the application", "A text file, a prompt on each line"]
        )
        self.samples_field.setValue(DEFAULT_SAMPLES)
        self.samples_field.setToolTip(
            "How many UNet inputs are used for calibration; more takes longer and is a little better"
        )
        self.name_edit.setAccessibleName("Name in the library")
        self.choose_file_button.setAutoDefault(False)
        why = plain("Pictures are drawn first, to calibrate the UNet. Prompts like your own work best.")
        learned = row(self.samples_field, self._calibration_label, spacing=16)
        learned.setStretch(1, 1)
        samples = PlainTextLabel("Sa&mples")
        samples.setFixedWidth(LABEL_WIDTH)
        samples.setBuddy(self.samples_field)
        self._calibration_panel.setLayout(
            column(
                heading_label("Sample pictures"),
                why,
                labelled_row("&Prompts", self.prompts_choice, self.choose_file_button),
                self._prompts_file_label,
                row(samples, learned),
            )
        )
        content = column(
            title_label(f"Make {name} smaller"),
            plain("A new checkpoint is made of it; this one stays as it is. Compare both when it is done."),
            self.method_table,
            self._calibration_panel,
            labelled_row("&Name", self.name_edit),
            self._error_label,
            self._memory_label,
            self._disk_label,
            spacing=12,
            margins=(0, 0, 12, 0),
        )
        content.addStretch(1)
        self.set_scrolling_content(content)
        self.resize(820, 640)

    def _connect(self) -> None:
        self.name_edit.textEdited.connect(self._mark_name_edited)
        self.name_edit.textChanged.connect(self._refresh)
        self.method_table.changed.connect(self._show_method)
        self.samples_field.valueChanged.connect(self._show_samples)
        self.prompts_choice.currentIndexChanged.connect(self._refresh)
        self.choose_file_button.clicked.connect(self._choose_prompts_file)

    def showEvent(self, event: QShowEvent) -> None:
        """Set the initial focus to the first control that needs a decision."""
        super().showEvent(event)
        (self.method_table.focus_target() or self.cancel_button).setFocus()

    # selection

    def _mark_name_edited(self) -> None:
        self._name_edited = True

    def _choose_prompts_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Calibration prompts", "", "Text files (*.txt);;All files (*)")
        if chosen:
            self.set_prompts_file(Path(chosen))

    def set_prompts_file(self, file: Path) -> None:
        """Calibrate with the prompts in `file`, which is read now and not at every change in the dialog."""
        self._prompts_file, self._prompts_error = file, ""
        try:
            self._prompts_count = len(read_prompts(file))
        except RequestError as problem:
            self._prompts_error = str(problem)
        self.prompts_choice.setCurrentIndex(_PROMPTS_FROM_FILE)
        self._refresh()

    @property
    def method(self) -> QuantizationMethod:
        return self.method_table.selected_key() or _SUGGESTED

    # displaying

    def _show_method(self) -> None:
        if not self._name_edited:
            self.name_edit.setText(
                unused_name(
                    self._plans[self.method].name, self._resources.library_folder, self._resources.reserved_names
                )
            )
        self._refresh()

    def _show_samples(self) -> None:
        self.method_table.show_forecasts({method: self._forecast(plan) for method, plan in self._plans.items()})
        self._refresh()

    def _calibration(self, plan: QuantizationPlan) -> Calibration | None:
        return replace(plan.calibration, samples=self.samples_field.value()) if plan.calibration is not None else None

    def _forecast(self, plan: QuantizationPlan) -> ResourceEstimate:
        return estimate_quantization(plan.method, plan.parts, self._calibration(plan))

    def _refresh(self) -> None:
        plan = self._plans[self.method]
        calibration = self._calibration(plan)
        self._calibration_panel.setVisible(calibration is not None)
        wrong = name_problem(self.name_edit.text().strip(), self._resources)
        if calibration is not None:
            wrong = self._show_prompts() or wrong
            count = len(calibration.picture_prompts)
            self._calibration_label.setText(
                f"from {count} picture{'s' if count != 1 else ''} of {calibration.size.width} × "
                f"{calibration.size.height} at {calibration.steps} steps"
            )
        self._error_label.setText(wrong)
        self._error_label.setVisible(bool(wrong))
        self.start_button.setEnabled(self._update_resource_labels(self._forecast(plan)) and not wrong)

    def _show_prompts(self) -> str:
        """Show the source of the prompts; return what is wrong with it."""
        own = self.prompts_choice.currentIndex() == _PROMPTS_FROM_FILE
        self.choose_file_button.setVisible(own)
        self._prompts_file_label.setVisible(own and not self._prompts_error)
        count = self._prompts_count
        self._prompts_file_label.setText(f"{count} prompt{'s' if count != 1 else ''} in {self._prompts_file}")
        return self._prompts_error if own else ""

    def _update_resource_labels(self, forecast: ResourceEstimate) -> bool:
        """Show the required resources; return whether the disk has room. Memory may be freed before the job begins."""
        room = self._resources
        fits = forecast.memory <= room.memory_bytes
        taken, free = map(library_formatting.format_size, (forecast.memory, room.memory_bytes))
        text = f"It takes {taken} of memory, and {free} are free."
        self._memory_label.setText(f"{text} Close other programs before it begins, or choose int8 or int4.")
        self._memory_label.setVisible(not fits)
        set_tone(self._memory_label, "bad")
        return show_disk_space(self._disk_label, forecast.disk_meanwhile, room)

    # result

    def value(self) -> QuantizationJobSpec:
        """Return the chosen quantization job."""
        own = (
            self.prompts_choice.currentIndex() == _PROMPTS_FROM_FILE
            and self._prompts_file is not None
            and self.method.needs_calibration
        )
        return QuantizationJobSpec(
            source=str(self._plans[self.method].source.folder),
            method=self.method,
            name=self.name_edit.text().strip(),
            prompts=str(self._prompts_file) if own else "",
            samples=self.samples_field.commit_value(),
        )

    def text(self) -> str:
        """Return the dialog's text as a screen reader would read it."""
        summary = (
            *self.method_table.row_texts(),
            self._visible_text(self._prompts_file_label),
            self._visible_text(self._calibration_label),
            self._visible_text(self._error_label),
        )
        return "\n".join(
            part for part in (*summary, self._visible_text(self._memory_label), self._disk_label.text()) if part
        )

    def _visible_text(self, label: PlainTextLabel) -> str:
        return label.text() if label.isVisibleTo(self) else ""


def _method_row(method: QuantizationMethod, plan: QuantizationPlan | CheckpointError) -> CostRow[QuantizationMethod]:
    if isinstance(plan, QuantizationPlan):
        return CostRow(
            method, method.value, _METHOD_DESCRIPTIONS[method], plan.forecast, suggested=method is _SUGGESTED
        )
    return CostRow(method, method.value, plan.why or plan.what, None)
