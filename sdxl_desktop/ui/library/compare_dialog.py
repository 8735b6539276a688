"""The dialog that starts a comparison of two checkpoints: with which one, and on how many pictures."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.request import Execution
from sdxl_desktop.session.checkpoint_jobs import COMPARISON_PROMPTS, ComparisonCandidates, ComparisonJobSpec
from sdxl_desktop.ui.library.common_widgets import title_label
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.library.job_start_dialog import JobStartDialog
from sdxl_desktop.ui.widgets.fields import ComboBox, IntField
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row, muted_label

_MAX_PROMPTS, _MAX_SEEDS = 40, 8
_EXPLANATION = (
    "Both draw the same words from the same seeds, one after the other, each in a process of its own. A page then "
    "shows the pictures side by side, how far they are apart, and what each took."
)
_TIMING_NOTE = "The times are fair only if nothing else is drawn meanwhile."


class CompareDialog(JobStartDialog):
    """Accepted when the user starts the comparison; `value` then returns the choices."""

    def __init__(self, checkpoint: Checkpoint, candidates: ComparisonCandidates, parent: QWidget) -> None:
        """`checkpoint` is compared with one of `candidates`, which is not empty; the report lists the source first."""
        super().__init__(f"Compare {checkpoint.title}", parent)
        self._checkpoint, self._candidates = checkpoint, candidates
        self.other_choice = ComboBox("Compare with")
        self.prompts_field, self.seeds_field = (
            IntField("Prompts", 1, _MAX_PROMPTS),
            IntField("Seeds of each", 1, _MAX_SEEDS),
        )
        self._summary = plain()
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        for other in self._candidates.others:
            self.other_choice.addItem(other.title if other.title == other.name else f"{other.title} ({other.name})")
        self.prompts_field.setValue(COMPARISON_PROMPTS)
        for field in (self.prompts_field, self.seeds_field):
            field.setFixedWidth(80)
        prompts = labelled_row(
            "&Prompts", self.prompts_field, muted_label("of the hundred that come with the application")
        )
        seeds = labelled_row("S&eeds", self.seeds_field, muted_label("of each prompt"))
        for line in (prompts, seeds):
            line.setStretch(1, 0)
            line.setStretch(2, 1)
        content = column(
            title_label(f"Compare {self._checkpoint.title}"),
            plain(_EXPLANATION),
            labelled_row("&With", self.other_choice),
            prompts,
            seeds,
            self._summary,
            plain(_TIMING_NOTE),
            spacing=12,
            margins=(24, 24, 24, 16),
        )
        content.addStretch(1)
        content.addLayout(self.button_row())
        self.setLayout(content)
        self.setMinimumWidth(560)

    def _connect(self) -> None:
        self.other_choice.currentIndexChanged.connect(self._show)
        self.prompts_field.valueChanged.connect(self._show)
        self.seeds_field.valueChanged.connect(self._show)

    def _show(self) -> None:
        first, _ = self._ordered_pair()
        best, count = first.recommended, self.prompts_field.value() * self.seeds_field.value()
        self._summary.setText(
            f"{count} picture{'s' if count != 1 else ''} with each, {best.size.width} × {best.size.height} at "
            f"{best.steps} steps and guidance {best.guidance_scale:g}, as {first.title} recommends."
        )

    def _ordered_pair(self) -> tuple[Checkpoint, Checkpoint]:
        """Return the two checkpoints; if one was made from the other, its source comes first."""
        other = self._candidates.others[max(0, self.other_choice.currentIndex())]
        return (other, self._checkpoint) if other == self._candidates.source else (self._checkpoint, other)

    def value(self, home: Path, execution: Execution) -> ComparisonJobSpec:
        """Return the chosen comparison, with its report in a folder in `home`, to be run with `execution`."""
        first, second = self._ordered_pair()
        return ComparisonJobSpec(
            first=first.folder,
            second=second.folder,
            report_folder=home,
            prompts=self.prompts_field.commit_value(),
            seeds=self.seeds_field.commit_value(),
            execution=execution,
        )

    def text(self) -> str:
        """Return the displayed summary of the run."""
        return self._summary.text()
